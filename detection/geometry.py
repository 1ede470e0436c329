"""Where in the picture the cells of a feature map look.

A grid is usually drawn as if its cells were equal squares that tile the picture. They are not
quite: a convolution of stride 2 on an even number of pixels samples every second pixel from the
left, so each such layer moves the centres of the receptive fields by half a pixel of its input to
the left and to the top. Five of them, as in EfficientNet, add up to half a cell: a map drawn the
usual way lies 16 of 128 pixels too far to the right and too low.
"""

from __future__ import annotations

import copy
import math

import torch
from torch import nn
from torchvision.ops import SqueezeExcitation

from architectures import Detector
from detection.overlay import Cells

_PROBE_SIDE = 256  # pixels; a multiple of every stride in use
_TRANSPARENT = (nn.BatchNorm2d, nn.SiLU, nn.ReLU, nn.ReLU6, SqueezeExcitation)


def measure_cells(detector: Detector) -> Cells:
    """Measures where a detector's feature map looks, from its layers alone.

    A copy of the features in which every convolution averages, and all else lets its input
    through, gives each cell a weighted mean of the picture; the gradient of one cell is its
    receptive field, whose centroid is the cell's centre. Borders wrap around, so that padding
    cannot move it.

    Args:
        detector: Its features map N x 3 x s x s to N x C x s/k x s/k.

    Returns:
        First centre and distance of the centres, in shares of the detector's input.
    """
    averaging = _averaging_copy(detector.features)
    probe = torch.ones(1, 3, _PROBE_SIDE, _PROBE_SIDE, requires_grad=True)
    with torch.enable_grad():
        features: torch.Tensor = averaging(probe).sum(dim=1)[0]  # h x w
        cells = features.shape[-1]
        (gradient,) = torch.autograd.grad(features[cells // 2, cells // 2], probe)
    centre = _circular_centroid(gradient.abs().sum(dim=(0, 1, 2)).double())
    step = _PROBE_SIDE / cells
    first = (centre - step * (cells // 2) + 0.5 + step) % _PROBE_SIDE - step
    first, step = first / detector.preset.size, step / detector.preset.size
    if not detector.preset.mirrored:
        return Cells(first, step)
    # A cell is the mean of one of the picture and one of its mirror image: if the first lies too
    # far to the left, the second lies as far to the right.
    count = _count(averaging, detector.preset.size)
    return Cells(first, step, first_column=(1 - step * (count - 1)) / 2)


def _count(averaging: nn.Module, side: int) -> int:
    """Gives how many cells a side of the feature map of a picture has."""
    with torch.no_grad():
        return int(averaging(torch.zeros(1, 3, side, side)).shape[-1])


def _averaging_copy(features: nn.Module) -> nn.Module:
    averaging = copy.deepcopy(features).cpu().float().eval()
    for module in averaging.modules():
        if isinstance(module, nn.Conv2d):
            module.padding_mode = "circular"
            module.weight.data.fill_(1 / module.weight[0].numel())
            if module.bias is not None:
                module.bias.data.zero_()
        elif isinstance(module, _TRANSPARENT):
            module.register_forward_hook(lambda _module, given, _result: given[0])
    return averaging


def _circular_centroid(weights: torch.Tensor) -> float:
    """Gives the centre of mass on a circle, in pixel indices."""
    angles = 2 * math.pi * torch.arange(len(weights), dtype=torch.float64) / len(weights)
    sine, cosine = (weights * angles.sin()).sum(), (weights * angles.cos()).sum()
    return math.atan2(sine, cosine) / (2 * math.pi) * len(weights) % len(weights)
