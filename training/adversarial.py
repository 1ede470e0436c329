"""How little an attacker who knows the network has to change.

White-box attacks on the network's own input, the resized face in [0, 1] before normalisation: one
step along the gradient's sign (FGSM, Goodfellow et al., ICLR 2015) and ten projected steps from a
random start (PGD, Madry et al., ICLR 2018), with every value moved by at most 1, 2 or 4 of 255.
The networks are not defended against this; the figures say so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional
from tqdm import tqdm

from architectures import Detector, InputPreset
from detection.version import ModelVersion
from training.figures import with_intervals
from training.manifest import Sample
from training.subjects import judged_alone

Attack = Literal["fgsm", "pgd"]
ATTACKS: tuple[Attack, ...] = ("fgsm", "pgd")
BUDGETS = (1, 2, 4)
"""Largest change of each value, of 255."""

_PGD_STEPS = 10
_BATCH = 32
_KEPT = ("auc", "balanced_accuracy", "real_called_fake", "fake_called_real")


def attack(
    detector: Detector,
    pixels: torch.Tensor,
    labels: torch.Tensor,
    kind: Attack,
    budget: float,
    generator: torch.Generator,
) -> torch.Tensor:
    """Changes inputs so that the network errs.

    Args:
        detector: The network, in evaluation mode.
        pixels: float32 N x 3 x size x size in [0, 1], before normalisation.
        labels: int64 N, the true classes.
        kind: ``fgsm`` or ``pgd``.
        budget: Largest change of any value, in [0, 1].
        generator: Decides PGD's random start.

    Returns:
        Changed pixels, within `budget` of the old ones and in [0, 1].
    """
    low, high = (pixels - budget).clamp(min=0), (pixels + budget).clamp(max=1)
    if kind == "fgsm":
        moved = pixels + budget * _ascent(detector, pixels, labels)
        return moved.clamp(low, high)
    noise = 2 * torch.rand(pixels.shape, generator=generator) - 1
    moved = (pixels + budget * noise).clamp(low, high)
    for _ in range(_PGD_STEPS):
        step = 2.5 * budget / _PGD_STEPS * _ascent(detector, moved, labels)
        moved = (moved + step).clamp(low, high)
    return moved


def _ascent(detector: Detector, pixels: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Gives the sign of the loss's gradient with respect to the pixels."""
    inputs = pixels.detach().requires_grad_()
    with torch.enable_grad():
        logits = detector(detector.preset.normalise(inputs))
        (gradient,) = torch.autograd.grad(functional.cross_entropy(logits, labels), inputs)
    return gradient.sign()


def measure(
    version: ModelVersion, samples: Sequence[Sample], crops: torch.Tensor, resampled: int
) -> dict[str, Any]:
    """Attacks a version and measures what is left.

    Args:
        version: The model version.
        samples: N images.
        crops: Their crops, uint8 N x S x S x 3.
        resampled: Bootstrap resamples of the intervals.

    Returns:
        By attack and budget (``none``, then e.g. ``pgd-2``): ``auc``, ``balanced_accuracy`` at
        0.5 and the error rates at the shipped thresholds, with the number of ``images``.
    """
    detector = version.detector
    resized = InputPreset(detector.preset.size).to_input(crops)
    labels = torch.tensor([sample.label for sample in samples])
    plan: list[tuple[str, Attack | None, int]] = [("none", None, 0)]
    plan += [(f"{kind}-{budget}", kind, budget) for kind in ATTACKS for budget in BUDGETS]
    found: dict[str, Any] = {"images": len(samples)}
    bar = tqdm(plan, desc=f"{version.facts.name}, attacks", unit="attack", leave=False)
    for name, kind, budget in bar:
        logits = _logits(detector, resized, labels, kind, budget / 255)
        figures = with_intervals(judged_alone(version, samples, logits), resampled)
        found[name] = {key: figures[key].as_dict() for key in _KEPT if key in figures}
    return found


def _logits(
    detector: Detector,
    pixels: torch.Tensor,
    labels: torch.Tensor,
    kind: Attack | None,
    budget: float,
) -> npt.NDArray[np.float32]:
    generator = torch.Generator().manual_seed(0)
    parts = []
    for batch, truth in zip(pixels.split(_BATCH), labels.split(_BATCH), strict=True):
        changed = attack(detector, batch, truth, kind, budget, generator) if kind else batch
        with torch.no_grad():
            parts.append(detector(detector.preset.normalise(changed)))
    return torch.cat(parts).numpy()
