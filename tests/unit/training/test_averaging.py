import pytest
import torch

from architectures import build
from training.augment import AugmentConfig
from training.averaging import moving_average, refresh_statistics
from training.face_loader import FaceLoader
from training.manifest import Sample
from training.pairs import Mixture, PairDataset


def test_the_moving_average_forgets_the_initial_weights_soon() -> None:
    average, current = [torch.zeros(1)], [torch.ones(1)]
    update = moving_average(0.998)
    for step in range(1, 101):
        update(average, current, torch.tensor(step))
    assert float(average[0]) > 0.99


def test_a_moving_average_that_never_hurries_is_the_mean_of_all_steps() -> None:
    average, steps = [torch.zeros(1)], range(1, 101)
    update = moving_average(1.0, ramp=1.0)
    for step in steps:
        update(average, [torch.full((1,), float(step))], torch.tensor(step))
    # The first weights, which the average starts with, count twice.
    assert float(average[0]) == pytest.approx(sum(steps) / (len(steps) + 2), rel=1e-4)


def test_statistics_are_those_of_the_data_and_not_of_the_past(
    tiny_samples: list[Sample], tiny_loader: FaceLoader
) -> None:
    detector = build("cnn", size=32, widths=(8, 8, 16), depths=(1, 1))
    norms = [module for module in detector.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for norm in norms:
        assert norm.running_mean is not None
        norm.running_mean.fill_(1e3)
    train = [sample for sample in tiny_samples if sample.split == "train"]
    data = PairDataset(
        train, tiny_loader, Mixture({"alpha": 1.0}), AugmentConfig(p_geometry=0), 8, seed=1
    )
    refresh_statistics(detector, data, batch_pairs=4)
    first = norms[0].running_mean
    assert first is not None
    colours = (
        torch.stack([data[index][0] for index in range(8)]).float().mean(dim=(0, 1, 2, 3)) / 255
    )
    assert first[:3].tolist() == pytest.approx(colours.tolist(), abs=0.01)
    assert not any(
        float(n.running_mean.abs().max()) > 100 for n in norms if n.running_mean is not None
    )
