"""The preprocessing of a network's input: the only one in the project, for training and serving."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class InputPreset:
    """What a network's input must look like.

    Attributes:
        size: Side of the square input in pixels.
        mean: Per channel (R, G, B), subtracted from values in [0, 1].
        std: Per channel, divided by afterwards.
        mirrored: Whether the network looks at the mirror image too and its feature maps are the
            mean of both, see `Detector.feature_maps`.
    """

    size: int
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    mirrored: bool = False

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> InputPreset:
        """Reads a preset from the form that `as_dict` gives.

        Raises:
            ValueError: A value is missing or not of the right shape.
        """
        try:
            return cls(
                int(values["size"]),
                _triple(values["mean"]),
                _triple(values["std"]),
                bool(values.get("mirrored", False)),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"not an input preset: {values!r}") from error

    def as_dict(self) -> dict[str, Any]:
        """Gives the preset as plain JSON values."""
        values = {"size": self.size, "mean": list(self.mean), "std": list(self.std)}
        return {**values, "mirrored": True} if self.mirrored else values

    def to_input(self, faces: npt.NDArray[np.uint8] | torch.Tensor) -> torch.Tensor:
        """Turns face crops into the network's input: resize, scale to [0, 1], normalise.

        Args:
            faces: RGB crops, uint8, N x S x S x 3, in any square size S.

        Returns:
            float32 tensor N x 3 x size x size on the device the crops are on, channels last.

        Raises:
            ValueError: The crops are not uint8 or not N x S x S x 3.
        """
        crops = torch.as_tensor(faces)
        if crops.dtype != torch.uint8 or crops.ndim != 4 or crops.shape[-1] != 3:
            raise ValueError(
                f"faces must be uint8 N x S x S x 3, not {crops.dtype} {tuple(crops.shape)}"
            )
        pixels = crops.permute(0, 3, 1, 2).float()  # channels last in memory
        if pixels.shape[-2:] != (self.size, self.size):
            pixels = functional.interpolate(
                pixels, (self.size, self.size), mode="bilinear", antialias=True
            )
        return self.normalise(pixels / 255)

    def normalise(self, pixels: torch.Tensor) -> torch.Tensor:
        """Normalises pixels in [0, 1], float N x 3 x H x W; differentiable, keeps the shape."""
        if self.mean == (0.0, 0.0, 0.0) and self.std == (1.0, 1.0, 1.0):
            return pixels
        mean = pixels.new_tensor(self.mean)[:, None, None]
        std = pixels.new_tensor(self.std)[:, None, None]
        return (pixels - mean) / std


def _triple(values: Sequence[float]) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in values)
    return red, green, blue
