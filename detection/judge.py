"""The middle step: a network judges crops, for many requests in one forward pass."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from detection.engine import GRAPH, Engine, GraphEngine, default_device
from detection.errors import InputError, as_input_error
from detection.evidence import shown_grids
from detection.message import pack_error
from detection.overlay import Cells
from detection.records import FaceCrops, ModelFacts, ModelJudgement
from detection.version import Description, ModelVersion, VersionError

UInt8Array = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

MAX_FACES_A_PASS = 32
"""Most crops in one forward pass; more are split, so that crowds cannot exhaust the memory."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Judgement:
    """What a model says of N crops.

    Attributes:
        probabilities: float32 N x 2, calibrated, in the order Fake, Real.
        grids: float32 N x h x w in [0, 1], the Grad-CAM map of the predicted class, rows top to
            bottom; all zero where nothing is localised.
        localised: bool N, whether the map points anywhere in particular (see `evidence`).
    """

    probabilities: FloatArray
    grids: FloatArray
    localised: BoolArray


class Judge:
    """A model version that judges face crops.

    A crop's figures do not depend on what else is in its batch (to 1e-4).

    Attributes:
        facts: Name, version, weights' hash, thresholds and engine, as replies carry them.
        engine: What runs the network.
    """

    def __init__(
        self,
        folder: Path | str,
        device: str | None = None,
        graph: Path | None = None,
        threads: int = 1,
    ) -> None:
        """Loads a version.

        Args:
            folder: The version's folder, see `ModelVersion.load`; with a graph on the CPU its
                weights are not needed.
            device: Where to run, in torch's words; without it a GPU if there is one, else the
                CPU.
            graph: The version's exported graph, by default ``network.onnx`` in the folder. On the
                CPU it is run by ONNX Runtime if it is there; torch runs everything else.
            threads: Threads of ONNX Runtime; how many torch uses is left to the caller.

        Raises:
            VersionError: The folder is no usable version, or the graph is of another.
        """
        folder = Path(folder)
        description = Description.read(folder)
        self._scaling = description.scaling
        self.engine = _engine(
            folder,
            device if device is not None else default_device(),
            graph if graph is not None else folder / GRAPH,
            threads,
        )
        self.facts: ModelFacts = replace(description.facts, engine=self.engine.name)

    @property
    def cells(self) -> Cells:
        """Where the cells of the grids look."""
        return self.engine.cells

    def judge(self, faces: UInt8Array) -> Judgement:
        """Judges face crops.

        Args:
            faces: uint8 N x S x S x 3, RGB, N at least 1.

        Returns:
            Probabilities, maps and whether these are localised, in the order of the crops.
        """
        parts = [
            self._judge_pass(faces[start : start + MAX_FACES_A_PASS])
            for start in range(0, len(faces), MAX_FACES_A_PASS)
        ]
        return Judgement(
            np.concatenate([part.probabilities for part in parts]),
            np.concatenate([part.grids for part in parts]),
            np.concatenate([part.localised for part in parts]),
        )

    def _judge_pass(self, faces: UInt8Array) -> Judgement:
        passed = self.engine.run(faces)
        if not np.isfinite(passed.logits).all():
            raise FloatingPointError("the network gave logits that are not finite")
        calibrated = _softmax(self._scaling.logits(passed.logits))
        grids, localised = shown_grids(passed.maps, faces)
        return Judgement(calibrated, grids, localised)


def _engine(folder: Path, device: str, graph: Path, threads: int) -> Engine:
    """Picks what the archive offers for a device, and loads it."""
    if device == "cpu" and graph.is_file():
        expected = Description.read(folder).facts.weights_sha256
        try:
            return GraphEngine(graph, expected, threads)
        except ValueError as error:
            raise VersionError(f"{folder}: {error}") from error
    from detection.torch_engine import TorchEngine  # noqa: PLC0415 (seconds, and 200 MiB)

    return TorchEngine(ModelVersion.load(folder).detector, device)


def _softmax(logits: FloatArray) -> FloatArray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: FloatArray = powers / powers.sum(axis=1, keepdims=True)
    return probabilities


def judge_messages(messages: Sequence[bytes | bytearray | memoryview], judge: Judge) -> list[bytes]:
    """Judges the faces of all requests of a batch together. Never raises.

    Args:
        messages: One message of `ingest` a request.
        judge: The model.

    Returns:
        One message a request, in the same order: its `ModelJudgement`, or an error. An error that
        ingest sent is passed on; a request that fails does not touch the others.
    """
    answers: dict[int, bytes] = {}
    requests: dict[int, FaceCrops] = {}
    for index, message in enumerate(messages):
        try:
            requests[index] = FaceCrops.from_bytes(message)
        except Exception as error:  # noqa: BLE001 (a node that raises fails its whole batch)
            answers[index] = pack_error(as_input_error(error, "reading a message"))
    answers.update(_judge_requests(requests, judge))
    return [answers[index] for index in range(len(messages))]


def _judge_requests(requests: dict[int, FaceCrops], judge: Judge) -> dict[int, bytes]:
    """Judges requests together or, should that fail, one by one to spare those that are fine."""
    if not requests:
        return {}
    try:
        return _judge_together(requests, judge)
    except Exception as error:  # noqa: BLE001 (a node that raises fails its whole batch)
        if len(requests) == 1:
            failure: InputError = as_input_error(error, f"judging with {judge.facts.name}")
            return dict.fromkeys(requests, pack_error(failure))
        _log.warning("a batch of %d requests failed and is judged one by one", len(requests))
    answers: dict[int, bytes] = {}
    for index, request in requests.items():
        answers.update(_judge_requests({index: request}, judge))
    return answers


def _judge_together(requests: dict[int, FaceCrops], judge: Judge) -> dict[int, bytes]:
    judged = judge.judge(np.concatenate([request.faces for request in requests.values()]))
    answers: dict[int, bytes] = {}
    start = 0
    for index, request in requests.items():
        rows = slice(start, start + len(request.subject))
        start = rows.stop
        answers[index] = ModelJudgement(
            request.subject,
            judge.facts,
            judged.probabilities[rows],
            judged.grids[rows],
            judged.localised[rows],
            judge.cells,
        ).to_bytes()
    return answers
