"""Runs a network in torch: on a GPU, and on the CPU where there is no exported graph."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from architectures import Detector
from detection.engine import Passed
from detection.geometry import measure_cells
from detection.grad_cam import explain_head
from detection.records import EngineName

UInt8Array = npt.NDArray[np.uint8]


class TorchEngine:
    """Runs a detector as it was trained.

    How many threads torch uses is left to the caller. On a GPU reduced-precision arithmetic is
    kept off, so that a crop's figures do not depend on what else is in its batch.

    Attributes:
        detector: The network, on its device.
    """

    name: EngineName = "torch"

    def __init__(self, detector: Detector, device: str) -> None:
        """Moves a network to a device.

        Args:
            detector: With its weights, in evaluation mode, on the CPU; it is moved.
            device: Where to run, in torch's words.
        """
        self.cells = measure_cells(detector)
        self.device = device
        self.detector = detector.to(device).to(memory_format=torch.channels_last)

    def run(self, faces: UInt8Array) -> Passed:
        """Runs the network on crops, uint8 N x S x S x 3, N at least 1."""
        detector = self.detector
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            with torch.no_grad():
                crops = torch.from_numpy(np.array(faces)).to(self.device)  # N x S x S x 3
                features = detector.feature_maps(detector.preset.to_input(crops))  # N x C x h x w
            logits, maps = explain_head(detector.head, features)  # N x 2, N x h x w
        return Passed(logits.cpu().numpy(), maps)
