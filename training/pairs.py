"""The training set: a real face and a fake of the same source in every item.

Which images an item holds, and every random choice about them, follow from the seed and the
item's number alone: a run resumes exactly, whatever the number of workers or processes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset

from detection.faces import CROP_SIZE, crop_face, whole_image_region
from training.augment import AugmentConfig, Crop, Generator, augment
from training.manifest import FAKE, REAL, Sample
from training.regions import FaceRegion, read_image
from training.self_blend import self_blend


@dataclass(frozen=True)
class Mixture:
    """What the items of a run are drawn from.

    Attributes:
        sources: Weight of each source's own fakes, each with a real image of the same source:
            the one it was made from where that is known.
        self_blended: Weight of self-blended fakes, each with the real image it was made from,
            over all real images of the split.
        exclude: Sources whose fakes and real images are left out altogether, to see how a run
            does on forgeries it never met.
    """

    sources: dict[str, float] = field(default_factory=dict)
    self_blended: float = 0.0
    exclude: tuple[str, ...] = ()


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

    def crop_and_landmarks(self, sample: Sample) -> tuple[Crop, npt.NDArray[np.float32]]:
        """Gives the crop and its landmarks in pixels of the crop, 5 x 2, or 0 x 2 if unknown."""
        pixels = read_image(self._root / sample.path)
        face = self._regions.get(sample.path)
        if face is None:
            height, width = pixels.shape[:2]
            return crop_face(pixels, whole_image_region(width, height)), np.zeros(
                (0, 2), np.float32
            )
        left, top, right, bottom = face.region
        marks = np.asarray(face.landmarks, np.float32).reshape(-1, 2)
        scale = np.array([CROP_SIZE / (right - left), CROP_SIZE / (bottom - top)], np.float32)
        return crop_face(pixels, face.region), (marks - (left, top)).astype(np.float32) * scale


class PairDataset(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Items of two crops, uint8 2 x 224 x 224 x 3, with labels int64 2: a fake and a real face."""

    def __init__(
        self,
        samples: list[Sample],
        loader: FaceLoader,
        mixture: Mixture,
        augmentation: AugmentConfig,
        items: int,
        seed: int,
    ) -> None:
        """Makes the data set.

        Args:
            samples: The samples of the training split.
            loader: Reads crops.
            mixture: What to draw from.
            augmentation: How to vary crops.
            items: Length of the data set.
            seed: Decides every choice.

        Raises:
            ValueError: A source of the mixture has no fake or no real image.
        """
        cv2.setNumThreads(0)
        samples = [sample for sample in samples if sample.source not in mixture.exclude]
        self._loader, self._augmentation = loader, augmentation
        self._items, self._seed = items, seed
        self._by_path = {sample.path: sample for sample in samples}
        self._fakes: dict[str, list[Sample]] = {}
        self._reals: dict[str, list[Sample]] = {}
        for sample in samples:
            side = self._fakes if sample.label == FAKE else self._reals
            side.setdefault(sample.source, []).append(sample)
        self._all_reals = [sample for sample in samples if sample.label == REAL]
        self._draws, self._weights = self._plan(mixture)

    def _plan(
        self, mixture: Mixture
    ) -> tuple[list[Callable[[Generator], tuple[Crop, Crop]]], npt.NDArray[np.float64]]:
        weights = {k: w for k, w in mixture.sources.items() if w > 0 and k not in mixture.exclude}
        for source in weights:
            if not self._fakes.get(source) or not self._reals.get(source):
                raise ValueError(f"source {source!r} lacks fake or real images in this split")
        draws: list[Callable[[Generator], tuple[Crop, Crop]]] = [
            self._source_draw(source) for source in weights
        ]
        values = list(weights.values())
        if mixture.self_blended > 0:
            draws.append(self._self_blended_pair)
            values.append(mixture.self_blended)
        if not draws:
            raise ValueError("the mixture is empty: give a source or self_blended a weight")
        return draws, np.asarray(values) / sum(values)

    def __len__(self) -> int:
        """Gives the number of items."""
        return self._items

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Gives item `index`; the same index gives the same item always."""
        rng = np.random.default_rng((self._seed, index))
        draw = self._draws[rng.choice(len(self._draws), p=self._weights)]
        fake, real = draw(rng)
        crops = [augment(crop, self._augmentation, rng) for crop in (fake, real)]
        return torch.from_numpy(np.stack(crops)), torch.tensor([FAKE, REAL])

    def _source_draw(self, source: str) -> Callable[[Generator], tuple[Crop, Crop]]:
        fakes, reals = self._fakes[source], self._reals[source]

        def draw(rng: Generator) -> tuple[Crop, Crop]:
            fake = fakes[rng.integers(len(fakes))]
            real = self._by_path.get(fake.pair) or reals[rng.integers(len(reals))]
            return self._loader.crop(fake), self._loader.crop(real)

        return draw

    def _self_blended_pair(self, rng: Generator) -> tuple[Crop, Crop]:
        real = self._all_reals[rng.integers(len(self._all_reals))]
        crop, landmarks = self._loader.crop_and_landmarks(real)
        return self_blend(crop, landmarks, rng).fake, crop
