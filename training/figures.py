"""The figures of a detector, each with a 95 % interval; the metrics are torchmetrics'."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torchmetrics.functional.classification import (
    binary_auroc,
    binary_average_precision,
    binary_calibration_error,
    binary_eer,
    binary_recall,
    binary_sensitivity_at_specificity,
    binary_specificity,
)

from training.bootstrap import RESAMPLES, SEED, Figure, IndexArray, draw, interval
from training.calibration import balanced
from training.manifest import FAKE, Sample

FloatArray = npt.NDArray[np.float64]

_BINS = 15  # of the expected calibration error, as in Guo et al. (ICML 2017)
_LEAST_PEOPLE = 2  # for a spread

Figures = dict[str, Figure]


@dataclass(frozen=True)
class Judged:
    """What one detector says of N labelled images; all arrays have N entries.

    Attributes:
        fake: Whether the image is fake.
        probability: Calibrated probability of a fake.
        verdict: ``fake``, ``real`` or ``uncertain``.
        source: Where the image comes from.
        kind: How the fake was made; ``none`` for real images.
        cluster: Images of the same cluster are resampled together.
    """

    fake: npt.NDArray[np.bool_]
    probability: FloatArray
    verdict: npt.NDArray[np.str_]
    source: npt.NDArray[np.str_]
    kind: npt.NDArray[np.str_]
    cluster: npt.NDArray[np.str_]

    @classmethod
    def of(
        cls, samples: Sequence[Sample], probability: FloatArray, verdict: Sequence[str]
    ) -> Judged:
        """Joins samples with what was said of them, in the same order."""
        return cls(
            np.array([sample.label == FAKE for sample in samples], bool),
            np.asarray(probability, np.float64),
            np.array(verdict, np.str_),
            np.array([sample.source for sample in samples], np.str_),
            np.array([sample.kind for sample in samples], np.str_),
            np.array([cluster_of(sample) for sample in samples], np.str_),
        )

    def __len__(self) -> int:
        return len(self.fake)

    def take(self, rows: IndexArray | npt.NDArray[np.bool_]) -> Judged:
        """Picks images by index or by mask."""
        return Judged(
            self.fake[rows],
            self.probability[rows],
            self.verdict[rows],
            self.source[rows],
            self.kind[rows],
            self.cluster[rows],
        )


def cluster_of(sample: Sample) -> str:
    """Names what an image depends on: its person, else its group of twins, else itself."""
    return sample.identity or sample.group or sample.path


def figures_of(judged: Judged) -> dict[str, float]:
    """Computes every figure for which the images suffice.

    Args:
        judged: The images; with one class only, figures that need both are left out.

    Returns:
        Figures by name, each in [0, 1]: ``auc``, ``average_precision``, ``eer``,
        ``tpr_at_1_fpr``, ``tpr_at_5_fpr`` (of the fakes), ``balanced_accuracy`` (at 0.5),
        ``real_called_fake``, ``fake_called_real``, ``uncertain`` (at the shipped thresholds),
        ``ece`` and ``ece_balanced`` (with both classes counting the same).
    """
    both = bool(judged.fake.any() and not judged.fake.all())
    found = dict(_ranking(judged)) if both else {}
    if not judged.fake.all():
        found["real_called_fake"] = float((judged.verdict[~judged.fake] == "fake").mean())
    if judged.fake.any():
        found["fake_called_real"] = float((judged.verdict[judged.fake] == "real").mean())
    if len(judged):
        found["uncertain"] = float((judged.verdict == "uncertain").mean())
    if both:
        found["ece"] = _calibration_error(judged.probability, judged.fake)
        found["ece_balanced"] = _calibration_error(*balanced(judged.probability, judged.fake))
    return found


def auc_of(judged: Judged) -> float:
    """Gives the area under the ROC curve; NaN without both classes."""
    if judged.fake.all() or not judged.fake.any():
        return float("nan")
    scores, truth = _tensors(judged.probability, judged.fake)
    return float(binary_auroc(scores, truth, validate_args=False))


def within_people(judged: Judged) -> dict[str, float] | None:
    """Tells how much the AUC depends on who is in the picture.

    Args:
        judged: The images.

    Returns:
        ``people`` with real images and fakes, and over them the ``mean`` and the standard
        deviation ``sd`` of the AUC among one person's images; None with fewer than two people.
    """
    people = [judged.take(judged.cluster == one) for one in np.unique(judged.cluster)]
    areas = [area for area in map(auc_of, people) if np.isfinite(area)]
    if len(areas) < _LEAST_PEOPLE:
        return None
    return {
        "people": len(areas),
        "mean": round(float(np.mean(areas)), 5),
        "sd": round(float(np.std(areas, ddof=1)), 5),
    }


def _ranking(judged: Judged) -> Iterable[tuple[str, float]]:
    scores, truth = _tensors(judged.probability, judged.fake)
    yield "auc", float(binary_auroc(scores, truth, validate_args=False))
    yield "average_precision", float(binary_average_precision(scores, truth, validate_args=False))
    yield "eer", float(binary_eer(scores, truth, validate_args=False))
    for percent in (1, 5):
        # The allowance keeps a rate of exactly 1 % from being lost to rounding.
        rate, _ = binary_sensitivity_at_specificity(
            scores, truth, min_specificity=1 - percent / 100 - 1e-6, validate_args=False
        )
        yield f"tpr_at_{percent}_fpr", float(rate)
    recall = binary_recall(scores, truth, validate_args=False)
    specificity = binary_specificity(scores, truth, validate_args=False)
    yield "balanced_accuracy", float((recall + specificity) / 2)


def _tensors(
    probability: FloatArray, fake: npt.NDArray[np.bool_]
) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(probability), torch.from_numpy(fake.astype(np.int64))


def _calibration_error(probability: FloatArray, fake: npt.NDArray[np.bool_]) -> float:
    scores, truth = _tensors(probability, fake)
    return float(binary_calibration_error(scores.float(), truth, n_bins=_BINS, validate_args=False))


def resamples(judged: Judged, count: int = RESAMPLES, seed: int = SEED) -> list[IndexArray]:
    """Draws bootstrap resamples of images by person, within each source; see `bootstrap.draw`."""
    return draw(judged.source, judged.cluster, count, seed)


def with_intervals(judged: Judged, count: int = RESAMPLES, seed: int = SEED) -> Figures:
    """Computes every figure of `figures_of` with its interval.

    It is the percentile interval of the resamples, except that a share of 0 or 1, which no
    resample can change, gets the exact binomial bound for as many trials as there are clusters.
    """
    drawn: dict[str, list[float]] = {}
    for rows in resamples(judged, count, seed):
        for name, value in figures_of(judged.take(rows)).items():
            drawn.setdefault(name, []).append(value)
    found = {
        name: interval(value, drawn.get(name, [])) for name, value in figures_of(judged).items()
    }
    for name, chosen in _trials(judged).items():
        if name in found and found[name].value in {0.0, 1.0}:
            found[name] = _bounded(found[name].value, len(np.unique(judged.cluster[chosen])))
    return found


def _trials(judged: Judged) -> dict[str, npt.NDArray[np.bool_]]:
    """Gives, for each figure that is a share of images, these images."""
    everything = np.ones(len(judged), bool)
    return {
        "real_called_fake": ~judged.fake,
        "fake_called_real": judged.fake,
        "tpr_at_1_fpr": judged.fake,
        "tpr_at_5_fpr": judged.fake,
        "uncertain": everything,
    }


def _bounded(value: float, trials: int) -> Figure:
    """Gives a share of 0 or 1 with Clopper and Pearson's 95 % bound (Biometrika 1934)."""
    reach = 1 - 0.025 ** (1 / trials)
    return Figure(value, max(0.0, value - reach), min(1.0, value + reach))


