from pathlib import Path

import numpy as np
import pytest
import torch

from architectures.efficientnet import build_efficientnet
from training.augment import AugmentConfig
from training.face_loader import FaceLoader
from training.feature_probe import (
    Examples,
    FrozenFeatures,
    Judge,
    compare,
    examples_of,
    in_batches,
    kinds,
    unvaried,
)
from training.manifest import Sample, in_split
from training.pairs import Mixture, PairDataset


@pytest.fixture(scope="module")
def features() -> FrozenFeatures:
    torch.manual_seed(0)
    return FrozenFeatures(build_efficientnet(64), blocks=(1, 8))


def test_features_are_mean_and_deviation_of_the_blocks_that_are_read(
    features: FrozenFeatures,
) -> None:
    crops = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), np.uint8)
    found = features(crops)
    assert found.shape == (2, 2 * 16 + 2 * 1280)
    assert (found[:, 16:32] >= 0).all()
    assert not np.allclose(found[0], found[1])


@pytest.mark.parametrize("count", [1, 32, 33])
def test_batches_do_not_change_features(features: FrozenFeatures, count: int) -> None:
    crops = np.random.default_rng(1).integers(0, 256, (count, 64, 64, 3), np.uint8)
    found = in_batches(iter(crops), features)
    assert len(found) == count
    assert np.allclose(found[-1], features(crops[-1:])[0], atol=1e-4)


def test_each_kind_is_one_forgery_alone() -> None:
    mixtures = kinds(("alpha",), ("beta",))
    weights = [
        sum(each.sources.values())
        + each.self_blended
        + each.cross_blended
        + each.reconstructed
        + each.generated
        + each.upscaled
        for each in mixtures.values()
    ]
    assert weights == [1.0] * len(mixtures)
    assert mixtures["beta"].sources == {"beta": 1.0}
    assert {tuple(each.reals) for each in mixtures.values()} == {("alpha",)}


def test_examples_are_the_fakes_and_the_photos_as_they_are(
    tiny_samples: list[Sample], tiny_loader: FaceLoader, features: FrozenFeatures
) -> None:
    mixture = Mixture({"beta": 1.0})
    plain = unvaried(AugmentConfig())
    data = PairDataset(in_split(tiny_samples, "train"), tiny_loader, mixture, plain, 3, seed=0)
    found = examples_of(data, features, "beta")
    assert found.fake.tolist() == [True, False] * 3
    photos = [tiny_loader.crop(sample) for sample in tiny_samples if sample.label == 1]
    assert any(np.allclose(found.features[1], row, atol=1e-4) for row in features(np.stack(photos)))


def test_a_probe_tells_what_it_was_shown_and_not_the_opposite() -> None:
    rng = np.random.default_rng(0)
    fake = np.arange(80) % 2 == 0

    def example(sign: float) -> Examples:
        noise = rng.standard_normal((80, 4)).astype(np.float32)
        return Examples(noise + np.where(fake, 2 * sign, 0)[:, None].astype(np.float32), fake)

    shown, other = example(1.0), example(-1.0)
    samples = [
        Sample(str(index), "validation", 0 if one else 1, "one", identity=str(index))
        for index, one in enumerate(fake)
    ]
    judge = Judge(samples, example(1.0).features)
    rows = list(compare({"one": shown, "other": other}, ("one",), judge))
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert [row[0] for row in cells] == ["one", "other", "all but one"]
    aucs = [float(row[1].split()[0]) for row in cells]
    assert aucs[0] > 0.95
    assert aucs[1] < 0.05
    assert aucs[2] == aucs[1]


def test_the_shipped_table_is_there() -> None:
    assert "make feature-probe" in Path("training/studies/feature-probe.md").read_text(
        encoding="utf-8"
    )
