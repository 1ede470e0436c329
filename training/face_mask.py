"""Face-shaped masks from the five points of the face detector, for forgeries made while training.

Shiohara and Yamasaki (CVPR 2022, arXiv 2204.08376) take the mask from 81 landmarks; here it is a
hull around five, or a part of it, deformed elastically and softened.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from training.augment import Generator, Mask

Points = npt.NDArray[np.float32]

_TYPICAL_FACE = np.array(  # landmarks as fractions of the crop, where the detector gave none
    [[0.33, 0.4], [0.67, 0.4], [0.5, 0.58], [0.37, 0.74], [0.63, 0.74]], np.float32
)


def known_or_typical(landmarks: Points, shape: tuple[int, int]) -> Points:
    """Gives landmarks, 5 x 2 (x, y) in pixels, or those of a typical face where none are known.

    Args:
        landmarks: 5 x 2, or 0 x 2 when unknown.
        shape: Height and width of the crop in pixels.
    """
    if len(landmarks):
        return landmarks
    return _TYPICAL_FACE * np.array([shape[1], shape[0]], np.float32)


def face_mask(shape: tuple[int, int], landmarks: Points, rng: Generator) -> Mask:
    """Draws the deformed mask of a whole face or of a part of it.

    Args:
        shape: Height and width of the crop in pixels.
        landmarks: 5 x 2 (x, y) in pixels: eyes, nose, corners of the mouth.
        rng: Where all choices come from.

    Returns:
        float32 H x W, 0 or 1 but for the rim.
    """
    return _deform(_hull(shape, landmarks, rng), rng)


def _hull(shape: tuple[int, int], landmarks: Points, rng: Generator) -> Mask:
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


def soften(mask: Mask, rng: Generator) -> Mask:
    """Blurs a mask's edge after shrinking or growing it.

    Args:
        mask: float32 H x W in [0, 1].
        rng: Where all choices come from.

    Returns:
        The mask, with a peak of 1 unless it is empty.
    """
    side = min(mask.shape)
    first, second = (rng.uniform(0.01, 0.06) * side for _ in range(2))
    soft = cv2.GaussianBlur(mask, (0, 0), first)
    edge = float(rng.uniform(0.3, 0.7))
    hard = (soft > edge).astype(np.float32)
    softened = np.asarray(cv2.GaussianBlur(hard, (0, 0), second * 0.6), np.float32)
    peak = float(softened.max())
    return np.asarray(softened / peak if peak > 0 else softened, np.float32)
