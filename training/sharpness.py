"""The energy of a picture's fine detail, scale by scale.

Made fakes must not differ from their originals in sharpness alone: blending and small
autoencoders smooth, and what smooths teaches that soft photographs are fakes, while generated
faces and swaps are, if anything, the sharper ones.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from training.augment import Crop

FloatArray = npt.NDArray[np.float32]

BANDS = (0.7, 1.4, 3.0)
"""Standard deviations in pixels of the blurs between which bands lie; beyond the last is coarse."""
_MOST_GAIN = 8.0  # of a band: a flat patch has none to scale
_MOST_CHANGE = 3.0  # of a band between two scenes: more would be noise made large
_FAINT = 0.05  # grey levels: what a band has at least, so that gains stay finite


def bands(pixels: FloatArray) -> tuple[list[FloatArray], FloatArray]:
    """Takes a picture apart.

    Args:
        pixels: float32 H x W x 3.

    Returns:
        The bands of `BANDS`, the finest first, and the coarse rest; their sum is the picture.
    """
    found, before = [], pixels
    for sigma in BANDS:
        smooth = cv2.GaussianBlur(pixels, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
        found.append(np.asarray(before - smooth, np.float32))
        before = np.asarray(smooth, np.float32)
    return found, before


def with_detail_of(made: Crop, original: Crop, gains: Sequence[float]) -> Crop:
    """Gives fine detail the original's energy, channel by channel, and its coarse part.

    Args:
        made: uint8 H x W x 3, RGB: where the detail comes from.
        original: The same, aligned pixel by pixel: whose energy it gets, and whose coarse part.
        gains: What each band's energy (standard deviation) is multiplied by beside that.

    Returns:
        uint8 H x W x 3, RGB. Energies are matched in luma and chroma, so that the correlation of
        the colour channels, which gives plain reconstructions away, is the original's too.
    """
    detail, _ = bands(_luma_chroma(made))
    wanted, result = bands(_luma_chroma(original))
    for band, other, gain in zip(detail, wanted, gains, strict=True):
        scale = (other.std(axis=(0, 1)) + _FAINT) / (band.std(axis=(0, 1)) + _FAINT)
        result = result + band * np.minimum(scale * gain, _MOST_GAIN).astype(np.float32)
    return _as_rgb(result)


def with_energy_of(crop: Crop, other: Crop) -> Crop:
    """Gives the fine detail of a picture the energy that another's has, band by band.

    Args:
        crop: uint8 H x W x 3, RGB: what is changed; its coarse part stays.
        other: uint8 h x w x 3, RGB, of any scene at the same scale.

    Returns:
        uint8 H x W x 3, RGB.
    """
    detail, result = bands(_luma_chroma(crop))
    wanted, _ = bands(_luma_chroma(other))
    for band, model in zip(detail, wanted, strict=True):
        scale = (model.std(axis=(0, 1)) + _FAINT) / (band.std(axis=(0, 1)) + _FAINT)
        result = result + band * np.clip(scale, 1 / _MOST_CHANGE, _MOST_CHANGE)
    return _as_rgb(result)


def _as_rgb(luma_chroma: FloatArray) -> Crop:
    pixels = cv2.cvtColor(luma_chroma.astype(np.float32) / 255, cv2.COLOR_YCrCb2RGB) * 255
    return np.asarray(np.clip(np.rint(pixels), 0, 255), np.uint8)


def _luma_chroma(pixels: Crop) -> FloatArray:
    converted = cv2.cvtColor(pixels.astype(np.float32) / 255, cv2.COLOR_RGB2YCrCb) * 255
    return np.asarray(converted, np.float32)
