"""What runs a network: ONNX Runtime on the CPU, torch on a GPU; no torch is imported for the CPU.

The graph that ONNX Runtime runs is made of a version's weights when its archive is built (see
`export`): crops in, logits and Grad-CAM maps out, with the same preprocessing inside.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from detection.limits import CROP_SIZE
from detection.overlay import Cells
from detection.records import EngineName
from detection.session import open_session

UInt8Array = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float32]

GRAPH = "network.onnx"
"""File name of the graph in an archive."""

INPUT = "faces"
LOGITS = "logits"
MAPS = "maps"
# Metadata of the graph.
WEIGHTS_SHA256 = "weights_sha256"
CELLS = "cells"

# Larger passes gain nothing alone (`python -m tests.perf.passes`), are slower where both networks
# run at once, as their layers push each other's out of the cache (`make bench`), and need more
# memory.
_FACES_AT_ONCE = 2
_GPU_DEVICES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")  # NVIDIA, AMD, either under Windows


class Passed(NamedTuple):
    """What a forward pass gives.

    Attributes:
        logits: float32 N x 2, not calibrated, in the order Fake, Real.
        maps: float32 N x h x w, the Grad-CAM map of the predicted class, signed, not normalised.
    """

    logits: FloatArray
    maps: FloatArray


class Engine(Protocol):
    """A network with its weights, ready to run.

    Attributes:
        name: What runs it, as replies say it.
        device: Where it runs, in torch's words.
        cells: Where the cells of its maps look.
    """

    @property
    def name(self) -> EngineName: ...  # noqa: D102
    @property
    def device(self) -> str: ...  # noqa: D102
    @property
    def cells(self) -> Cells: ...  # noqa: D102

    def run(self, faces: UInt8Array) -> Passed:
        """Runs the network on crops, uint8 N x S x S x 3, N at least 1."""
        ...


class GraphEngine:
    """Runs an exported graph on the CPU."""

    name: EngineName = "onnxruntime"
    device = "cpu"

    def __init__(self, graph: Path, weights_sha256: str, threads: int = 1) -> None:
        """Opens a graph.

        Args:
            graph: A file that `export.export_graph` wrote.
            weights_sha256: Hash of the weights that it must have been made of.
            threads: Threads of one pass.

        Raises:
            ValueError: The file is no such graph, or was made of other weights.
        """
        try:
            self._session = open_session(graph, threads, keep_memory=True)
        except Exception as error:  # ONNX Runtime's own exceptions have no common base of theirs
            raise ValueError(f"{graph.name} is no usable graph: {error}") from error
        facts = self._session.get_modelmeta().custom_metadata_map
        if facts.get(WEIGHTS_SHA256) != weights_sha256:
            raise ValueError(f"{graph.name} was made of other weights: run `make archive`")
        self.cells = Cells(**json.loads(facts[CELLS]))
        self._warm_up()

    def _warm_up(self) -> None:
        """Runs passes of every size, so that all memory is taken and the first face is not slow.

        Twice, as ONNX Runtime learns from the first run of a size what the next ones need. Without
        this, memory would grow when faces first come in pairs, which may be long after the start.
        """
        for count in range(1, _FACES_AT_ONCE + 1):
            for _ in range(2):
                self.run(np.zeros((count, CROP_SIZE, CROP_SIZE, 3), np.uint8))

    def run(self, faces: UInt8Array) -> Passed:
        """Runs the network on crops, uint8 N x 224 x 224 x 3, N at least 1."""
        parts = [
            self._session.run([LOGITS, MAPS], {INPUT: faces[start : start + _FACES_AT_ONCE]})
            for start in range(0, len(faces), _FACES_AT_ONCE)
        ]
        logits, maps = (np.concatenate(part) for part in zip(*parts, strict=True))
        predicted = logits.argmax(axis=1)
        return Passed(logits, maps[np.arange(len(maps)), predicted])


def default_device() -> str:
    """Gives the device to use when none was asked for: a GPU if there is one, else the CPU.

    Only torch can tell whether it can use a GPU, and importing it takes seconds and 200 MiB, so
    it is asked only where a driver is present.
    """
    if not any(Path(device).exists() for device in _GPU_DEVICES):
        return "cpu"
    import torch  # noqa: PLC0415

    return "cuda" if torch.cuda.is_available() else "cpu"
