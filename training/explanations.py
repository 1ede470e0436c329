"""Whether Grad-CAM points at the place of a forgery.

Self-blended fakes are made from real faces that training never saw, so the place of every forgery
is known. Does the peak of the map of the class Fake lie inside the blended region (pointing game,
Zhang et al., IJCV 2018), and how much of its energy? A fixed Gaussian at the centre, the average
region of all other fakes, and random maps are what it must beat.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from tqdm import tqdm

from architectures import Detector
from detection.grad_cam import explain_head
from detection.overlay import Cells, enlarge
from detection.version import ModelVersion
from training.calibration import probability_fake
from training.face_loader import FaceLoader
from training.figures import cluster_of
from training.manifest import FAKE, Sample
from training.self_blend import self_blend

UInt8Array = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float32]
FloatArray64 = npt.NDArray[np.float64]

CENTRE_SIGMA = 0.25
"""Standard deviation of the centre prior, as a share of the side."""

_BATCH = 32


@dataclass(frozen=True)
class Forgeries:
    """Self-blended fakes with the faces they were made from; first axis N everywhere.

    Attributes:
        originals: uint8 N x S x S x 3, RGB.
        fakes: uint8 N x S x S x 3, RGB.
        regions: bool N x S x S: where at least half of the strongest share of the copy is.
        clusters: What the images depend on, see `figures.cluster_of`.
    """

    originals: UInt8Array
    fakes: UInt8Array
    regions: npt.NDArray[np.bool_]
    clusters: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.fakes)

    def first(self, count: int) -> Forgeries:
        """Gives the first `count` of them."""
        return Forgeries(
            self.originals[:count],
            self.fakes[:count],
            self.regions[:count],
            self.clusters[:count],
        )


def make_forgeries(samples: Sequence[Sample], loader: FaceLoader, seed: int = 0) -> Forgeries:
    """Makes one self-blended fake of each real face.

    Args:
        samples: Real images, at least one.
        loader: Reads their crops.
        seed: Together with an image's place in `samples` decides its fake.
    """
    originals, fakes, regions = [], [], []
    for index, sample in enumerate(tqdm(samples, desc="blending", unit="face", leave=False)):
        crop, landmarks = loader.crop_and_landmarks(sample)
        blend = self_blend(crop, landmarks, np.random.default_rng((seed, index)))
        originals.append(crop)
        fakes.append(blend.fake)
        regions.append(blend.mask >= 0.5 * max(float(blend.mask.max()), 1e-6))
    return Forgeries(
        np.stack(originals),
        np.stack(fakes),
        np.stack(regions),
        tuple(cluster_of(sample) for sample in samples),
    )


class _FakeOnly(nn.Module):
    """A head that knows one class, so that the map is that of Fake whatever is predicted."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self._head = head

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self._head(features)
        return logits[:, FAKE : FAKE + 1]


def fake_maps(detector: Detector, crops: UInt8Array) -> FloatArray:
    """Gives the signed Grad-CAM maps of the class Fake, float32 N x h x w."""
    head = _FakeOnly(detector.head).eval()
    parts = []
    for start in range(0, len(crops), _BATCH):
        with torch.no_grad():
            batch = torch.from_numpy(crops[start : start + _BATCH])
            features = detector.feature_maps(detector.preset.to_input(batch))
        parts.append(explain_head(head, features).maps)
    return np.concatenate(parts)


def probabilities(version: ModelVersion, crops: UInt8Array) -> FloatArray64:
    """Gives the calibrated probability of a fake of each crop."""
    parts = []
    for start in range(0, len(crops), _BATCH):
        with torch.inference_mode():
            batch = torch.from_numpy(crops[start : start + _BATCH])
            parts.append(version.detector(version.detector.preset.to_input(batch)).numpy())
    return probability_fake(np.concatenate(parts), version.scaling)


def enlarged(maps: FloatArray, side: int, cells: Cells | None = None) -> FloatArray:
    """Gives the positive part of maps, each with peak 1, at N x side x side as users see it.

    A map without any positive cell says nothing of the place and becomes flat.

    Args:
        maps: Signed maps, N x h x w.
        side: Side of the result in pixels.
        cells: Where the network's cells look, as the service draws them; equal squares without.
    """
    positive = np.maximum(maps, 0)
    peaks = positive.max(axis=(1, 2), keepdims=True)
    grids = np.where(peaks > 0, positive / np.where(peaks > 0, peaks, 1), 1)
    return np.stack([enlarge(grid.astype(np.float32), side, cells) for grid in grids])


def centre_prior(side: int, sigma: float = CENTRE_SIGMA) -> FloatArray:
    """Gives a Gaussian at the centre, float32 side x side, peak 1; sigma as a share of the side."""
    line = cv2.getGaussianKernel(side, sigma * side, cv2.CV_32F)
    prior = line @ line.T
    return np.asarray(prior / prior.max(), np.float32)


def random_maps(count: int, grid: tuple[int, int], seed: int = 0) -> FloatArray:
    """Gives maps of uniform noise, float32 N x h x w in [0, 1]."""
    return np.random.default_rng(seed).random((count, *grid), dtype=np.float32)


def average_regions(forgeries: Forgeries) -> FloatArray:
    """Gives for each forgery the average region of all the others, float32 N x S x S."""
    total = forgeries.regions.sum(axis=0, dtype=np.float32)
    others: FloatArray = (total - forgeries.regions) / np.float32(max(1, len(forgeries) - 1))
    return others


def at_resolution(regions: npt.NDArray[np.bool_], grid: tuple[int, int]) -> FloatArray:
    """Gives the share of each cell of a grid that a region covers, float32 N x h x w."""
    size = (grid[1], grid[0])
    shares = [
        cv2.resize(region.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        for region in regions
    ]
    return np.stack(shares)


def energy_inside(maps: FloatArray, regions: npt.NDArray[np.bool_]) -> FloatArray64:
    """Gives the share of each map's sum that lies inside its region."""
    totals = maps.sum(axis=(1, 2), dtype=np.float64)
    inside = (maps * regions).sum(axis=(1, 2), dtype=np.float64)
    flat = regions.mean(axis=(1, 2))
    shares: FloatArray64 = np.where(totals > 0, inside / np.where(totals > 0, totals, 1), flat)
    return shares


def peak_inside(maps: FloatArray, regions: npt.NDArray[np.bool_]) -> FloatArray64:
    """Tells whether each map's highest pixel lies inside its region: 1 or 0.

    Where several pixels are the highest, it is the share of them that lie inside.
    """
    highest = maps >= maps.max(axis=(1, 2), keepdims=True)
    shares: FloatArray64 = (highest & regions).sum(axis=(1, 2)) / highest.sum(axis=(1, 2))
    return shares
