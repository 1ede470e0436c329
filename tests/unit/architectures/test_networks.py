import dataclasses

import pytest
import torch
from torchvision.ops import SqueezeExcitation

from architectures import NAMES, build
from architectures.cnn import ConstrainedConv2d
from architectures.efficientnet import initialise, options_for


@pytest.mark.parametrize("name", NAMES)
def test_features_and_head_make_up_the_network(name: str) -> None:
    detector = build(name, size=64).eval()
    pixels = detector.preset.to_input(torch.randint(0, 256, (3, 64, 64, 3), dtype=torch.uint8))
    with torch.no_grad():
        features = detector.features(pixels)
        logits = detector(pixels)
    assert features.ndim == 4
    assert features.shape[0] == 3
    assert logits.shape == (3, 2)
    assert torch.equal(detector.head(features), logits)


@pytest.mark.parametrize("name", NAMES)
def test_a_mirrored_picture_gets_the_same_logits_and_mirrored_maps_where_asked(name: str) -> None:
    options = options_for("imagenet-lite0") if name == "efficientnet" else {}
    detector = build(name, **{**options, "size": 64}).eval()
    if options:
        initialise(detector, "imagenet-lite0")
    pixels = detector.preset.to_input(torch.randint(0, 256, (3, 64, 64, 3), dtype=torch.uint8))
    with torch.no_grad():
        plain, mirrored = detector(pixels), detector(pixels.flip(-1))
        assert not torch.allclose(plain, mirrored, rtol=1e-4)  # else nothing below could fail
        detector.preset = dataclasses.replace(detector.preset, mirrored=True)
        assert torch.allclose(detector(pixels), (plain + mirrored) / 2, atol=1e-5)
        maps, flipped = detector.feature_maps(pixels), detector.feature_maps(pixels.flip(-1))
    assert torch.allclose(flipped.flip(-1), maps, atol=1e-5)


def test_the_cnn_is_small_and_takes_raw_pixels() -> None:
    detector = build("cnn")
    assert sum(parameter.numel() for parameter in detector.parameters()) <= 3_000_000
    assert detector.preset.mean == (0.0, 0.0, 0.0)
    assert detector.preset.std == (1.0, 1.0, 1.0)


def test_unknown_names_and_options_are_refused() -> None:
    with pytest.raises(ValueError, match="known are cnn, efficientnet"):
        build("resnet")
    with pytest.raises(ValueError, match="colour"):
        build("cnn", colour=True)


@pytest.mark.parametrize("size", [0, 24, 161])
def test_a_size_that_cannot_be_halved_in_every_stage_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"multiple of 16, not {size}"):
        build("cnn", size=size)
    with pytest.raises(ValueError, match="activation"):
        build("efficientnet", activation="tanh")


def test_constrained_filters_cancel_what_is_constant() -> None:
    layer = ConstrainedConv2d(3, 4)
    weight = layer.weight()
    assert torch.allclose(weight[:, :, 2, 2], torch.full((4, 3), -1.0))
    assert torch.allclose(weight.sum(dim=(2, 3)), torch.zeros(4, 3), atol=1e-5)
    assert torch.allclose(layer(torch.full((1, 3, 9, 9), 0.7)), torch.zeros(1, 4, 9, 9), atol=1e-5)


def test_lite0_weights_map_onto_b0_and_leave_the_gates_open() -> None:
    options = options_for("imagenet-lite0")
    detector = build("efficientnet", size=64, **options)
    stem = detector.get_submodule("features.0.0")
    assert isinstance(stem, torch.nn.Conv2d)
    before = stem.weight.detach().clone()
    initialise(detector, "imagenet-lite0")
    assert not torch.equal(before, stem.weight)
    gate = detector.get_submodule("features.1.0.block.1")
    assert isinstance(gate, SqueezeExcitation)
    opened = torch.sigmoid(gate.fc2(torch.zeros(1, gate.fc2.in_channels, 1, 1)))
    assert float(opened.detach().min()) > 0.99
    assert detector.preset.mean == pytest.approx((127 / 255,) * 3)
    assert {m.eps for m in detector.modules() if isinstance(m, torch.nn.BatchNorm2d)} == {1e-3}


def test_relu6_replaces_silu_outside_the_gates() -> None:
    detector = build("efficientnet", size=64, activation="relu6")
    kinds = {type(module) for module in detector.features.modules()}
    assert torch.nn.ReLU6 in kinds
    gate = detector.get_submodule("features.1.0.block.1")
    assert isinstance(gate.activation, torch.nn.SiLU)
    assert isinstance(detector.get_submodule("features.1.0.block.0.2"), torch.nn.ReLU6)


def test_an_unknown_initialisation_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown initialisation"):
        initialise(build("efficientnet", size=64), "jft")
