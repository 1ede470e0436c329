"""Augmentation of face crops: the same distribution for both classes, so that it teaches neither.

All functions take and return uint8 crops H x W x 3, RGB, and draw from the generator they are
given, so that an item depends on its seed alone. The ranges are the usual ones of the field
(DeepfakeBench, Yan et al. 2023, arXiv 2307.01426; Shiohara and Yamasaki 2022).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Crop = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.float32]
Generator = np.random.Generator


@dataclass(frozen=True)
class AugmentConfig:
    """How strongly crops are varied; each `p_` is the probability of its step.

    Attributes:
        rotation: Largest rotation in degrees, either way.
        zoom: Largest enlargement as a fraction of the side; parts at the border are cut off.
        brightness: Largest change of brightness as a fraction of the full range.
        contrast: Largest change of contrast as a fraction.
        saturation: Largest change of saturation as a fraction.
        cast: Largest shift of one channel against the others, of 255: white balance.
        hue: Largest shift of hue in degrees of OpenCV's 0 to 180 scale.
        jpeg_quality: Lowest and highest quality of the JPEG step.
        rescale: Smallest side of the down- and up-scaling step, as a fraction of the side.
        noise: Largest standard deviation of Gaussian noise, of 255.
        blur: Largest standard deviation of Gaussian blur, in pixels of the crop.
        sharpen: Largest amount of unsharp masking, as cameras and editors apply it.
        gamma: Largest change of the exponent of the tone curve, as a fraction.
    """

    rotation: float = 10.0
    zoom: float = 0.1
    brightness: float = 0.2
    contrast: float = 0.2
    saturation: float = 0.3
    cast: float = 12.0
    hue: float = 6.0
    jpeg_quality: tuple[int, int] = (40, 100)
    rescale: float = 0.35
    noise: float = 10.0
    blur: float = 2.0
    sharpen: float = 1.0
    gamma: float = 0.3
    p_geometry: float = 0.5
    p_colour: float = 0.7
    p_grey: float = 0.03
    p_blur: float = 0.2
    p_noise: float = 0.15
    p_rescale: float = 0.3
    p_jpeg: float = 0.7
    p_sharpen: float = 0.0
    p_gamma: float = 0.0


def augment(crop: Crop, config: AugmentConfig, rng: Generator) -> Crop:
    """Applies geometry, colour, then blur, rescaling, noise and JPEG as platforms do."""
    unused = np.zeros(crop.shape[:2], np.float32)
    return augment_with_mask(crop, unused, config, rng)[0]


def augment_with_mask(
    crop: Crop, mask: Mask, config: AugmentConfig, rng: Generator
) -> tuple[Crop, Mask]:
    """Augments a crop, and moves a mask over it along with its pixels.

    Args:
        crop: uint8 H x W x 3, RGB.
        mask: float32 H x W.
        config: How strongly.
        rng: Where all choices come from.

    Returns:
        The varied crop and its mask, in the same forms.
    """
    if rng.random() < 0.5:
        crop, mask = np.ascontiguousarray(crop[:, ::-1]), np.ascontiguousarray(mask[:, ::-1])
    if rng.random() < config.p_geometry:
        crop, mask = rotate_and_zoom(crop, mask, config, rng)
    steps: list[tuple[float, Callable[[Crop, AugmentConfig, Generator], Crop]]] = [
        (config.p_colour, change_colours),
        (config.p_grey, remove_colour),
        (config.p_gamma, change_tones),
        (config.p_blur, blur),
        (config.p_sharpen, sharpen),
        (config.p_rescale, rescale),
        (config.p_noise, add_noise),
        (config.p_jpeg, compress),
    ]
    for probability, step in steps:
        if rng.random() < probability:
            crop = step(crop, config, rng)
    return crop, mask


def rotate_and_zoom(
    crop: Crop, mask: Mask, config: AugmentConfig, rng: Generator
) -> tuple[Crop, Mask]:
    """Rotates and enlarges crop and mask about the centre, borders reflected."""
    height, width = crop.shape[:2]
    angle = rng.uniform(-config.rotation, config.rotation)
    scale = 1 + rng.uniform(0, config.zoom)
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle, scale)
    size, border = (width, height), cv2.BORDER_REFLECT
    flags = cv2.INTER_LINEAR if rng.random() < 0.5 else cv2.INTER_CUBIC
    moved = cv2.warpAffine(crop, matrix, size, flags=flags, borderMode=border)
    moved_mask = cv2.warpAffine(mask, matrix, size, flags=cv2.INTER_LINEAR, borderMode=border)
    return _crop(moved), np.asarray(moved_mask, np.float32)


def change_colours(crop: Crop, config: AugmentConfig, rng: Generator) -> Crop:
    """Changes brightness, contrast, white balance, saturation and hue."""
    contrast = 1 + rng.uniform(-config.contrast, config.contrast)
    shift = 255 * rng.uniform(-config.brightness, config.brightness)
    mean = float(crop.mean())
    crop = _scale_and_shift(crop, contrast, shift + mean * (1 - contrast))
    cast = rng.uniform(-config.cast, config.cast, 3)
    shifted = np.clip(np.arange(256)[:, None] + cast, 0, 255).astype(np.uint8)[None]
    hsv = cv2.cvtColor(cv2.LUT(crop, shifted), cv2.COLOR_RGB2HSV)
    turned = (np.arange(256) + rng.uniform(-config.hue, config.hue)) % 180
    factor = 1 + rng.uniform(-config.saturation, config.saturation)
    saturated = np.clip(np.arange(256) * factor, 0, 255)
    table = np.stack([turned, saturated, np.arange(256)], axis=-1).astype(np.uint8)[None]
    return _crop(cv2.cvtColor(cv2.LUT(hsv, table), cv2.COLOR_HSV2RGB))


def _scale_and_shift(crop: Crop, factor: float, shift: float) -> Crop:
    """Scales and shifts values, held to 0 to 255."""
    table = np.clip(np.arange(256) * factor + shift, 0, 255).astype(np.uint8)
    return _crop(cv2.LUT(crop, table))


def remove_colour(crop: Crop, config: AugmentConfig, rng: Generator) -> Crop:
    """Turns the crop grey."""
    del config, rng
    return _crop(cv2.cvtColor(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB))


def blur(crop: Crop, config: AugmentConfig, rng: Generator) -> Crop:
    """Blurs with a Gaussian."""
    return _crop(cv2.GaussianBlur(crop, (0, 0), rng.uniform(0.3, config.blur)))


def sharpen(crop: Crop, config: AugmentConfig, rng: Generator) -> Crop:
    """Sharpens by unsharp masking."""
    amount = rng.uniform(0.1, config.sharpen)
    smooth = cv2.GaussianBlur(crop, (0, 0), rng.uniform(0.6, 2.0))
    return _crop(cv2.addWeighted(crop, 1 + amount, smooth, -amount, 0))


def change_tones(crop: Crop, config: AugmentConfig, rng: Generator) -> Crop:
    """Bends the tone curve by an exponent, as exposure and screens do."""
    exponent = 1 + rng.uniform(-config.gamma, config.gamma)
    table = np.rint(255 * (np.arange(256) / 255) ** exponent).astype(np.uint8)
    return _crop(cv2.LUT(crop, table))


def add_noise(crop: Crop, config: AugmentConfig, rng: Generator) -> Crop:
    """Adds Gaussian noise, the same for all channels or one for each."""
    channels = 3 if rng.random() < 0.5 else 1
    noise = rng.standard_normal((*crop.shape[:2], channels), dtype=np.float32)
    noisy = crop + noise * np.float32(rng.uniform(1, config.noise))
    return np.clip(noisy, 0, 255).astype(np.uint8)


_DOWN = (cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_CUBIC)
_UP = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4)


def rescale(crop: Crop, config: AugmentConfig, rng: Generator) -> Crop:
    """Scales down and up again with filters drawn at random."""
    height, width = crop.shape[:2]
    factor = rng.uniform(config.rescale, 1)
    size = (max(8, round(width * factor)), max(8, round(height * factor)))
    small = cv2.resize(crop, size, interpolation=_DOWN[rng.integers(len(_DOWN))])
    return _crop(cv2.resize(small, (width, height), interpolation=_UP[rng.integers(len(_UP))]))


def compress(crop: Crop, config: AugmentConfig, rng: Generator) -> Crop:
    """Compresses as JPEG at a random quality."""
    low, high = config.jpeg_quality
    return jpeg(crop, int(rng.integers(low, high + 1)))


def jpeg(crop: Crop, quality: int) -> Crop:
    """Passes a crop through JPEG at one quality, 1 to 100."""
    done, data = cv2.imencode(".jpg", crop[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ValueError("the crop could not be encoded as JPEG")
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    if decoded is None:
        raise ValueError("the crop could not be decoded from JPEG")
    return np.ascontiguousarray(decoded[..., ::-1], dtype=np.uint8)


def _crop(pixels: npt.NDArray[np.generic] | cv2.Mat) -> Crop:
    return np.asarray(pixels, dtype=np.uint8)
