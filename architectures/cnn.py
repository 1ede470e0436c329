"""The custom convolutional network, trained from scratch on raw RGB in [0, 1].

Forgeries betray themselves by local statistics rather than by what the picture shows, so the
first layer sees the picture beside its prediction errors: a constrained convolution (Bayar and
Stamm, IH&MMSec 2016) that suppresses content and keeps residuals. Residual blocks (He et al.,
CVPR 2016) follow, and nothing is pooled before the residuals have been combined at full
resolution.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from architectures.detector import Detector, pooled_linear_head
from architectures.preset import InputPreset


class ConstrainedConv2d(nn.Module):
    """Convolution whose filters predict the centre pixel from its neighbours and subtract it.

    In every filter and input channel the centre is -1 and the rest sums to 1 (Bayar and Stamm
    2016), enforced at each forward pass, so that plain optimisers can train it.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int = 5) -> None:
        """Makes the layer.

        Args:
            in_channels: Channels of the input.
            out_channels: Residual maps to learn.
            kernel_size: Odd side of the filters in pixels.
        """
        super().__init__()
        cells = kernel_size * kernel_size - 1
        self.kernel_size = kernel_size
        self.neighbours = nn.Parameter(torch.rand(out_channels, in_channels, cells) / cells)

    def weight(self) -> torch.Tensor:
        """Gives the constrained filters, out x in x k x k."""
        scaled = self.neighbours - self.neighbours.mean(-1, keepdim=True)
        scaled = scaled + 1 / self.neighbours.shape[-1]  # sums to 1 by shifting: never divides by 0
        half = self.neighbours.shape[-1] // 2
        centre = -torch.ones_like(scaled[..., :1])
        full = torch.cat([scaled[..., :half], centre, scaled[..., half:]], dim=-1)
        return full.reshape(*full.shape[:2], self.kernel_size, self.kernel_size)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps N x in x H x W to residuals N x out x H x W; borders are reflected."""
        margin = self.kernel_size // 2
        padded = functional.pad(x, (margin,) * 4, mode="reflect")
        return functional.conv2d(padded, self.weight().to(x.dtype))


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions with batch norm around a shortcut (He et al. 2016)."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        """Makes the block.

        Args:
            in_channels: Channels of the input.
            out_channels: Channels of the output.
            stride: 1 keeps height and width, 2 halves them.
        """
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(stride) if stride != 1 else nn.Identity(),
                nn.Conv2d(in_channels, out_channels, 1, bias=False),
                nn.BatchNorm2d(out_channels),
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps N x in x H x W to N x out x H/stride x W/stride."""
        return functional.relu(self.body(x) + self.shortcut(x))


class ResidualStem(nn.Module):
    """Joins the picture with its residuals and combines them at full resolution."""

    def __init__(self, residuals: int, width: int) -> None:
        """Makes the stem.

        Args:
            residuals: Maps of the constrained convolution.
            width: Channels of the output.
        """
        super().__init__()
        self.residuals = ConstrainedConv2d(3, residuals)
        self.combine = nn.Sequential(
            nn.BatchNorm2d(3 + residuals),
            nn.Conv2d(3 + residuals, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps N x 3 x H x W in [0, 1] to N x width x H x W."""
        combined: torch.Tensor = self.combine(torch.cat([x, self.residuals(x)], dim=1))
        return combined


def build_cnn(
    size: int = 128,
    residuals: int = 8,
    widths: tuple[int, ...] = (16, 32, 64, 128, 192),
    depths: tuple[int, ...] = (1, 1, 2, 2),
    dropout: float = 0.3,
) -> Detector:
    """Builds the custom network with random weights: 1.8 M parameters as it stands.

    Args:
        size: Side of the input in pixels.
        residuals: Maps of the constrained first layer.
        widths: Channels of the stem and then of each stage; every stage halves height and width.
        depths: Residual blocks of each stage.
        dropout: Dropout before the linear layer.

    Returns:
        A detector with raw RGB input in [0, 1] and feature maps of size/16.

    Raises:
        ValueError: The size cannot be halved in every stage.
    """
    stages = min(len(depths), len(widths) - 1)
    if size <= 0 or size % 2**stages:
        raise ValueError(f"the cnn's input size must be a multiple of {2**stages}, not {size}")
    layers: list[nn.Module] = [ResidualStem(residuals, widths[0])]
    for in_channels, out_channels, depth in zip(widths, widths[1:], depths, strict=False):
        for index in range(depth):
            first = index == 0
            layers.append(
                ResidualBlock(
                    in_channels if first else out_channels, out_channels, 2 if first else 1
                )
            )
    return Detector(
        nn.Sequential(*layers), pooled_linear_head(widths[-1], dropout), InputPreset(size)
    )
