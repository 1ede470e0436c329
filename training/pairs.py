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

from detection.faces import crop_face, whole_image_region
from detection.limits import CROP_SIZE
from training.augment import AugmentConfig, Crop, Generator, Mask, augment_with_mask
from training.manifest import FAKE, REAL, Sample
from training.regions import FaceRegion, read_image
from training.self_blend import self_blend

MASK_SIZE = 28
"""Side of the masks that items carry, in cells."""
UNKNOWN = -1.0
"""Value of a mask where it is not known what was changed."""

_WHOLLY_GENERATED = ("GAN (StyleGAN1)", "Stable Diffusion XL")
_COMPRESSION_NOISE = (5.0, 11.0)  # grey levels between which a difference becomes a change
_LEAST_CHANGED = 0.01  # share of the crop; below, a fake shows no clear change


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

    def aligned(self, fake: Sample, real: Sample) -> tuple[Crop, Crop] | None:
        """Gives both crops of a pair cut at the fake's region, or None when their sizes differ."""
        pixels, original = (read_image(self._root / sample.path) for sample in (fake, real))
        if pixels.shape != original.shape:
            return None
        face = self._regions.get(fake.path)
        region = face.region if face else whole_image_region(pixels.shape[1], pixels.shape[0])
        return crop_face(pixels, region), crop_face(original, region)

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


@dataclass(frozen=True)
class Pair:
    """A fake and a real face of the same source, as cut.

    Attributes:
        fake: uint8 224 x 224 x 3, RGB.
        real: The same for the real face.
        mask: How far each pixel of the fake was changed, float32 224 x 224 in [0, 1]; all
            `UNKNOWN` where that is not known.
    """

    fake: Crop
    real: Crop
    mask: Mask


Draw = Callable[[Generator], Pair]
Item = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


class PairDataset(Dataset[Item]):
    """Items of a fake and a real face.

    Each is a tuple of crops, uint8 2 x 224 x 224 x 3; labels, int64 2; and masks of what was
    changed, float32 2 x 28 x 28 in [0, 1], zero for the real face, `UNKNOWN` where not known.
    """

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

    def _plan(self, mixture: Mixture) -> tuple[list[Draw], npt.NDArray[np.float64]]:
        weights = {k: w for k, w in mixture.sources.items() if w > 0 and k not in mixture.exclude}
        for source in weights:
            if not self._fakes.get(source) or not self._reals.get(source):
                raise ValueError(f"source {source!r} lacks fake or real images in this split")
        draws: list[Draw] = [self._source_draw(source) for source in weights]
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

    def __getitem__(self, index: int) -> Item:
        """Gives item `index`; the same index gives the same item always."""
        rng = np.random.default_rng((self._seed, index))
        pair = self._draws[rng.choice(len(self._draws), p=self._weights)](rng)
        untouched = np.zeros(pair.mask.shape, np.float32)
        varied = [
            augment_with_mask(crop, mask, self._augmentation, rng)
            for crop, mask in ((pair.fake, pair.mask), (pair.real, untouched))
        ]
        size = (MASK_SIZE, MASK_SIZE)
        masks = [cv2.resize(mask, size, interpolation=cv2.INTER_AREA) for _, mask in varied]
        return (
            torch.from_numpy(np.stack([crop for crop, _ in varied])),
            torch.tensor([FAKE, REAL]),
            torch.from_numpy(np.stack(masks).astype(np.float32)),
        )

    def _source_draw(self, source: str) -> Draw:
        fakes, reals = self._fakes[source], self._reals[source]

        def draw(rng: Generator) -> Pair:
            fake = fakes[rng.integers(len(fakes))]
            original = self._by_path.get(fake.pair)
            aligned = self._loader.aligned(fake, original) if original else None
            if aligned:
                return Pair(*aligned, changed_pixels(*aligned))
            real = original or reals[rng.integers(len(reals))]
            whole = 1.0 if fake.kind in _WHOLLY_GENERATED else UNKNOWN
            mask = np.full((CROP_SIZE, CROP_SIZE), whole, np.float32)
            return Pair(self._loader.crop(fake), self._loader.crop(real), mask)

        return draw

    def _self_blended_pair(self, rng: Generator) -> Pair:
        real = self._all_reals[rng.integers(len(self._all_reals))]
        crop, landmarks = self._loader.crop_and_landmarks(real)
        blend = self_blend(crop, landmarks, rng)
        return Pair(blend.fake, crop, (blend.mask > 0.1).astype(np.float32))


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
