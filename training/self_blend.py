"""Self-blended images: forgeries made from one real face.

Shiohara and Yamasaki, "Detecting Deepfakes with Self-Blended Images", CVPR 2022
(arXiv 2204.08376): a face is blended with a slightly transformed copy of itself inside a face
mask. What remains is what all blended forgeries share (seams, and statistics that differ between
inside and outside) without any generator's own traces.

The mask is that of `training.face_mask`.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from training.augment import Crop, Generator, Mask, jpeg
from training.face_mask import Points, face_mask, known_or_typical, soften

_RATIOS = (0.25, 0.5, 0.75, 1.0, 1.0, 1.0)  # blend ratios of the paper, section 3.1


@dataclass(frozen=True)
class SelfBlend:
    """A self-blended image.

    Attributes:
        fake: The blended crop, uint8 H x W x 3, RGB.
        mask: Share of the transformed copy at each pixel, float32 H x W in [0, 1].
    """

    fake: Crop
    mask: Mask


def self_blend(crop: Crop, landmarks: Points, rng: Generator) -> SelfBlend:
    """Makes a forgery from a real face.

    Args:
        crop: The real face, uint8 H x W x 3, RGB.
        landmarks: Five (x, y) points in pixels of the crop, 5 x 2, or 0 x 2 when unknown.
        rng: Where all choices come from.

    Returns:
        The forgery and its mask.
    """
    shape = (crop.shape[0], crop.shape[1])
    landmarks = known_or_typical(landmarks, shape)
    source, target = crop, crop
    if rng.random() < 0.5:
        source = _jitter(source, rng)
    else:
        target = _jitter(target, rng)
    mask = face_mask(shape, landmarks, rng)
    source, mask = _move(source, mask, rng)
    mask = soften(mask, rng) * np.float32(_RATIOS[rng.integers(len(_RATIOS))])
    blended = source * mask[..., None] + target * (1 - mask[..., None])
    return SelfBlend(np.clip(np.rint(blended), 0, 255).astype(np.uint8), mask)


def _jitter(crop: Crop, rng: Generator) -> Crop:
    """Shifts colours and changes sharpness: the statistics that give a blend away."""
    values = crop.astype(np.float32) + rng.uniform(-15, 15, 3).astype(np.float32)
    contrast = rng.uniform(0.9, 1.1)
    values = (values - values.mean()) * contrast + values.mean() + rng.uniform(-20, 20)
    jittered = np.clip(values, 0, 255).astype(np.uint8)
    hsv = cv2.cvtColor(jittered, cv2.COLOR_RGB2HSV).astype(np.float32)
    hsv[..., 0] = (hsv[..., 0] + rng.uniform(-5, 5)) % 180
    hsv[..., 1] = np.clip(hsv[..., 1] * rng.uniform(0.75, 1.25), 0, 255)
    jittered = np.asarray(cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB), np.uint8)
    choice = rng.random()
    if choice < 0.4:
        return _resample(jittered, rng)
    if choice < 0.7:
        return _sharpen(jittered, rng)
    if choice < 0.8:
        return jpeg(jittered, int(rng.integers(30, 95)))
    return jittered


def _resample(crop: Crop, rng: Generator) -> Crop:
    height, width = crop.shape[:2]
    factor = rng.uniform(0.25, 0.8)
    small = cv2.resize(
        crop,
        (max(8, int(width * factor)), max(8, int(height * factor))),
        interpolation=cv2.INTER_AREA if rng.random() < 0.5 else cv2.INTER_LINEAR,
    )
    up = cv2.INTER_LINEAR if rng.random() < 0.5 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(small, (width, height), interpolation=up), np.uint8)


def _sharpen(crop: Crop, rng: Generator) -> Crop:
    smooth = cv2.GaussianBlur(crop, (0, 0), rng.uniform(0.8, 2.5))
    amount = rng.uniform(0.2, 0.9)
    return np.asarray(cv2.addWeighted(crop, 1 + amount, smooth, -amount, 0), np.uint8)


def _move(source: Crop, mask: Mask, rng: Generator) -> tuple[Crop, Mask]:
    """Moves and resizes the copy and its mask by the paper's ranges, centred on the crop."""
    height, width = mask.shape
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), 0.0, rng.uniform(0.95, 1.05))
    matrix[:, 2] += rng.uniform(-0.03, 0.03) * width, rng.uniform(-0.015, 0.015) * height
    size = (width, height)
    moved = cv2.warpAffine(
        source, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
    )  # cubic: linear interpolation would make every copy softer than its face
    return np.asarray(moved, np.uint8), np.asarray(cv2.warpAffine(mask, matrix, size), np.float32)
