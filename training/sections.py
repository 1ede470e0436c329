"""The parts of an evaluation, each from images to plain JSON values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_curve

from detection.scaling import Scaling
from detection.version import ModelVersion
from training import adversarial, explanations, faithfulness, robustness
from training.calibration import balanced, probability_fake
from training.deciders import decisions
from training.figures import (
    Judged,
    auc_of,
    compared,
    counted,
    figures_of,
    parts_by_kind,
    parts_by_source,
    with_intervals,
    within_people,
)
from training.localisation import localisation, shown_by, shown_by_the_workflow
from training.manifest import FAKE, REAL, Sample
from training.pictures import save_examples, save_mistakes
from training.subjects import WORKFLOW, Logits, Scorer, crops_of, judge_all

_CURVE_POINTS = 300
_RELIABILITY_BINS = 10
_MISTAKES = 8


@dataclass(frozen=True)
class Material:
    """What is evaluated, on what.

    Attributes:
        versions: One version of each model.
        samples: The split.
        reals: Real faces that forgeries of known place are made from.
        scorer: Scores images.
        pictures: Folder for the report's example pictures.
    """

    versions: list[ModelVersion]
    samples: list[Sample]
    reals: list[Sample]
    scorer: Scorer
    pictures: Path


def figures_section(material: Material, resampled: int) -> dict[str, Any]:
    """Measures every figure by source and kind of forgery.

    Args:
        material: What is evaluated.
        resampled: Bootstrap resamples.

    Returns:
        ``subjects``, by name (model or ``workflow``): ``all``, ``people`` (see
        `figures.within_people`), ``sources``, ``kinds``, ``curves`` and ``reliability``;
        ``comparison``, the workflow's AUC minus that of each model; ``decisions`` (see
        `deciders.decisions`); ``kinds`` of forgery by source; and ``mistakes``.
    """
    samples = material.samples
    logits = [material.scorer.logits(version, samples) for version in material.versions]
    said = judge_all(material.versions, samples, logits, material.scorer.regions)
    found: dict[str, Any] = {"images": len(samples), "kinds": _kinds(samples), "subjects": {}}
    for name, judged in said.items():
        found["subjects"][name] = _subject(judged, resampled)
    for version, values in zip(material.versions, logits, strict=True):
        entry = found["subjects"][version.facts.name]
        entry["calibration"] = _calibration(version, samples, values)
    found["comparison"] = _comparison(said, resampled)
    if WORKFLOW in said:
        alone = {name: judged for name, judged in said.items() if name != WORKFLOW}
        found["decisions"] = decisions(alone, resampled)
    decider = WORKFLOW if WORKFLOW in said else material.versions[0].facts.name
    found["mistakes"] = save_mistakes(
        said, decider, samples, material.scorer.loader, material.pictures, _MISTAKES
    )
    return found


def _subject(judged: Judged, resampled: int) -> dict[str, Any]:
    def measured(part: Judged) -> dict[str, Any]:
        return counted(with_intervals(part, resampled), part)

    sources = parts_by_source(judged)
    kinds = {name: part for name, part in parts_by_kind(judged).items() if len(sources) > 1}
    by_source = {name: measured(part) for name, part in sources.items()}
    known = {_rows(part): by_source[name] for name, part in sources.items()}
    people = {name: within_people(part) for name, part in sources.items()}
    return {
        "all": measured(judged),
        "people": {name: found for name, found in people.items() if found},
        "sources": by_source,
        "kinds": {name: known.get(_rows(part)) or measured(part) for name, part in kinds.items()},
        "curves": {
            name: _roc(part)
            for name, part in {"all": judged, **sources}.items()
            if np.isfinite(auc_of(part))
        },
        "reliability": _reliability(judged),
    }


def _kinds(samples: Sequence[Sample]) -> dict[str, list[str]]:
    """Gives the kinds of forgery of each source; none for sources of real faces only."""
    found: dict[str, set[str]] = {sample.source: set() for sample in samples}
    for sample in samples:
        if sample.label == FAKE:
            found[sample.source].add(sample.kind)
    return {source: sorted(kinds) for source, kinds in sorted(found.items())}


def _rows(part: Judged) -> bytes:
    """Tells apart which images a part holds."""
    return part.probability.tobytes() + part.fake.tobytes()


def _comparison(said: dict[str, Judged], resampled: int) -> dict[str, Any]:
    if WORKFLOW not in said:
        return {}
    both = parts_by_source(said[WORKFLOW])
    return {
        model: {
            source: compared(both[source], part, count=resampled).as_dict()
            for source, part in parts_by_source(judged).items()
            if np.isfinite(auc_of(part))
        }
        for model, judged in said.items()
        if model != WORKFLOW
    }


def _calibration(
    version: ModelVersion, samples: Sequence[Sample], logits: Logits
) -> dict[str, Any]:
    """Gives reliability and calibration error before and after scaling."""
    found: dict[str, Any] = version.scaling.as_dict()
    for name, scaling in (("before", Scaling()), ("after", version.scaling)):
        judged = Judged.of(samples, probability_fake(logits, scaling), [""] * len(samples))
        errors = {key: value for key, value in figures_of(judged).items() if "ece" in key}
        found[name] = {**errors, "reliability": _reliability(judged)}
    return found


def _roc(judged: Judged) -> dict[str, list[float]]:
    """Gives the ROC curve, thinned evenly over both scales that it is plotted on."""
    false_rate, true_rate, _ = roc_curve(judged.fake, judged.probability, drop_intermediate=True)
    half = _CURVE_POINTS // 2
    wanted = np.concatenate([np.linspace(0, 1, half), np.geomspace(1e-4, 1, half)])
    kept = np.unique(np.searchsorted(false_rate, wanted, side="right") - 1)
    if len(false_rate) <= _CURVE_POINTS:
        kept = np.arange(len(false_rate))
    return {
        "fpr": np.round(false_rate[kept], 5).tolist(),
        "tpr": np.round(true_rate[kept], 5).tolist(),
    }


def _reliability(judged: Judged) -> list[dict[str, float]]:
    """Gives, for equal bins of the probability, what was said and what was so.

    Both classes count the same, as the probabilities assume (see `calibration.class_weights`).
    """
    if judged.fake.all() or not judged.fake.any():
        return []
    probability, fake = balanced(judged.probability, judged.fake)
    place = np.minimum((probability * _RELIABILITY_BINS).astype(int), _RELIABILITY_BINS - 1)
    return [
        {
            "said": round(float(probability[place == index].mean()), 4),
            "so": round(float(fake[place == index].mean()), 4),
            "share": round(float((place == index).mean()), 4),
        }
        for index in range(_RELIABILITY_BINS)
        if (place == index).any()
    ]


def robustness_section(material: Material, most: int, resampled: int) -> dict[str, Any]:
    """Measures the grid of `robustness` on at most `most` images, by subject."""
    samples = robustness.spread(material.samples, most)
    said: dict[str, dict[str, Judged]] = {}
    for name, change in {robustness.UNCHANGED: None, **robustness.CHANGES}.items():
        logits = [
            material.scorer.logits(version, samples, change, name) for version in material.versions
        ]
        judged = judge_all(material.versions, samples, logits, material.scorer.regions)
        for subject, values in judged.items():
            said.setdefault(subject, {})[name] = values
    measured = {name: robustness.measure(values, resampled) for name, values in said.items()}
    return {"images": len(samples), "subjects": measured}


def explanations_section(material: Material, tested: int, resampled: int) -> dict[str, Any]:
    """Measures the maps on self-blended fakes of the real faces.

    Args:
        material: What is evaluated.
        tested: Most forgeries of the slower tests.
        resampled: Bootstrap resamples.

    Returns:
        By model: ``localisation``, ``faithfulness``, ``randomisation`` and ``examples``; for the
        workflow, of more than one model, the ``localisation`` of the maps it shows.
    """
    if not material.reals:
        raise ValueError("the explanations need real images in the validation split")
    order: npt.NDArray[np.intp] = np.random.default_rng(0).permutation(len(material.reals))
    forgeries = explanations.make_forgeries(
        [material.reals[index] for index in order], material.scorer.loader
    )
    few = forgeries.first(tested)
    # Not that of the evaluation: the test split is for the figures alone.
    split = material.reals[0].split
    found: dict[str, Any] = {"split": split, "images": len(forgeries), "subjects": {}}
    shown = []
    for version in material.versions:
        maps = explanations.fake_maps(version.detector, forgeries.fakes)
        shown.append(shown_by(version, forgeries, maps))
        found["subjects"][version.facts.name] = {
            "grid": list(maps.shape[1:]),
            "localisation": localisation(shown[-1], forgeries, resampled),
            "faithfulness": faithfulness.faithfulness(version, few, maps[: len(few)]),
            "randomisation": faithfulness.randomisation(version, few.fakes, maps[: len(few)]),
            "examples": save_examples(version, forgeries, maps, material.pictures),
        }
    if len(shown) > 1:
        both = localisation(shown_by_the_workflow(shown), forgeries, resampled)
        found["subjects"] = {WORKFLOW: {"localisation": both}, **found["subjects"]}
    return found


def adversarial_section(material: Material, most: int, resampled: int) -> dict[str, Any]:
    """Attacks each model on at most `most` images that have fakes and real ones."""
    both = {sample.source for sample in material.samples if sample.label != REAL}
    chosen = [sample for sample in material.samples if sample.source in both]
    samples = robustness.spread(chosen, most)
    crops = crops_of(samples, material.scorer.loader)
    return {
        "images": len(samples),
        "subjects": {
            version.facts.name: adversarial.measure(version, samples, crops, resampled)
            for version in material.versions
        },
    }
