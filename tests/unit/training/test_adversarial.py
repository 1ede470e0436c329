from pathlib import Path

import numpy as np
import pytest
import torch

from architectures import InputPreset
from detection.version import ModelVersion
from tests.support.small_evaluation import SmallData
from training.adversarial import ATTACKS, BUDGETS, Attack, attack, measure
from training.manifest import FAKE, REAL
from training.subjects import crops_of, load_versions


@pytest.fixture(scope="module", params=["cnn", "efficientnet"])
def version(request: pytest.FixtureRequest, small_store: Path) -> ModelVersion:
    (loaded,) = load_versions([request.param], small_store)
    return loaded


def inputs(version: ModelVersion, small_data: SmallData) -> tuple[torch.Tensor, torch.Tensor]:
    chosen = small_data.samples[6:14]
    size = version.detector.preset.size
    pixels = InputPreset(size).to_input(crops_of(chosen, small_data.loader))
    return pixels, torch.tensor([sample.label for sample in chosen])


def loss(version: ModelVersion, pixels: torch.Tensor, labels: torch.Tensor) -> float:
    with torch.no_grad():
        logits = version.detector(version.detector.preset.normalise(pixels))
        return float(torch.nn.functional.cross_entropy(logits, labels))


@pytest.mark.parametrize("kind", ATTACKS)
def test_attacks_stay_within_their_budget_and_raise_the_loss(
    version: ModelVersion, small_data: SmallData, kind: Attack
) -> None:
    pixels, labels = inputs(version, small_data)
    before = loss(version, pixels, labels)
    for budget in BUDGETS:
        generator = torch.Generator().manual_seed(0)
        changed = attack(version.detector, pixels, labels, kind, budget / 255, generator)
        assert float((changed - pixels).abs().max()) <= budget / 255 + 1e-6
        assert float(changed.min()) >= 0
        assert float(changed.max()) <= 1
        assert loss(version, changed, labels) > before
    assert not changed.requires_grad
    assert all(parameter.grad is None for parameter in version.detector.parameters())


def test_pgd_follows_from_its_generator(version: ModelVersion, small_data: SmallData) -> None:
    pixels, labels = inputs(version, small_data)
    first, again = (
        attack(version.detector, pixels, labels, "pgd", 0.01, torch.Generator().manual_seed(1))
        for _ in range(2)
    )
    assert torch.equal(first, again)


def test_measure_reports_every_attack(version: ModelVersion, small_data: SmallData) -> None:
    samples = [s for s in small_data.samples if s.source == "a"]
    assert {sample.label for sample in samples} == {FAKE, REAL}
    crops = crops_of(samples, small_data.loader)
    found = measure(version, samples, crops, resampled=5)
    assert found["images"] == 20
    assert set(found) == {"images", "none"} | {f"{k}-{b}" for k in ATTACKS for b in BUDGETS}
    assert found["pgd-4"]["auc"]["value"] <= found["none"]["auc"]["value"]
    assert np.isfinite(found["fgsm-1"]["balanced_accuracy"]["value"])
