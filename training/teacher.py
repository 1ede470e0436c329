"""Learning from a network that is already trained, beside the labels."""

from __future__ import annotations

from pathlib import Path

import torch

from detection.version import ModelVersion
from training.manifest import FAKE


class Teacher:
    """A version of a model, whose calibrated probabilities are targets for another network.

    They say more than a label: how clear a case is, and how much of each class a mixed picture
    shows (Hinton et al., "Distilling the Knowledge in a Neural Network", 2015, arXiv 1503.02531).
    The calibration is the version's own, so that what is learnt are calibrated probabilities.
    """

    def __init__(self, folder: Path, device: torch.device) -> None:
        """Loads the version.

        Args:
            folder: ``<store>/<model>/<version>``.
            device: Where it computes.

        Raises:
            VersionError: There is no usable version.
        """
        version = ModelVersion.load(folder)
        self._detector = version.detector.to(device)
        self._scaling = version.scaling

    @torch.no_grad()
    def __call__(self, crops: torch.Tensor) -> torch.Tensor:
        """Gives the probability of Fake, float32 N, of crops, uint8 N x S x S x 3, RGB."""
        logits = self._detector(self._detector.preset.to_input(crops)).float()
        scaled = torch.from_numpy(self._scaling.logits(logits.cpu().numpy())).to(logits.device)
        return scaled.softmax(dim=1)[:, FAKE]
