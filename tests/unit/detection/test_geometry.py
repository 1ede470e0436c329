from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import nn

from architectures import Detector, InputPreset, build
from detection.geometry import measure_cells
from detection.overlay import Cells


def detector(*layers: nn.Module, size: int = 64) -> Detector:
    return Detector(nn.Sequential(*layers), nn.Identity(), InputPreset(size))


def check(cells: Cells, first: float, step: float, size: int = 64) -> None:
    """Compares with centres in pixels, the first pixel's centre being 0.5."""
    assert cells.first * size == pytest.approx(first, abs=1e-3)
    assert cells.step * size == pytest.approx(step, abs=1e-6)


def test_patches_tile_the_picture() -> None:
    cells = measure_cells(detector(nn.Conv2d(3, 4, 8, stride=8)))
    check(cells, 4, 8)
    assert cells.first == pytest.approx(Cells.tiling(8).first, abs=1e-5)
    check(measure_cells(detector(nn.AvgPool2d(2), nn.Conv2d(3, 4, 4, 4))), 4, 8)


def test_layers_without_stride_move_nothing() -> None:
    check(measure_cells(detector(nn.Conv2d(3, 4, 5, padding=2), nn.ReLU())), 0.5, 1)


def test_strided_convolutions_move_the_centres_to_the_upper_left() -> None:
    one = nn.Conv2d(3, 4, 3, stride=2, padding=1)
    two = nn.Conv2d(4, 4, 5, stride=2, padding=2)
    check(measure_cells(detector(one)), 0.5, 2)  # squares of 2 pixels would be centred at 1
    check(measure_cells(detector(one, nn.BatchNorm2d(4), nn.SiLU(), two)), 0.5, 4)


def test_efficientnet_by_its_strides() -> None:
    check(measure_cells(build("efficientnet", size=128)), 0.5, 32, size=128)
    check(measure_cells(build("efficientnet", size=224)), 0.5, 32, size=224)


def test_cnn_lies_between_its_two_branches() -> None:
    cells = measure_cells(build("cnn", size=128))
    assert cells.step == pytest.approx(16 / 128)
    assert 0.5 < cells.first * 128 < 8
    assert cells.box(8) is not None


@pytest.mark.parametrize(("name", "size", "count"), [("cnn", 128, 8), ("efficientnet", 128, 4)])
def test_columns_of_mirrored_maps_lie_symmetrically(name: str, size: int, count: int) -> None:
    network = build(name, size=size)
    plain = measure_cells(network)
    network.preset = dataclasses.replace(network.preset, mirrored=True)
    mirrored = measure_cells(network)
    assert (mirrored.first, mirrored.step) == (plain.first, plain.step)
    assert mirrored.first_column is not None
    assert mirrored.first_column + mirrored.step * (count - 1) / 2 == pytest.approx(0.5)


def test_the_network_itself_stays_as_it_was() -> None:
    network = build("efficientnet", size=128).eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    probe = torch.rand(1, 3, 128, 128)
    with torch.no_grad():
        first = network(probe)
        measure_cells(network)
        assert torch.equal(network(probe), first)
    after = network.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
