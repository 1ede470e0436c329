"""What every network of the project has in common."""

from __future__ import annotations

import torch
from torch import nn

from architectures.preset import InputPreset

CLASSES = ("Fake", "Real")
"""Class names in the order of the logits."""


class Detector(nn.Module):
    """A network that tells fake faces from real ones.

    Attributes:
        features: Maps the input, N x 3 x size x size, to feature maps N x C x h x w.
        head: Maps feature maps to logits N x 2 in the order of `CLASSES`.
        preset: The input the network was made for.
    """

    def __init__(self, features: nn.Module, head: nn.Module, preset: InputPreset) -> None:
        super().__init__()
        self.features = features
        self.head = head
        self.preset = preset

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Gives the logits, N x 2, of an input N x 3 x size x size."""
        logits: torch.Tensor = self.head(self.feature_maps(x))
        return logits

    def feature_maps(self, x: torch.Tensor) -> torch.Tensor:
        """Gives the feature maps that the head and Grad-CAM look at.

        Where the preset says `mirrored`, they are the mean of those of the picture and those of
        its mirror image, mirrored back: test-time augmentation (Krizhevsky et al., NeurIPS 2012,
        section 4.1). Behind global average pooling and a linear layer that averages the logits
        too, and a mirrored picture gets the same logits and the mirrored map.

        Args:
            x: N x 3 x size x size.

        Returns:
            N x C x h x w.
        """
        if not self.preset.mirrored:
            plain: torch.Tensor = self.features(x)
            return plain
        maps = self.features(torch.cat([x, x.flip(-1)]))
        count = x.shape[0]  # sliced, not chunked: an exported graph takes any number of pictures
        mean: torch.Tensor = (maps[:count] + maps[count:].flip(-1)) / 2
        return mean


def pooled_linear_head(channels: int, dropout: float) -> nn.Sequential:
    """Builds global average pooling, dropout and one linear layer to the two logits.

    With this head Grad-CAM equals the class activation map of Zhou et al. (CVPR 2016) up to a
    constant factor, so the map can be checked against its closed form.

    Args:
        channels: Channels of the feature maps.
        dropout: Probability of dropping a pooled channel while training.
    """
    return nn.Sequential(
        nn.AdaptiveAvgPool2d(1), nn.Flatten(1), nn.Dropout(dropout), nn.Linear(channels, 2)
    )


def linear_layer(detector: Detector) -> nn.Linear:
    """Gives the last layer of a head of `pooled_linear_head`'s kind.

    Raises:
        ValueError: The head is of another kind.
    """
    parts = list(detector.head.children())
    if parts and isinstance(parts[0], nn.AdaptiveAvgPool2d) and isinstance(parts[-1], nn.Linear):
        return parts[-1]
    raise ValueError("the head is no pooled linear head: its evidence has no map of its own")
