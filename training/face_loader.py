"""Reading the faces of labelled images as the service would cut them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from detection.faces import Region, crop_face, whole_image_region
from detection.limits import CROP_SIZE
from training.augment import Crop, Generator
from training.face_mask import Points
from training.manifest import Sample
from training.regions import FaceRegion, read_image


class FaceLoader:
    """Reads the face crop of a sample as the service would cut it."""

    def __init__(self, root: Path, regions: dict[str, FaceRegion]) -> None:
        """Makes a loader.

        Args:
            root: The data root.
            regions: From `training.regions.load_regions`.
        """
        self._root = root
        self._regions = regions

    def crop(self, sample: Sample) -> Crop:
        """Gives the crop, uint8 224 x 224 x 3, RGB."""
        return self.crop_and_landmarks(sample)[0]

    def path(self, sample: Sample) -> Path:
        """Gives the file of a sample."""
        return self._root / sample.path

    def aligned(
        self, fake: Sample, real: Sample, framing: float, rng: Generator
    ) -> tuple[Crop, Crop, Points] | None:
        """Gives both crops of a pair and the fake's landmarks, cut at or near the fake's region.

        Args:
            fake: The fake.
            real: The frame it was made from.
            framing: How far from there, see `reframe`; with 0, nothing is drawn.
            rng: Where all choices come from.

        Returns:
            Two crops, uint8 224 x 224 x 3, RGB, and landmarks as `landmarks` gives them; None when
            the sizes of the images differ.
        """
        pixels, original = (read_image(self._root / sample.path) for sample in (fake, real))
        if pixels.shape != original.shape:
            return None
        region = self._region(fake, pixels)
        if framing > 0:
            region = reframe(region, pixels.shape[1::-1], framing, rng)
        return crop_face(pixels, region), crop_face(original, region), self.landmarks(fake, region)

    def crop_and_landmarks(self, sample: Sample) -> tuple[Crop, Points]:
        """Gives the crop and its landmarks in pixels of the crop, 5 x 2, or 0 x 2 if unknown."""
        return as_crop(self.patch(sample)), self.landmarks(sample)

    def reframed(self, sample: Sample, framing: float, rng: Generator) -> tuple[Crop, Points]:
        """Gives the crop and its landmarks as `crop_and_landmarks` does, cut a little elsewhere.

        Args:
            sample: The image.
            framing: How much so, see `reframe`.
            rng: Where all choices come from.
        """
        pixels = read_image(self._root / sample.path)
        region = reframe(self._region(sample, pixels), pixels.shape[1::-1], framing, rng)
        return crop_face(pixels, region), self.landmarks(sample, region)

    def patch(self, sample: Sample) -> Crop:
        """Gives the face's region in the picture's own pixels, uint8 H x W x 3, RGB."""
        pixels = read_image(self._root / sample.path)
        left, top, right, bottom = self._region(sample, pixels)
        return pixels[top:bottom, left:right]

    def _region(self, sample: Sample, pixels: Crop) -> Region:
        face = self._regions.get(sample.path)
        return face.region if face else whole_image_region(pixels.shape[1], pixels.shape[0])

    def landmarks(self, sample: Sample, region: Region | None = None) -> Points:
        """Gives the landmarks in pixels of the crop, 5 x 2, or 0 x 2 where none are known.

        Args:
            sample: The image.
            region: Where the crop was cut, by default around the face.
        """
        face = self._regions.get(sample.path)
        if face is None:
            return np.zeros((0, 2), np.float32)
        left, top, right, bottom = region or face.region
        marks = np.asarray(face.landmarks, np.float32).reshape(-1, 2)
        scale = np.array([CROP_SIZE / (right - left), CROP_SIZE / (bottom - top)], np.float32)
        return (marks - (left, top)).astype(np.float32) * scale


def as_crop(patch: Crop) -> Crop:
    """Scales a face's region to the crop size as the service does, uint8 224 x 224 x 3."""
    return crop_face(patch, (0, 0, patch.shape[1], patch.shape[0]))


def reframe(region: Region, size: tuple[int, int], framing: float, rng: Generator) -> Region:
    """Draws a region near another one, inside the picture.

    Args:
        region: Left, top, right, bottom in pixels, inside the picture.
        size: Width and height of the picture in pixels.
        framing: Largest shift either way, as a share of the new region's sides, and largest change
            of the sides either way, as their natural logarithm: 0.25 makes them 0.78 to 1.28 times
            as long. The picture's borders limit both.
        rng: Where all choices come from.

    Returns:
        A region of the same proportions, to a pixel.
    """
    left, top, right, bottom = region
    sides = (right - left, bottom - top)
    most = min(whole / side for whole, side in zip(size, sides, strict=True))
    factor = min(math.exp(rng.uniform(-framing, framing)), most)
    starts, lengths = [], []
    for start, side, whole in zip((left, top), sides, size, strict=True):
        length = min(max(1, round(side * factor)), whole)
        moved = start + (side - length) / 2 + length * rng.uniform(-framing, framing)
        starts.append(min(max(0, round(moved)), whole - length))
        lengths.append(length)
    return (starts[0], starts[1], starts[0] + lengths[0], starts[1] + lengths[1])
