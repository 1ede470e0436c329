"""Learning from networks that are already trained, beside the labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from architectures import Detector
from detection.scaling import Scaling
from detection.version import ModelVersion
from training.manifest import FAKE


class Teacher:
    """Versions of models, whose calibrated probabilities are targets for another network.

    They say more than a label: how clear a case is, and how much of each class a mixed picture
    shows (Hinton et al., "Distilling the Knowledge in a Neural Network", 2015, arXiv 1503.02531).
    The calibration is the version's own, so that what is learnt are calibrated probabilities.
    Several teach by their mean, which errs less than each of them: the ensemble that the same paper
    puts into one network.
    """

    def __init__(self, folders: Sequence[Path], device: torch.device) -> None:
        """Loads the versions.

        Args:
            folders: Each ``<store>/<model>/<version>``; at least one.
            device: Where they compute.

        Raises:
            VersionError: There is no usable version.
        """
        versions = [ModelVersion.load(folder) for folder in folders]
        self._teachers = [(version.detector.to(device), version.scaling) for version in versions]

    @torch.no_grad()
    def __call__(self, crops: torch.Tensor) -> torch.Tensor:
        """Gives the probability of Fake, float32 N, of crops, uint8 N x S x S x 3, RGB."""
        return torch.stack([_judged(crops, *teacher) for teacher in self._teachers]).mean(dim=0)


def _judged(crops: torch.Tensor, detector: Detector, scaling: Scaling) -> torch.Tensor:
    logits = detector(detector.preset.to_input(crops)).float()
    scaled = torch.from_numpy(scaling.logits(logits.cpu().numpy())).to(logits.device)
    return scaled.softmax(dim=1)[:, FAKE]
