"""Intervals by a stratified cluster bootstrap.

Pictures of one person, and a fake and the photo it was made from, are no independent evidence, so
whole persons (or groups of twins) are drawn with replacement, never single pictures. Drawing
within strata keeps every source as strongly represented as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IndexArray = npt.NDArray[np.intp]
Names = npt.NDArray[np.str_]

RESAMPLES = 500
SEED = 20220404
_LEVEL = (2.5, 97.5)  # percentiles of the interval


@dataclass(frozen=True)
class Figure:
    """A value with the bounds of its 95 % interval."""

    value: float
    low: float
    high: float

    def as_dict(self) -> dict[str, float]:
        """Gives the figure in plain JSON types, to five decimals."""
        return {
            "value": round(self.value, 5),
            "low": round(self.low, 5),
            "high": round(self.high, 5),
        }


def draw(
    strata: Names, clusters: Names, count: int = RESAMPLES, seed: int = SEED
) -> list[IndexArray]:
    """Draws bootstrap resamples: clusters with replacement, within each stratum.

    Args:
        strata: Stratum of each of N images.
        clusters: Cluster of each.
        count: Resamples to draw.
        seed: The same images, count and seed give the same resamples, so that two detectors
            can be compared on them.

    Returns:
        Indices of the images of each resample.
    """
    rng = np.random.default_rng(seed)
    members = []
    for stratum in np.unique(strata):
        rows = np.flatnonzero(strata == stratum)
        _, member = np.unique(clusters[rows], return_inverse=True)
        order = np.argsort(member, kind="stable")
        members.append(np.split(rows[order], np.flatnonzero(np.diff(member[order])) + 1))
    drawn = []
    for _ in range(count):
        parts = [
            rows[index] for rows in members for index in rng.integers(len(rows), size=len(rows))
        ]
        drawn.append(np.concatenate(parts) if parts else np.zeros(0, np.intp))
    return drawn


def interval(value: float, drawn: Sequence[float] | FloatArray) -> Figure:
    """Joins a value with the percentile interval of its resamples; NaNs are left out."""
    kept = np.asarray(drawn, np.float64)
    kept = kept[np.isfinite(kept)]
    low, high = np.percentile(kept, _LEVEL) if len(kept) else (value, value)
    return Figure(value, float(low), float(high))


def mean_with_interval(
    values: Sequence[float] | FloatArray,
    clusters: Sequence[str] | Names,
    count: int = RESAMPLES,
    seed: int = SEED,
) -> Figure:
    """Gives the mean of one value an image, with the interval of the cluster bootstrap."""
    array = np.asarray(values, np.float64)
    names = np.asarray(clusters, np.str_)
    strata = np.full(len(array), "", np.str_)
    drawn = [float(array[rows].mean()) for rows in draw(strata, names, count, seed)]
    return interval(float(array.mean()), drawn)