def compared(
    first: Judged,
    second: Judged,
    measure: Callable[[Judged], float] = auc_of,
    count: int = RESAMPLES,
    seed: int = SEED,
) -> Figure:
    """Gives the difference of a figure, first minus second, resampled together.

    Args:
        first: What one detector says of N images.
        second: What another says of the same images, or the same one of changed images.
        measure: The figure.
        count: Resamples.
        seed: Decides the resamples.
    """
    drawn = [
        measure(first.take(rows)) - measure(second.take(rows))
        for rows in resamples(first, count, seed)
    ]
    return interval(measure(first) - measure(second), drawn)


def parts_by_source(judged: Judged) -> dict[str, Judged]:
    """Splits images by source."""
    return {
        str(source): judged.take(judged.source == source) for source in np.unique(judged.source)
    }


def parts_by_kind(judged: Judged) -> dict[str, Judged]:
    """Puts the fakes of each kind beside the real images of the sources they occur in."""
    parts = {}
    for kind in np.unique(judged.kind[judged.fake]):
        chosen = judged.fake & (judged.kind == kind)
        near = np.isin(judged.source, np.unique(judged.source[chosen]))
        parts[str(kind)] = judged.take(chosen | (near & ~judged.fake))
    return parts


def counted(figures: Figures, judged: Judged) -> dict[str, Any]:
    """Gives figures in plain JSON types, after the numbers of images they rest on."""
    return {
        "fakes": int(judged.fake.sum()),
        "reals": int((~judged.fake).sum()),
        "clusters": len(np.unique(judged.cluster)),
        **{name: figure.as_dict() for name, figure in figures.items()},
    }


def auc_with_interval(judged: Judged, count: int = RESAMPLES) -> Figure | None:
    """Gives the AUC with its interval from `count` resamples; None without both classes."""
    value = auc_of(judged)
    if not np.isfinite(value):
        return None
    return interval(value, [auc_of(judged.take(rows)) for rows in resamples(judged, count)])


def auc_with_intervals(
    samples: Sequence[Sample],
    suspicion: npt.NDArray[np.floating],
    count: int = RESAMPLES,
) -> Figures:
    """Gives the AUC with its interval for each source that has both classes.

    Args:
        samples: N images.
        suspicion: N scores, higher for fake, of any scale.
        count: Resamples.
    """
    span = np.ptp(suspicion) or 1.0  # torchmetrics takes scores outside [0, 1] for logits
    scaled = (np.asarray(suspicion, np.float64) - suspicion.min()) / span
    parts = parts_by_source(Judged.of(samples, scaled, [""] * len(samples)))
    found = {source: auc_with_interval(part, count) for source, part in parts.items()}
    return {source: auc for source, auc in found.items() if auc is not None}
