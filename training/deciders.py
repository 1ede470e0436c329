"""Is the model that decides as often right as it claims?

Each model's probabilities are calibrated over all images, but a model decides only where it is the
surer one, and there its confidence need not hold.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from detection.verdict import Label
from training.bootstrap import RESAMPLES, Figure, interval
from training.calibration import class_weights
from training.figures import Judged, parts_by_source, resamples
from training.manifest import FAKE, REAL

_CLAIMS: tuple[Label, ...] = ("Fake", "Real")


def decisions(models: dict[str, Judged], count: int = RESAMPLES) -> list[dict[str, Any]]:
    """Sets what the surer model claims beside how often it is right.

    Both classes count the same within a source, as the probabilities assume.

    Args:
        models: What each model says of the same images.
        count: Bootstrap resamples.

    Returns:
        One entry for each ``source`` that has both classes, each model that decides there
        (``decider``), each class it ``claims`` (``Fake`` or ``Real``) and whether all models
        ``agree`` on it; with the number of ``images``, the mean ``confidence`` (0.5 to 1) and the
        share of images where the claim is ``right``, with its interval. Cases that do not occur
        are left out.
    """
    parts = {model: parts_by_source(judged) for model, judged in models.items()}
    found = []
    for source, part in next(iter(parts.values()), {}).items():
        if part.fake.any() and not part.fake.all():
            found += _of_source(source, {model: parts[model][source] for model in models}, count)
    return found


def _of_source(source: str, models: dict[str, Judged], count: int) -> list[dict[str, Any]]:
    images = next(iter(models.values()))
    probabilities = np.stack([judged.probability for judged in models.values()])
    surest = np.abs(probabilities - 0.5).argmax(axis=0)
    decided = np.take_along_axis(probabilities, surest[None], axis=0)[0]
    says_fake = decided >= 0.5
    agree = ((probabilities >= 0.5) == says_fake).all(axis=0)
    weights = class_weights(np.where(images.fake, FAKE, REAL))
    confidence = np.maximum(decided, 1 - decided)
    right = (says_fake == images.fake).astype(float)
    drawn = resamples(images, count)
    found = []
    for index, model in enumerate(models):
        for claim in _CLAIMS:
            for together in (True, False):
                rows = (surest == index) & (says_fake == (claim == "Fake")) & (agree == together)
                if not rows.any():
                    continue
                share = weights * rows
                found.append(
                    {
                        "source": source,
                        "decider": model,
                        "claims": claim,
                        "agree": together,
                        "images": int(rows.sum()),
                        "confidence": round(float(np.average(confidence, weights=share)), 5),
                        "right": _resampled_mean(right, share, drawn).as_dict(),
                    }
                )
    return found


def _resampled_mean(
    values: np.ndarray[Any, Any], weights: np.ndarray[Any, Any], drawn: list[np.ndarray[Any, Any]]
) -> Figure:
    """Gives a weighted mean; resamples that hold none of the images are left out."""
    means = [
        float(np.average(values[rows], weights=weights[rows]))
        for rows in drawn
        if weights[rows].any()
    ]
    return interval(float(np.average(values, weights=weights)), means)
