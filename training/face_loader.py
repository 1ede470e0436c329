"""Reading the faces of labelled images as the service would cut them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from detection.faces import crop_face, whole_image_region
from detection.limits import CROP_SIZE
from training.augment import Crop
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

    def aligned(self, fake: Sample, real: Sample) -> tuple[Crop, Crop] | None:
        """Gives both crops of a pair cut at the fake's region, or None when their sizes differ."""
        pixels, original = (read_image(self._root / sample.path) for sample in (fake, real))
        if pixels.shape != original.shape:
            return None
        face = self._regions.get(fake.path)
        region = face.region if face else whole_image_region(pixels.shape[1], pixels.shape[0])
        return crop_face(pixels, region), crop_face(original, region)

    def crop_and_landmarks(self, sample: Sample) -> tuple[Crop, Points]:
        """Gives the crop and its landmarks in pixels of the crop, 5 x 2, or 0 x 2 if unknown."""
        return as_crop(self.patch(sample)), self.landmarks(sample)

    def patch(self, sample: Sample) -> Crop:
        """Gives the face's region in the picture's own pixels, uint8 H x W x 3, RGB."""
        pixels = read_image(self._root / sample.path)
        face = self._regions.get(sample.path)
        region = face.region if face else whole_image_region(pixels.shape[1], pixels.shape[0])
        left, top, right, bottom = region
        return pixels[top:bottom, left:right]

    def landmarks(self, sample: Sample) -> Points:
        """Gives the landmarks in pixels of the crop, 5 x 2, or 0 x 2 where none are known."""
        face = self._regions.get(sample.path)
        if face is None:
            return np.zeros((0, 2), np.float32)
        left, top, right, bottom = face.region
        marks = np.asarray(face.landmarks, np.float32).reshape(-1, 2)
        scale = np.array([CROP_SIZE / (right - left), CROP_SIZE / (bottom - top)], np.float32)
        return (marks - (left, top)).astype(np.float32) * scale


def as_crop(patch: Crop) -> Crop:
    """Scales a face's region to the crop size as the service does, uint8 224 x 224 x 3."""
    return crop_face(patch, (0, 0, patch.shape[1], patch.shape[0]))
