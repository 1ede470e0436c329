"""Whether a Grad-CAM map says something about the network, beyond where a forgery is.

- Put the original's pixels back where the map is highest (deletion), or the forged ones into the
  original there (insertion): how fast does the probability of a fake move (Petsiuk et al., RISE,
  BMVC 2018)? The same with a blurred picture in place of the original, as published.
- Does the map change when the network's weights are replaced by random ones (Adebayo et al.,
  NeurIPS 2018)? A map that does not would show the picture, not the network.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import spearmanr
from sklearn.metrics import auc
from torch import nn
from torchmetrics.functional.image import structural_similarity_index_measure
from tqdm import tqdm

from architectures import Detector
from detection.geometry import measure_cells
from detection.version import ModelVersion
from training.bootstrap import mean_with_interval
from training.explanations import (
    FloatArray,
    Forgeries,
    UInt8Array,
    enlarged,
    fake_maps,
    probabilities,
    random_maps,
)

_MAP_SIDE = 64  # px, at which maps of different networks are compared
_STEPS = 14  # shares of the picture that are replaced, from none to all


def replacement_curve(
    version: ModelVersion, start: UInt8Array, end: UInt8Array, order: FloatArray
) -> npt.NDArray[np.float64]:
    """Replaces one picture by another, the highest places of a map first.

    Args:
        version: The model version.
        start: uint8 S x S x 3.
        end: The same shape.
        order: float32 S x S.

    Returns:
        Probability of a fake after each of equal steps, from nothing replaced to everything.
    """
    ranks = np.empty(order.shape, np.int64)
    ranks.flat[np.argsort(-order, axis=None, kind="stable")] = np.arange(order.size)
    shares = np.linspace(0, 1, _STEPS) * order.size
    mixed = np.stack([np.where((ranks < share)[..., None], end, start) for share in shares])
    return probabilities(version, mixed)


def faithfulness(version: ModelVersion, forgeries: Forgeries, maps: FloatArray) -> dict[str, Any]:
    """Measures whether the places a map points at move the network's output.

    Args:
        version: The model version.
        forgeries: N fakes.
        maps: Signed maps of the class Fake, N x h x w.

    Returns:
        For each replacement (``original``: pixels of the real face; ``blur``: a Gaussian blur of
        10 px) the mean areas under the curves: ``deletion`` (lower is better) and ``insertion``
        (higher is better) of ``grad_cam`` and ``random`` maps, with ``gain``, how much better
        Grad-CAM is; and the mean ``curves``.
    """
    side = forgeries.fakes.shape[1]
    blurred = np.stack([cv2.GaussianBlur(fake, (0, 0), 10) for fake in forgeries.fakes])
    orders = {
        "grad_cam": enlarged(maps, side, measure_cells(version.detector)),
        "random": enlarged(random_maps(len(forgeries), maps.shape[1:], seed=1), side),
    }
    found: dict[str, Any] = {"images": len(forgeries)}
    for name, others in (("original", forgeries.originals), ("blur", blurred)):
        curves = {
            kind: _curves(version, forgeries.fakes, others, order, f"{name}, {kind}")
            for kind, order in orders.items()
        }
        found[name] = _areas(curves, forgeries.clusters)
    return found


def _curves(
    version: ModelVersion, fakes: UInt8Array, others: UInt8Array, orders: FloatArray, title: str
) -> dict[str, npt.NDArray[np.float64]]:
    rows = list(zip(fakes, others, orders, strict=True))
    bar = tqdm(rows, desc=f"{version.facts.name}, {title}", unit="face", leave=False)
    pairs = [
        (
            replacement_curve(version, fake, other, order),
            replacement_curve(version, other, fake, order),
        )
        for fake, other, order in bar
    ]
    return {
        "deletion": np.stack([deletion for deletion, _ in pairs]),
        "insertion": np.stack([insertion for _, insertion in pairs]),
    }


def _areas(
    curves: dict[str, dict[str, npt.NDArray[np.float64]]], clusters: Sequence[str]
) -> dict[str, Any]:
    shares = np.linspace(0, 1, _STEPS)
    found: dict[str, Any] = {}
    for test, sign in (("deletion", -1), ("insertion", 1)):
        areas = {
            kind: np.array([auc(shares, curve) for curve in both[test]])
            for kind, both in curves.items()
        }
        means = {kind: mean_with_interval(each, clusters) for kind, each in areas.items()}
        gain = mean_with_interval(sign * (areas["grad_cam"] - areas["random"]), clusters)
        found[test] = {
            **{kind: mean.as_dict() for kind, mean in means.items()},
            "gain": gain.as_dict(),
            "curves": {
                kind: np.round(both[test].mean(axis=0), 4).tolist() for kind, both in curves.items()
            },
        }
    return found


def randomised(detector: Detector, seed: int = 0) -> Iterator[tuple[str, Detector]]:
    """Gives copies with ever more weights replaced at random, from the output backwards.

    Each weight tensor is drawn anew with the mean and the deviation it had, so that activations
    keep their size; the statistics of batch norms stay.

    Args:
        detector: The trained network.
        seed: Decides the draws.

    Yields:
        What is random by now (``head``, ``last stage``, ``last half``, ``everything``), and the
        network.
    """
    generator = torch.Generator().manual_seed(seed)
    changed = copy.deepcopy(detector)
    stages = [stage for stage in changed.features.children() if list(stage.parameters())]
    half = len(stages) // 2
    plan: list[tuple[str, list[nn.Module]]] = [
        ("head", [changed.head]),
        ("last stage", stages[-1:]),
        ("last half", stages[half:-1]),
        ("everything", stages[:half]),
    ]
    for name, modules in plan:
        for module in modules:
            for parameter in module.parameters():
                _draw_anew(parameter, generator)
        yield name, changed


@torch.no_grad()
def _draw_anew(parameter: torch.Tensor, generator: torch.Generator) -> None:
    deviation = float(parameter.std()) if parameter.numel() > 1 else float(parameter.abs())
    noise = torch.randn(parameter.shape, generator=generator)
    parameter.copy_(noise * deviation + float(parameter.mean()))


def randomisation(version: ModelVersion, crops: UInt8Array, maps: FloatArray) -> dict[str, Any]:
    """Compares maps of the trained network with those of ever more random ones.

    Args:
        version: The model version.
        crops: uint8 N x S x S x 3, N at least 2.
        maps: Signed maps of the class Fake, N x h x w.

    Returns:
        By what is random: mean ``ssim`` (structural similarity) and ``rank_correlation``
        (Spearman) with the trained network's maps of the same pictures. ``other pictures`` is how
        alike the trained network's maps of different pictures are: faces look alike, so this and
        not 0 is what a map without any relation reaches.
    """
    trained = enlarged(maps, _MAP_SIDE)
    found = {"other pictures": _alike(trained, np.roll(trained, 1, axis=0))}
    for name, network in randomised(version.detector):
        found[name] = _alike(trained, enlarged(fake_maps(network, crops), _MAP_SIDE))
    return {"images": len(crops), "similarity": found}


def _alike(first: FloatArray, second: FloatArray) -> dict[str, float]:
    similarity = structural_similarity_index_measure(
        torch.from_numpy(first[:, None]), torch.from_numpy(second[:, None]), data_range=1.0
    )
    ranks = [
        spearmanr(a, b, axis=None).statistic if np.ptp(a) and np.ptp(b) else 0.0
        for a, b in zip(first, second, strict=True)
    ]
    return {
        "ssim": round(float(similarity), 4),  # type: ignore[arg-type]
        "rank_correlation": round(float(np.mean(ranks)), 4),
    }
