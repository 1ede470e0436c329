"""Cross-blended images: a part of one real face put into another.

Li et al., "Face X-ray for More General Face Forgery Detection", CVPR 2020 (arXiv 1912.13458): a
donor face with similar landmarks is aligned, its colours are fitted, and it is blended in with a
soft mask. Unlike self-blended images these show what face swaps and hand-made composites leave
besides seams: another person's texture, sharpness and noise.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from training.augment import Crop, Generator, Mask, jpeg
from training.face_mask import Points, face_mask, known_or_typical, soften
from training.self_blend import SelfBlend

_FITTED_COLOURS = 0.8  # share of the blends whose colours are fitted to the target
_POISSON = 0.2  # share blended by Poisson's equation (Perez et al., SIGGRAPH 2003)
_LEAST_PIXELS = 50  # of a mask; below, there is nothing to fit colours to


def cross_blend(
    target: Crop, landmarks: Points, donor: Crop, donor_landmarks: Points, rng: Generator
) -> SelfBlend:
    """Puts the donor's face, or a part of it, into the target.

    Args:
        target: The real face that is changed, uint8 H x W x 3, RGB.
        landmarks: Its five (x, y) points in pixels of the crop, 5 x 2, or 0 x 2 when unknown.
        donor: The real face that is taken from, in the same form.
        donor_landmarks: Its points.
        rng: Where all choices come from.

    Returns:
        The forgery and its mask.
    """
    shape = (target.shape[0], target.shape[1])
    points = known_or_typical(landmarks, shape)
    aligned = _align(donor, known_or_typical(donor_landmarks, donor.shape[:2]), points, shape)
    mask = soften(face_mask(shape, points, rng), rng)
    if rng.random() < _FITTED_COLOURS:
        aligned = fit_colours(aligned, target, mask)
    if rng.random() < 0.2:
        aligned = jpeg(aligned, int(rng.integers(40, 95)))
    if rng.random() < _POISSON:
        return SelfBlend(_blend_gradients(aligned, target, mask), mask)
    weight = mask[..., None]
    blended = aligned * weight + target * (1 - weight)
    return SelfBlend(np.clip(np.rint(blended), 0, 255).astype(np.uint8), mask)


def shape_distance(landmarks: Points, others: Points) -> float:
    """Tells how far two sets of landmarks differ in shape, whatever their place and size.

    Args:
        landmarks: 5 x 2, in any unit.
        others: 5 x 2, in any unit.

    Returns:
        Root mean square distance after both were centred and scaled to unit size; 0 for equal
        shapes.
    """
    return float(np.sqrt(np.mean((_normalised(landmarks) - _normalised(others)) ** 2)))


def _normalised(landmarks: Points) -> npt.NDArray[np.float64]:
    centred = landmarks.astype(np.float64) - landmarks.mean(axis=0)
    return np.asarray(centred / max(float(np.linalg.norm(centred)), 1e-6))


def _align(donor: Crop, points: Points, target: Points, shape: tuple[int, int]) -> Crop:
    """Moves, turns and scales the donor so that its landmarks come to lie on the target's."""
    found: Any = cv2.estimateAffinePartial2D(points, target, method=cv2.LMEDS)[0]
    matrix = found
    if found is None:  # all points in one place
        matrix = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    moved = cv2.warpAffine(
        donor, matrix, (shape[1], shape[0]), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
    )
    return np.asarray(moved, np.uint8)


def fit_colours(source: Crop, target: Crop, mask: Mask) -> Crop:
    """Gives the source the target's mean and spread of each channel inside a mask.

    Reinhard et al., "Color Transfer between Images" (IEEE CG&A 2001), in RGB.
    """
    inside = mask > 0.5
    if int(inside.sum()) < _LEAST_PIXELS:
        return source
    ours, theirs = (crop[inside].astype(np.float32) for crop in (source, target))
    scale = np.clip(theirs.std(axis=0) / (ours.std(axis=0) + 1e-3), 0.5, 2.0)
    fitted = (source - ours.mean(axis=0)) * scale + theirs.mean(axis=0)
    return np.asarray(np.clip(np.rint(fitted), 0, 255), np.uint8)


def _blend_gradients(source: Crop, target: Crop, mask: Mask) -> Crop:
    """Blends so that gradients fit; the mask is kept off the border, as the solver needs it."""
    inside = (mask > 0.5).astype(np.uint8) * 255
    inside[:2], inside[-2:], inside[:, :2], inside[:, -2:] = 0, 0, 0, 0
    if int((inside > 0).sum()) < _LEAST_PIXELS:
        return target
    left, top, width, height = cv2.boundingRect(inside)
    centre = (left + width // 2, top + height // 2)
    cloned = cv2.seamlessClone(source, target, inside, centre, cv2.NORMAL_CLONE)
    # The solver works on the mask's bounding box and drifts by some grey levels outside the mask.
    return np.where(mask[..., None] > 0, np.asarray(cloned, np.uint8), target)
