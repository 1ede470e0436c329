"""A fake and a real face, and what makes two such pictures alike or mixes them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from training.augment import AugmentConfig, Crop, Generator, Mask, augment_with_mask
from training.cross_blend import fit_colours
from training.face_mask import Points, face_mask, soften
from training.sharpness import with_energy_of

UNKNOWN = -1.0
"""Value of a mask where it is not known what was changed."""

LEAST_BLENDED = 0.1
"""Share of a fake from which a pixel of a blended picture counts as changed."""

_COMPRESSION_NOISE = (5.0, 11.0)  # grey levels between which a difference becomes a change
_LEAST_CUT, _MOST_CUT = 0.1, 0.5  # share of a picture's area that CutMix swaps
_MIXUP = 0.4  # both parameters of mixup's beta distribution: mostly one picture, some of the other
_LEAST_CHANGED = 0.01  # share of the crop; below, a fake shows no clear change


@dataclass(frozen=True)
class Pair:
    """A fake and a real face of the same source, as cut.

    Attributes:
        fake: uint8 224 x 224 x 3, RGB.
        real: The same for the real face.
        mask: How far each pixel of the fake was changed, float32 224 x 224 in [0, 1]; all
            `UNKNOWN` where that is not known.
        share: How much of the fake's picture is the fake, in [0.5, 1]; the rest is the real face,
            whose own picture holds as much of the fake.
        kept: Which pixels of the fake's picture are the fake's, float32 224 x 224 in [0, 1], where
            the two are mixed by place; without it, `share` holds everywhere.
    """

    fake: Crop
    real: Crop
    mask: Mask
    share: float = 1.0
    kept: Mask | None = None


def match_colours(fake: Crop, real: Crop, rng: Generator) -> tuple[Crop, Crop]:
    """Gives one of two crops, drawn at random, the other's mean and spread of each channel.

    Either may be the one that is changed, so that having been changed does not tell the class.

    Args:
        fake: uint8 H x W x 3, RGB.
        real: The same.
        rng: Where the choice comes from.
    """
    everywhere = np.ones(fake.shape[:2], np.float32)
    if rng.random() < 0.5:
        return fit_colours(fake, real, everywhere), real
    return fake, fit_colours(real, fake, everywhere)


def match_detail(fake: Crop, real: Crop, rng: Generator) -> tuple[Crop, Crop]:
    """Gives one of two crops, drawn at random, the energy of the other's fine detail.

    Args:
        fake: uint8 H x W x 3, RGB.
        real: The same.
        rng: Where the choice comes from.
    """
    if rng.random() < 0.5:
        return with_energy_of(fake, real), real
    return fake, with_energy_of(real, fake)


def mixup(pair: Pair, rng: Generator) -> Pair:
    """Mixes some of either picture into the other (Zhang et al., ICLR 2018, arXiv 1710.09412).

    Args:
        pair: Two whole pictures.
        rng: Where the share comes from.

    Returns:
        The pair mixed; the fake's picture is at least half of the fake.
    """
    drawn = float(rng.beta(_MIXUP, _MIXUP))
    share = max(drawn, 1 - drawn)
    fake = cv2.addWeighted(pair.fake, share, pair.real, 1 - share, 0)
    real = cv2.addWeighted(pair.real, share, pair.fake, 1 - share, 0)
    return Pair(np.asarray(fake, np.uint8), np.asarray(real, np.uint8), pair.mask, share)


def cutmix(pair: Pair, rng: Generator) -> Pair:
    """Swaps the same rectangle of both pictures (Yun et al., ICCV 2019, arXiv 1905.04899).

    Both then have the same seams, so that only what either part looks like tells which is fake.

    Args:
        pair: Two whole pictures.
        rng: Where the rectangle comes from.

    Returns:
        The pair mixed; the fake's picture is at least half of the fake.
    """
    height, width = pair.mask.shape
    area = rng.uniform(_LEAST_CUT, _MOST_CUT)
    stretch = np.exp(rng.uniform(-0.5, 0.5))
    tall = round(min(1.0, np.sqrt(area) * stretch) * height)
    wide = round(min(1.0, np.sqrt(area) / stretch) * width)
    top, left = rng.integers(height - tall + 1), rng.integers(width - wide + 1)
    kept = np.ones((height, width), np.float32)
    kept[top : top + tall, left : left + wide] = 0
    inside = kept[..., None] == 0
    fake, real = np.where(inside, pair.real, pair.fake), np.where(inside, pair.fake, pair.real)
    return Pair(fake, real, pair.mask, float(kept.mean()), kept)


def partly(pair: Pair, landmarks: Points, rng: Generator) -> Pair:
    """Leaves only a part of a fake, in the shape of a face or of its features, on the real picture.

    Args:
        pair: A fake and the picture that it was made from, aligned pixel by pixel.
        landmarks: 5 x 2 (x, y) in pixels: eyes, nose, corners of the mouth.
        rng: Where the part comes from.

    Returns:
        The pair with less of the fake; as it was where nothing that is known to be fake would stay.
    """
    left = soften(face_mask(pair.mask.shape, landmarks, rng), rng)
    mask: Mask = pair.mask * (left > LEAST_BLENDED).astype(np.float32)
    if float(mask.mean()) < _LEAST_CHANGED:
        return pair
    blended = pair.fake * left[..., None] + pair.real * (1 - left[..., None])
    fake = np.clip(np.rint(blended), 0, 255).astype(np.uint8)
    return Pair(fake, pair.real, mask)


def shared_masks(pair: Pair) -> tuple[Mask, Mask]:
    """Gives what was changed in the pictures of a fake and of the real face beside it.

    Returns:
        Two masks, float32 H x W in [0, 1]; all `UNKNOWN` where not known.
    """
    mask = pair.mask
    if pair.share == 1.0:
        return mask, np.zeros_like(mask)
    known, kept = mask >= 0, pair.share if pair.kept is None else pair.kept
    return np.where(known, mask * kept, mask), np.where(known, mask * (1 - kept), mask)


def augmented(
    pair: Pair, config: AugmentConfig, same: float, rng: Generator
) -> list[tuple[Crop, Mask]]:
    """Augments both pictures of a pair and what was changed in them, see `shared_masks`.

    Pictures that were augmented by the same draws, as the authors' code of self-blended images
    (Shiohara and Yamasaki, CVPR 2022) does, come with the same light, sharpness and compression
    under either label.

    Args:
        pair: A fake and a real face.
        config: How strongly.
        same: Probability that the same draws augment both.
        rng: Where all choices come from.

    Returns:
        The fake's and the real face's picture, each with its mask.
    """
    both = zip((pair.fake, pair.real), shared_masks(pair), strict=True)
    # Nothing is drawn for what is off: items stay those of earlier runs.
    if same > 0 and rng.random() < same:
        seed = int(rng.integers(2**32))
        return [augment_with_mask(*one, config, np.random.default_rng(seed)) for one in both]
    return [augment_with_mask(*one, config, rng) for one in both]


def changed_pixels(fake: Crop, original: Crop) -> Mask:
    """Finds where a fake differs from the frame it was made from.

    Args:
        fake: uint8 H x W x 3, RGB.
        original: The same, aligned pixel by pixel.

    Returns:
        float32 H x W in [0, 1]: 0 for differences that compression alone makes, 1 for clear ones;
        all `UNKNOWN` when nothing differs clearly.
    """
    difference = np.abs(fake.astype(np.float32) - original).max(axis=-1)
    smooth = cv2.GaussianBlur(difference, (0, 0), 8)
    low, high = _COMPRESSION_NOISE
    mask: Mask = np.clip((smooth - low) / (high - low), 0, 1).astype(np.float32)
    if float(mask.mean()) < _LEAST_CHANGED:
        return np.full(mask.shape, UNKNOWN, np.float32)
    return mask
