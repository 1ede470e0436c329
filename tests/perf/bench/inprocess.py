"""The floor (forward passes alone), the whole judgement in one process, and its stages."""

from __future__ import annotations

import json
import multiprocessing
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import onnx
import onnxruntime

from detection import engine
from detection.evidence import shown_grids
from detection.explain import explain
from detection.faces import SEARCH_SIDE, FaceFinder
from detection.image import decode_image
from detection.ingest import crop_faces
from detection.judge import Judge, judge_messages
from detection.pipeline import Pipeline
from detection.records import FaceCrops
from detection.session import open_session
from detection.version import graph_file, serving_versions
from tests.perf.bench import figures, pictures

Run = Callable[[], object]
CROP = "crop, 256 px"


class _Recorder:
    """Stands in for a session and notes what it is run on."""

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self.session = session
        self.feeds: list[dict[str, Any]] = []

    def get_inputs(self) -> Any:
        return self.session.get_inputs()

    def run(self, outputs: Any, feed: dict[str, Any]) -> Any:
        self.feeds.append(feed)
        return self.session.run(outputs, feed)


class Measured:
    """A pipeline with one thread, and its forward passes one by one."""

    def __init__(self, store: Path) -> None:
        self.finder = FaceFinder()
        self.pipeline = Pipeline(store, device="cpu", finder=self.finder)
        self.graphs = {
            name: graph_file(store, name, version)
            for name, version in serving_versions(store).items()
        }
        for one in self.pipeline.judges.values():
            if one.facts.engine != "onnxruntime":
                raise SystemExit("The graphs are missing: run `make archive` first.")

    def searches(self, data: bytes) -> list[Run]:
        """The passes of the face detector for a picture."""
        session = self.finder._session
        recorder = _Recorder(session)
        self.finder.__dict__["_session"] = recorder
        crop_faces(data, self.finder)
        self.finder.__dict__["_session"] = session
        return [partial(session.run, None, feed) for feed in recorder.feeds]

    def passes(self, data: bytes) -> dict[str, Run]:
        """The pass of each network for the faces of a picture."""
        faces = crop_faces(data, self.finder).faces
        return {name: partial(one.engine.run, faces) for name, one in self.pipeline.judges.items()}

    def floor(self, data: bytes) -> dict[str, Run]:
        """All forward passes of a picture: of the face detector, and of each network."""
        searches = self.searches(data)
        return {"face detector": lambda: [search() for search in searches], **self.passes(data)}

    def stages(self, data: bytes) -> dict[str, Run]:
        """The steps of a judgement, each on what the step before it gave."""
        image = decode_image(data, SEARCH_SIDE)
        size = (image.width, image.height)
        found = self.finder.find(image.pixels, size)
        message = crop_faces(data, self.finder).to_bytes()
        crops = FaceCrops.from_bytes(message)
        judges = self.pipeline.judges
        raw = {name: one.engine.run(crops.faces) for name, one in judges.items()}
        judged = {name: judge_messages([message], one)[0] for name, one in judges.items()}
        known = _KnownFaces(found)
        return {
            "decode and crop": lambda: crop_faces(data, known),
            "faces": lambda: self.finder.find(image.pixels, size),
            "messages": lambda: _messages(crops, message, judges),
            "network": lambda: [one.engine.run(crops.faces) for one in judges.values()],
            "map": lambda: [shown_grids(one.maps, crops.faces) for one in raw.values()],
            "encode": lambda: json.dumps(explain(judged)),
        }


class _KnownFaces:
    """A finder that knows the answer: what is left of a step is decoding and cropping."""

    def __init__(self, found: Any) -> None:
        self._found = found

    def find(self, pixels: Any, size: Any = None) -> Any:  # noqa: ARG002
        return self._found


def _messages(crops: FaceCrops, message: bytes, judges: dict[str, Judge]) -> None:
    crops.to_bytes()
    for _ in judges:
        FaceCrops.from_bytes(message)


def measure(store: Path, seconds: float) -> dict[str, Any]:
    """Floor, whole judgement and stages of every picture; milliseconds."""
    measured = Measured(store)
    result: dict[str, Any] = {}
    for name, data in pictures.files().items():
        jobs: dict[str, Run] = {
            **{f"pass: {part}": job for part, job in measured.floor(data).items()},
            **{f"stage: {part}": job for part, job in measured.stages(data).items()},
            "whole": partial(measured.pipeline.judge, data),
        }
        times = figures.interleaved(jobs, seconds)
        result[name] = {
            "faces": len(crop_faces(data, measured.finder).faces),
            "bytes": len(data),
            **{part: figures.summary(values) for part, values in times.items()},
        }
    return result


def by_faces(store: Path, seconds: float) -> dict[str, Any]:
    """The whole judgement of pictures with more and more faces; milliseconds."""
    measured = Measured(store)
    jobs: dict[str, Run] = {
        str(count): partial(measured.pipeline.judge, pictures.crowd(count))
        for count in (1, 2, 4, 8, 16)
    }
    for count in jobs:
        found = len(crop_faces(pictures.crowd(int(count)), measured.finder).faces)
        if found != int(count):
            raise SystemExit(f"{found} faces were found in the picture with {count}")
    times = figures.interleaved(jobs, seconds, least=8)
    return {count: figures.summary(values) for count, values in times.items()}


def grad_cam(store: Path, seconds: float) -> dict[str, Any]:
    """What the maps add: the networks with and without them, and what is made of the maps."""
    measured = Measured(store)
    data = pictures.files()[CROP]
    faces = crop_faces(data, measured.finder).faces
    without = {name: _without_maps(path) for name, path in measured.graphs.items()}
    judges = measured.pipeline.judges
    raw = {name: one.engine.run(faces).maps for name, one in judges.items()}
    jobs = {
        "with": lambda: [one.engine.run(faces) for one in judges.values()],
        "without": lambda: [
            session.run(None, {engine.INPUT: faces}) for session in without.values()
        ],
        "grids": lambda: [shown_grids(maps, faces) for maps in raw.values()],
    }
    return {
        name: figures.summary(values)
        for name, values in figures.interleaved(jobs, seconds, least=50).items()
    }


def _without_maps(path: Path) -> onnxruntime.InferenceSession:
    model = onnx.load(path)
    graph = model.graph
    kept = [output for output in graph.output if output.name != engine.MAPS]
    del graph.output[:]
    graph.output.extend(kept)
    for node in [node for node in graph.node if engine.MAPS in node.output]:
        graph.node.remove(node)
    return open_session(bytes(model.SerializeToString()))


def throughput(store: Path, seconds: float, processes: int) -> float:
    """Judgements a second of the 256-px crop, with one process a core."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(processes)
    with context.Pool(processes, _prepare, (store, barrier)) as pool:
        counts = pool.map(_judge_for, [seconds] * processes, chunksize=1)
    return round(sum(counts) / seconds, 2)


_worker: dict[str, Any] = {}


def _prepare(store: Path, barrier: Any) -> None:
    _worker.update(pipeline=Pipeline(store, device="cpu"), barrier=barrier)


def _judge_for(seconds: float) -> int:
    pipeline, data = _worker["pipeline"], pictures.files()[CROP]
    pipeline.judge(data)
    _worker["barrier"].wait(60)
    end, count = time.perf_counter() + seconds, 0
    while time.perf_counter() < end:
        pipeline.judge(data)
        count += 1
    return count
