"""Self-blended images: forgeries made from one real face.

Shiohara and Yamasaki, "Detecting Deepfakes with Self-Blended Images", CVPR 2022
(arXiv 2204.08376): a face is blended with a slightly transformed copy of itself inside a face
mask. What remains is what all blended forgeries share (seams, and statistics that differ between
inside and outside) without any generator's own traces.

The paper takes the mask from 81 landmarks; here it is a face-shaped hull around the five points
of the face detector, or a part of it, deformed elastically.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from training.augment import Crop, Generator, Mask, jpeg

Points = npt.NDArray[np.float32]

_RATIOS = (0.25, 0.5, 0.75, 1.0, 1.0, 1.0)  # blend ratios of the paper, section 3.1
_TYPICAL_FACE = np.array(  # landmarks as fractions of the crop, where the detector gave none
    [[0.33, 0.4], [0.67, 0.4], [0.5, 0.58], [0.37, 0.74], [0.63, 0.74]], np.float32
)


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
    if len(landmarks) == 0:
        landmarks = _TYPICAL_FACE * np.array([crop.shape[1], crop.shape[0]], np.float32)
    source, target = crop, crop
    if rng.random() < 0.5:
        source = _jitter(source, rng)
    else:
        target = _jitter(target, rng)
    mask = _deform(_face_mask(crop.shape[:2], landmarks, rng), rng)
    source, mask = _move(source, mask, rng)
    mask = _soften(mask, rng) * np.float32(_RATIOS[rng.integers(len(_RATIOS))])
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


def _face_mask(shape: tuple[int, int], landmarks: Points, rng: Generator) -> Mask:
    """Draws a filled hull: the whole face, its lower or upper part, or one feature."""
    eyes, mouth = landmarks[:2].mean(axis=0), landmarks[3:].mean(axis=0)
    down = mouth - eyes
    height = max(float(np.linalg.norm(down)), 0.2 * shape[0])
    span = max(float(np.linalg.norm(landmarks[1] - landmarks[0])), 0.7 * height)
    angle = float(np.degrees(np.arctan2(-down[0], down[1])))
    choice = rng.random()
    if choice < 0.6:  # whole face, from the brows to the chin
        centre, axes = eyes + 0.55 * down, (0.95 * span, 1.15 * height)
    elif choice < 0.8:  # mouth and chin
        centre, axes = mouth + 0.05 * down, (0.75 * span, 0.6 * height)
    elif choice < 0.95:  # eyes and nose
        centre, axes = eyes + 0.2 * down, (1.0 * span, 0.55 * height)
    else:  # one eye
        centre, axes = landmarks[rng.integers(2)], (0.4 * span, 0.3 * height)
    wide = axes[0] * rng.uniform(0.8, 1.15)
    tall = axes[1] * rng.uniform(0.8, 1.15)
    corners = _superellipse(wide, tall, exponent=float(rng.uniform(1.6, 3.2)))
    turn = np.radians(angle + rng.uniform(-8, 8))
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    corners = corners @ rotation + centre
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [np.rint(corners).astype(np.int32)], 255)
    return np.asarray(mask / 255, np.float32)


def _superellipse(wide: float, tall: float, exponent: float) -> npt.NDArray[np.float64]:
    turn = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    x = np.sign(np.cos(turn)) * np.abs(np.cos(turn)) ** (2 / exponent) * wide
    y = np.sign(np.sin(turn)) * np.abs(np.sin(turn)) ** (2 / exponent) * tall
    return np.stack([x, y], axis=1)


def _deform(mask: Mask, rng: Generator) -> Mask:
    """Deforms elastically (Simard et al. 2003): a coarse random field, smoothly enlarged."""
    height, width = mask.shape
    strength = rng.uniform(0.01, 0.05) * min(height, width)
    coarse = rng.standard_normal((2, 6, 6)).astype(np.float32) * np.float32(strength)
    shift_x, shift_y = (
        cv2.resize(field, (width, height), interpolation=cv2.INTER_CUBIC) for field in coarse
    )
    grid_y, grid_x = np.mgrid[:height, :width].astype(np.float32)
    return np.asarray(
        cv2.remap(mask, grid_x + shift_x, grid_y + shift_y, cv2.INTER_LINEAR), np.float32
    )


def _move(source: Crop, mask: Mask, rng: Generator) -> tuple[Crop, Mask]:
    """Moves and resizes the copy and its mask by the paper's ranges, centred on the crop."""
    height, width = mask.shape
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), 0.0, rng.uniform(0.95, 1.05))
    matrix[:, 2] += rng.uniform(-0.03, 0.03) * width, rng.uniform(-0.015, 0.015) * height
    size = (width, height)
    moved = cv2.warpAffine(source, matrix, size, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(moved, np.uint8), np.asarray(cv2.warpAffine(mask, matrix, size), np.float32)


def _soften(mask: Mask, rng: Generator) -> Mask:
    """Blurs the mask's edge, sometimes after shrinking or growing it."""
    side = min(mask.shape)
    first, second = (rng.uniform(0.01, 0.06) * side for _ in range(2))
    soft = cv2.GaussianBlur(mask, (0, 0), first)
    edge = float(rng.uniform(0.3, 0.7))
    hard = (soft > edge).astype(np.float32)
    softened = np.asarray(cv2.GaussianBlur(hard, (0, 0), second * 0.6), np.float32)
    peak = float(softened.max())
    return np.asarray(softened / peak if peak > 0 else softened, np.float32)
