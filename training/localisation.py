"""Where the maps of a model, and those that the workflow shows, point.

A user of the workflow sees one map a face: that of the model with the higher calibrated confidence.
So the two models' maps are measured, and what the workflow would show of both.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from detection.evidence import shown_grids
from detection.geometry import measure_cells
from detection.verdict import Opinion, judge_face
from detection.version import ModelVersion
from training.bootstrap import Names, mean_with_interval
from training.explanations import (
    FloatArray,
    FloatArray64,
    Forgeries,
    at_resolution,
    average_regions,
    centre_prior,
    energy_inside,
    enlarged,
    peak_inside,
    probabilities,
    random_maps,
)
from training.figures import Judged, auc_with_interval
from training.subjects import opinions_of


@dataclass(frozen=True)
class Shown:
    """What is shown of N forgeries; first axis N everywhere.

    Attributes:
        grad_cam: float32 N x S x S, positive part of the maps of the class Fake, as users see it.
        random: float32 N x S x S, uniform noise at the maps' resolution.
        perfect: float32 N x S x S, the forged region at the maps' resolution.
        localised: Whether the service takes the map as evidence of a place.
        opinions: What was said of each.
        of_originals: What was said of the face that each was made from.
    """

    grad_cam: FloatArray
    random: FloatArray
    perfect: FloatArray
    localised: npt.NDArray[np.bool_]
    opinions: tuple[Opinion, ...]
    of_originals: tuple[Opinion, ...]


def shown_by(version: ModelVersion, forgeries: Forgeries, maps: FloatArray) -> Shown:
    """Gives what one version shows of forgeries; maps are the signed ones of Fake, N x h x w."""
    side = forgeries.regions.shape[-1]
    grid = (maps.shape[1], maps.shape[2])
    _, localised = shown_grids(maps, forgeries.fakes)
    return Shown(
        enlarged(maps, side, measure_cells(version.detector)),
        enlarged(random_maps(len(forgeries), grid), side),
        enlarged(at_resolution(forgeries.regions, grid), side),
        np.asarray(localised, bool),
        tuple(opinions_of(version, probabilities(version, forgeries.fakes))),
        tuple(opinions_of(version, probabilities(version, forgeries.originals))),
    )


def shown_by_the_workflow(models: Sequence[Shown]) -> Shown:
    """Gives of each forgery what the deciding model shows, by the service's own rule."""
    said = list(zip(*(model.opinions for model in models), strict=True))
    deciders = _deciders(said)
    choice = [opinions.index(decider) for opinions, decider in zip(said, deciders, strict=True)]

    def chosen(values: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
        return np.stack([values[model][row] for row, model in enumerate(choice)])

    return Shown(
        chosen([model.grad_cam for model in models]),
        chosen([model.random for model in models]),
        chosen([model.perfect for model in models]),
        chosen([model.localised for model in models]),
        tuple(deciders),
        tuple(_deciders(zip(*(model.of_originals for model in models), strict=True))),
    )


def _deciders(said: Iterable[tuple[Opinion, ...]]) -> list[Opinion]:
    return [judge_face(opinions, is_face=True).decider for opinions in said]


def localisation(shown: Shown, forgeries: Forgeries, resampled: int) -> dict[str, Any]:
    """Measures where the maps of the class Fake point.

    Args:
        shown: What is shown of the forgeries.
        forgeries: N self-blended fakes.
        resampled: Bootstrap resamples of the intervals.

    Returns:
        ``all``: over all forgeries; ``shown``: over those that are called fake (probability
        from 0.5 up) with a localised map, which is when a user sees one. Each has the number of
        ``images`` and for ``grad_cam``, ``centre``, ``average``, ``random`` and ``perfect`` (the
        region itself at the map's resolution) the shares ``energy`` and ``peak``; ``gain`` is the
        energy of Grad-CAM minus that of the centre prior. ``auc``: how well the forgeries are told
        from the faces that they were made from, which limits what a map can show.
    """
    side = forgeries.regions.shape[-1]
    candidates = {
        "grad_cam": shown.grad_cam,
        "centre": np.broadcast_to(centre_prior(side), forgeries.regions.shape),
        "average": average_regions(forgeries),
        "random": shown.random,
        "perfect": shown.perfect,
    }
    energy = {name: energy_inside(each, forgeries.regions) for name, each in candidates.items()}
    peak = {name: peak_inside(each, forgeries.regions) for name, each in candidates.items()}
    called_fake = np.array([opinion.label == "Fake" for opinion in shown.opinions])
    clusters = np.array(forgeries.clusters)

    def part(rows: npt.NDArray[np.bool_]) -> dict[str, Any]:
        if not rows.any():
            return {"images": 0}

        def mean(values: FloatArray64) -> dict[str, float]:
            return mean_with_interval(values[rows], clusters[rows], resampled).as_dict()

        return {
            "images": int(rows.sum()),
            **{n: {"energy": mean(energy[n]), "peak": mean(peak[n])} for n in candidates},
            "gain": mean(energy["grad_cam"] - energy["centre"]),
        }

    return {
        "all": part(np.ones(len(forgeries), bool)),
        "shown": part(called_fake & shown.localised),
        **_auc(shown, clusters, resampled),
        "called_fake": round(float(called_fake.mean()), 5),
        "localised": round(float(shown.localised.mean()), 5),
        "region": round(float(forgeries.regions.mean()), 5),
    }


def _auc(shown: Shown, clusters: Names, resampled: int) -> dict[str, dict[str, float]]:
    said = (*shown.opinions, *shown.of_originals)
    same = np.full(len(said), "", np.str_)
    judged = Judged(
        fake=np.repeat([True, False], len(clusters)),
        probability=np.array([opinion.probability_fake for opinion in said]),
        verdict=same,
        source=same,
        kind=same,
        cluster=np.tile(clusters, 2),
    )
    auc = auc_with_interval(judged, resampled)
    return {"auc": auc.as_dict()} if auc else {}
