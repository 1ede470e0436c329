"""What happens to a detector when pictures are compressed, blurred, scaled down or noisy.

The grid is fixed, so that versions can be compared: JPEG quality 90, 70, 50, 30; Gaussian blur
with sigma 1, 2, 3 px; down to 112 and 64 px and back; Gaussian noise of standard deviation 0.01,
0.05, 0.1 of the full range. It acts on the 224 x 224 face crop.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from training.augment import Crop, jpeg
from training.figures import Judged, auc_with_interval, compared, parts_by_source
from training.manifest import Sample

UNCHANGED = "none"


@dataclass(frozen=True)
class Jpeg:
    """Compresses as JPEG at a quality, 1 to 100."""

    quality: int

    def __call__(self, crop: Crop) -> Crop:
        """Gives the changed crop."""
        return jpeg(crop, self.quality)


@dataclass(frozen=True)
class Blur:
    """Blurs with a Gaussian of a standard deviation in pixels."""

    sigma: float

    def __call__(self, crop: Crop) -> Crop:
        """Gives the changed crop."""
        return np.asarray(cv2.GaussianBlur(crop, (0, 0), self.sigma), np.uint8)


@dataclass(frozen=True)
class Resize:
    """Scales down to a side in pixels, and back up."""

    side: int

    def __call__(self, crop: Crop) -> Crop:
        """Gives the changed crop, of its old size."""
        small = cv2.resize(crop, (self.side, self.side), interpolation=cv2.INTER_AREA)
        size = (crop.shape[1], crop.shape[0])
        return np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_LINEAR), np.uint8)


@dataclass(frozen=True)
class Noise:
    """Adds Gaussian noise of a standard deviation as a share of the full range.

    The noise follows from the crop's own content, so the same picture always gets the same.
    """

    deviation: float

    def __call__(self, crop: Crop) -> Crop:
        """Gives the changed crop."""
        rng = np.random.default_rng(zlib.crc32(crop.tobytes()))
        noise = rng.standard_normal(crop.shape, dtype=np.float32) * np.float32(255 * self.deviation)
        return np.clip(np.rint(crop + noise), 0, 255).astype(np.uint8)


CHANGES: dict[str, Jpeg | Blur | Resize | Noise] = {
    **{f"jpeg-{quality}": Jpeg(quality) for quality in (90, 70, 50, 30)},
    **{f"blur-{sigma}": Blur(sigma) for sigma in (1, 2, 3)},
    **{f"resize-{side}": Resize(side) for side in (112, 64)},
    **{f"noise-{deviation}": Noise(deviation) for deviation in (0.01, 0.05, 0.1)},
}
"""The changes of the grid by name."""

LABELS: dict[str, str] = {
    UNCHANGED: "unchanged",
    **{name: name.replace("jpeg-", "JPEG quality ") for name in CHANGES if "jpeg" in name},
    **{name: name.replace("blur-", "blur, sigma ") for name in CHANGES if "blur" in name},
    **{name: name.replace("resize-", "down to ") + " px" for name in CHANGES if "resize" in name},
    **{name: name.replace("noise-", "noise, sd ") for name in CHANGES if "noise" in name},
}
"""The changes in words."""


def spread(samples: Sequence[Sample], most: int, seed: int = 0) -> list[Sample]:
    """Draws at most `most` samples, as equally as possible over every source and label.

    Args:
        samples: The images to draw from.
        most: How many at most.
        seed: Decides the draw.

    Returns:
        Samples in their old order.
    """
    rng = np.random.default_rng(seed)
    strata: dict[tuple[str, int], list[int]] = {}
    for index, sample in enumerate(samples):
        strata.setdefault((sample.source, sample.label), []).append(index)
    chosen: list[int] = []
    left, waiting = most, sorted(strata.values(), key=len)
    for place, stratum in enumerate(waiting):  # small strata leave their unused share to large
        share = left // (len(waiting) - place)
        drawn = rng.permutation(stratum)[:share].tolist()
        chosen += drawn
        left -= len(drawn)
    return [samples[index] for index in sorted(chosen)]


def measure(judged: Mapping[str, Judged], resampled: int) -> dict[str, Any]:
    """Compares what a detector says of changed images with what it says of the originals.

    Args:
        judged: By change, the same images in the same order; ``none`` are the originals.
        resampled: Bootstrap resamples of the intervals.

    Returns:
        By change and source: ``auc``, ``fall`` (of the AUC against the originals) and
        ``real_called_fake`` (at the shipped thresholds); plain JSON types.
    """
    originals = parts_by_source(judged[UNCHANGED])
    return {
        change: {
            source: _compare(part, originals[source], resampled)
            for source, part in parts_by_source(changed).items()
        }
        for change, changed in judged.items()
    }


def _compare(changed: Judged, original: Judged, resampled: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if auc := auc_with_interval(changed, resampled):
        found["auc"] = auc.as_dict()
        found["fall"] = compared(original, changed, count=resampled).as_dict()
    reals = ~changed.fake
    if reals.any():
        found["real_called_fake"] = round(float((changed.verdict[reals] == "fake").mean()), 5)
    return found
