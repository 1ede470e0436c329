"""The training set: a real face and a fake of the same source in every item.

Which images an item holds, and every random choice about them, follow from the seed and the
item's number alone: a run resumes exactly, whatever the number of workers or processes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset

from detection.limits import CROP_SIZE
from training.augment import AugmentConfig, Crop, Generator
from training.cross_blend import cross_blend, shape_distance
from training.face_loader import FaceLoader, as_crop
from training.face_mask import Points, known_or_typical
from training.generated import GeneratedFaces
from training.manifest import FAKE, REAL, Sample
from training.pair import (
    LEAST_BLENDED,
    UNKNOWN,
    Pair,
    augmented,
    changed_pixels,
    cutmix,
    match_colours,
    match_detail,
    mixup,
    partly,
)
from training.reconstruction import Reconstructor
from training.self_blend import self_blend
from training.upscaled import UpscaledFaces

MASK_SIZE = 28
"""Side of the masks that items carry, in cells."""

_WHOLLY_GENERATED = ("GAN (StyleGAN1)", "Stable Diffusion XL")
_DONORS = 8  # faces that a cross-blended image's donor is chosen from
_WHOLLY_REMADE = 0.6  # share of the reconstructed and upscaled faces that are not blended in


@dataclass(frozen=True)
class Mixture:
    """What the items of a run are drawn from.

    Attributes:
        sources: Weight of each source's own fakes, each with a real image of the same source:
            the one it was made from where that is known.
        self_blended: Weight of self-blended fakes, each with the real image it was made from.
        cross_blended: Weight of real faces with a part of another one of the same source put in.
        reconstructed: Weight of real faces, or parts of them, passed through an autoencoder.
        generated: Weight of faces that the project's own generator made (`training.generated`).
        upscaled: Weight of real faces, or parts of them, that a GAN redrew (`training.upscaled`).
        generated_beside: Sources whose real images stand beside those: photographs that are
            framed and lit as what the generator learnt from.
        matched_colours: Probability that, of a fake and a real image that do not show the same
            scene, one takes over the colours of the other: light and palette of a generator's
            pictures tell nothing of the next generator's.
        matched_detail: Probability that one of such two takes over the energy of the other's fine
            detail, for the same reason.
        mixup: Probability that two such are mixed into each other, labels and all (Zhang et al.,
            ICLR 2018, arXiv 1710.09412): a source with few pictures is learnt by heart otherwise.
        cutmix: Probability that two such swap a part instead (Yun et al., ICCV 2019, arXiv
            1905.04899), which shows the network where it is looking at a generator's work.
        framing: How far crops are cut from where the service cuts them (`face_loader.reframe`), for
            fakes and real images that do not show the same scene and for self-blended images: a
            wholly generated picture is so all over, and few of them show more of themselves so.
        aligned_framing: The same for a fake and the frame that it was made from.
        partial: Probability that of such a fake only a part is left, on the frame that it was made
            from: the same people and scenes come with ever other forgeries.
        same_augmentation: Probability that both pictures of a pair are augmented by the same draws,
            so that augmentation never sets them apart.
        reals: Weight of each source's real images where fakes are made from them; without any,
            all real images of the split count the same.
        unseen: Sources whose fakes are left out, to see how a run does on forgeries it never
            met; their photos stay, as those of any camera may be trained on.
        exclude: Sources whose fakes and real images are left out altogether: neither the forgery
            nor such photos were ever met.
    """

    sources: dict[str, float] = field(default_factory=dict)
    self_blended: float = 0.0
    cross_blended: float = 0.0
    reconstructed: float = 0.0
    generated: float = 0.0
    upscaled: float = 0.0
    generated_beside: tuple[str, ...] = ("stylegan1", "sdxl")
    matched_colours: float = 0.0
    matched_detail: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    framing: float = 0.0
    aligned_framing: float = 0.0
    partial: float = 0.0
    same_augmentation: float = 0.0
    reals: dict[str, float] = field(default_factory=dict)
    unseen: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True)
class Makers:
    """Where fakes come from that are neither in the data set nor blended.

    Attributes:
        reconstructor: Makes reconstruction fakes.
        generated: Gives the faces of the generator.
        upscaled: Gives the faces that a GAN redrew.
    """

    reconstructor: Reconstructor | None = None
    generated: GeneratedFaces | None = None
    upscaled: UpscaledFaces | None = None


Draw = Callable[[Generator], Pair]
Item = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


class PairDataset(Dataset[Item]):
    """Items of a fake and a real face.

    Each is a tuple of crops, uint8 2 x 224 x 224 x 3; how much of each is fake, float32 2 in
    [0, 1], which is 1 and 0 unless the two are mixed; and masks of what was changed, float32
    2 x 28 x 28 in [0, 1], zero for the real face, `UNKNOWN` where not known.
    """

    def __init__(
        self,
        samples: list[Sample],
        loader: FaceLoader,
        mixture: Mixture,
        augmentation: AugmentConfig,
        items: int,
        seed: int,
        makers: Makers = Makers(),
    ) -> None:
        """Makes the data set.

        Args:
            samples: The samples of the training split.
            loader: Reads crops.
            mixture: What to draw from.
            augmentation: How to vary crops.
            items: Length of the data set.
            seed: Decides every choice.
            makers: Where made fakes come from, as far as the mixture has any.

        Raises:
            ValueError: A source of the mixture has no fake or no real image, or there is no
                reconstructor, or there are no generated or upscaled faces, though the mixture asks
                for some.
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
        self._makers = makers
        self._all_reals = [sample for sample in samples if sample.label == REAL]
        self._base = self._base_weights(mixture.reals)
        self._beside = [
            sample for sample in self._all_reals if sample.source in mixture.generated_beside
        ]
        self._matched_colours = mixture.matched_colours
        self._matched_detail = mixture.matched_detail
        self._mixup, self._cutmix = mixture.mixup, mixture.cutmix
        self._framing, self._aligned_framing = mixture.framing, mixture.aligned_framing
        self._partial, self._same_augmentation = mixture.partial, mixture.same_augmentation
        redrawn = makers.upscaled.paths if makers.upscaled else frozenset()
        self._redrawn = [sample for sample in self._all_reals if sample.path in redrawn]
        self._draws, self._weights = self._plan(mixture)

    def _plan(self, mixture: Mixture) -> tuple[list[Draw], npt.NDArray[np.float64]]:
        left_out = {*mixture.exclude, *mixture.unseen}
        weights = {k: w for k, w in mixture.sources.items() if w > 0 and k not in left_out}
        for source in weights:
            if not self._fakes.get(source) or not self._reals.get(source):
                raise ValueError(f"source {source!r} lacks fake or real images in this split")
        draws: list[Draw] = [self._source_draw(source) for source in weights]
        values = list(weights.values())
        if mixture.reconstructed > 0 and self._makers.reconstructor is None:
            raise ValueError("the mixture has reconstructed fakes, but there is no reconstructor")
        if mixture.generated > 0 and self._makers.generated is None:
            raise ValueError("the mixture has generated faces, but there are none")
        if mixture.generated > 0 and not self._beside:
            raise ValueError(
                "generated faces need real images of one of the sources "
                f"{', '.join(mixture.generated_beside)} beside them"
            )
        if mixture.upscaled > 0 and not self._redrawn:
            raise ValueError("the mixture has upscaled faces, but there are none of this split")
        made: list[tuple[Draw, float]] = [
            (self._self_blended_pair, mixture.self_blended),
            (self._cross_blended_pair, mixture.cross_blended),
            (self._reconstructed_pair, mixture.reconstructed),
            (self._generated_pair, mixture.generated),
            (self._upscaled_pair, mixture.upscaled),
        ]
        draws += [draw for draw, weight in made if weight > 0]
        values += [weight for _, weight in made if weight > 0]
        if not draws:
            raise ValueError("the mixture is empty: give a source or self_blended a weight")
        return draws, np.asarray(values) / sum(values)

    def _base_weights(self, reals: dict[str, float]) -> tuple[list[str], npt.NDArray[np.float64]]:
        """Gives the sources whose real images fakes are made from, with their shares."""
        names = sorted(name for name in self._reals if reals.get(name, 0.0) > 0)
        values = np.array([reals[name] for name in names], np.float64)
        return names, values / values.sum() if names else values

    def __len__(self) -> int:
        """Gives the number of items."""
        return self._items

    def __getitem__(self, index: int) -> Item:
        """Gives item `index`; the same index gives the same item always."""
        rng = np.random.default_rng((self._seed, index))
        pair = self._draws[rng.choice(len(self._draws), p=self._weights)](rng)
        varied = augmented(pair, self._augmentation, self._same_augmentation, rng)
        size = (MASK_SIZE, MASK_SIZE)
        masks = [cv2.resize(mask, size, interpolation=cv2.INTER_AREA) for _, mask in varied]
        return (
            torch.from_numpy(np.stack([crop for crop, _ in varied])),
            torch.tensor([pair.share, 1 - pair.share]),
            torch.from_numpy(np.stack(masks).astype(np.float32)),
        )

    def _source_draw(self, source: str) -> Draw:
        fakes, reals = self._fakes[source], self._reals[source]

        def draw(rng: Generator) -> Pair:
            fake = fakes[rng.integers(len(fakes))]
            original = self._by_path.get(fake.pair)
            if original and (pair := self._aligned_pair(fake, original, rng)):
                return pair
            real = original or reals[rng.integers(len(reals))]
            whole = 1.0 if fake.kind in _WHOLLY_GENERATED else UNKNOWN
            mask = np.full((CROP_SIZE, CROP_SIZE), whole, np.float32)
            pair = Pair(self._face(fake, rng)[0], self._face(real, rng)[0], mask)
            return pair if original else self._varied_together(pair, rng)

        return draw

    def _aligned_pair(self, fake: Sample, original: Sample, rng: Generator) -> Pair | None:
        """Cuts a fake and the frame it was made from alike, or gives None if they do not match."""
        aligned = self._loader.aligned(fake, original, self._aligned_framing, rng)
        if aligned is None:
            return None
        made, shot, landmarks = aligned
        pair = Pair(made, shot, changed_pixels(made, shot))
        if self._partial > 0 and rng.random() < self._partial:
            return partly(pair, known_or_typical(landmarks, pair.mask.shape), rng)
        return pair

    def _face(self, sample: Sample, rng: Generator) -> tuple[Crop, Points]:
        """Cuts a face and gives its landmarks, with as much freedom as the mixture says."""
        if self._framing > 0:
            return self._loader.reframed(sample, self._framing, rng)
        return self._loader.crop_and_landmarks(sample)

    def _varied_together(self, pair: Pair, rng: Generator) -> Pair:
        """Makes pictures of different scenes alike, or mixes them, as often as the mixture says."""
        # Nothing is drawn for what is off: items stay those of earlier runs.
        made, shot = pair.fake, pair.real
        if self._matched_colours > 0 and rng.random() < self._matched_colours:
            made, shot = match_colours(made, shot, rng)
        if self._matched_detail > 0 and rng.random() < self._matched_detail:
            made, shot = match_detail(made, shot, rng)
        pair = Pair(made, shot, pair.mask)
        if self._cutmix > 0 and rng.random() < self._cutmix:
            return cutmix(pair, rng)
        return mixup(pair, rng) if self._mixup > 0 and rng.random() < self._mixup else pair

    def _base_real(self, rng: Generator) -> Sample:
        names, shares = self._base
        reals = self._reals[names[rng.choice(len(names), p=shares)]] if names else self._all_reals
        chosen: Sample = reals[int(rng.integers(len(reals)))]
        return chosen

    def _self_blended_pair(self, rng: Generator) -> Pair:
        crop, landmarks = self._face(self._base_real(rng), rng)
        blend = self_blend(crop, landmarks, rng)
        return Pair(blend.fake, crop, (blend.mask > LEAST_BLENDED).astype(np.float32))

    def _cross_blended_pair(self, rng: Generator) -> Pair:
        real = self._base_real(rng)
        crop, landmarks = self._loader.crop_and_landmarks(real)
        donor, points = self._loader.crop_and_landmarks(self._donor(real, landmarks, rng))
        blend = cross_blend(crop, landmarks, donor, points, rng)
        return Pair(blend.fake, crop, (blend.mask > LEAST_BLENDED).astype(np.float32))

    def _donor(self, real: Sample, landmarks: Points, rng: Generator) -> Sample:
        """Chooses another real face of the same source, of the most similar shape of a few."""
        others = self._reals[real.source]
        few: list[Sample] = [
            others[index] for index in rng.integers(len(others), size=_DONORS).tolist()
        ]
        few = [one for one in few if one.path != real.path] or few
        if len(landmarks) == 0:
            return few[0]

        def distance(other: Sample) -> float:
            marks = self._loader.landmarks(other)
            return shape_distance(landmarks, marks) if len(marks) else np.inf

        return min(few, key=distance)

    def _reconstructed_pair(self, rng: Generator) -> Pair:
        sample = self._base_real(rng)
        patch = self._loader.patch(sample)
        remade, original = cast("Reconstructor", self._makers.reconstructor).pair(patch, rng)
        return self._whole_or_part(as_crop(remade), as_crop(original), sample, rng)

    def _upscaled_pair(self, rng: Generator) -> Pair:
        sample = self._redrawn[int(rng.integers(len(self._redrawn)))]
        faces = cast("UpscaledFaces", self._makers.upscaled)
        made, original = faces.pair(sample, self._loader, rng)
        return self._whole_or_part(as_crop(made), as_crop(original), sample, rng)

    def _whole_or_part(self, fake: Crop, real: Crop, sample: Sample, rng: Generator) -> Pair:
        """Leaves a remade face whole, or puts a part of it into the original."""
        shape = (CROP_SIZE, CROP_SIZE)
        whole = Pair(fake, real, np.ones(shape, np.float32))
        if rng.random() < _WHOLLY_REMADE:
            return whole
        # As an editor with a generator in it leaves a picture: one part is made, the rest is not.
        landmarks = known_or_typical(self._loader.landmarks(sample), shape)
        return partly(whole, landmarks, rng)

    def _generated_pair(self, rng: Generator) -> Pair:
        real = self._beside[int(rng.integers(len(self._beside)))]
        shot = self._loader.crop(real)
        made = cast("GeneratedFaces", self._makers.generated).like(self._loader.path(real), rng)
        pair = Pair(made, shot, np.ones((CROP_SIZE, CROP_SIZE), np.float32))
        return self._varied_together(pair, rng)
