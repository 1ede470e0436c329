"""Measures how fast the service is, against its own floor and against other servers.

Run as `make bench`, about eight minutes on an idle machine with two cores, or in parts with
`make bench ARGS="--only floor service"`; parts are kept in build/bench.json and put together.
Close everything else first: times are those of the whole machine.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import cv2

from ops import archive
from ops.settings import ROOT, Settings
from tests.perf.bench import figures, inprocess, load, pictures, servers
from tests.perf.bench.table import report, summary

_OUT = ROOT / "build" / "bench.json"
_CONCURRENCIES = (1, 4, 16)


class Bench:
    """The parts of the benchmark."""

    def __init__(self, store: Path, cores: int, seconds: float) -> None:
        """Prepares it.

        Args:
            store: The model store, archives and graphs built.
            cores: Processes of in-process throughput, and workers of LitServe.
            seconds: How long each server is loaded at each setting; in process it is less.
        """
        self._store, self._cores, self._seconds = store, cores, seconds

    def floor(self) -> dict[str, Any]:
        """In process: floor, whole judgement, stages, growth with faces, Grad-CAM."""
        return {
            "pictures": inprocess.measure(self._store, 1.5 * self._seconds),
            "by_faces": inprocess.by_faces(self._store, 1.5 * self._seconds),
            "grad_cam": inprocess.grad_cam(self._store, self._seconds),
        }

    def throughput(self) -> dict[str, Any]:
        """In process: judgements a second with all cores."""
        return {"rps": inprocess.throughput(self._store, 1.5 * self._seconds, self._cores)}

    def service(self) -> dict[str, Any]:
        """The workflow through the edge, one model alone, start and memory."""
        return self._server(servers.our_service(self._store), by_faces="workflow")

    def flask(self) -> dict[str, Any]:
        """The obvious alternative."""
        return self._server(servers.flask_server(self._store))

    def litserve(self) -> dict[str, Any]:
        """The server an engineer would pick today."""
        return self._server(servers.litserve_server(self._store, self._cores))

    def _server(
        self, starting: AbstractContextManager[servers.Server], by_faces: str = ""
    ) -> dict[str, Any]:
        with starting as server:
            result: dict[str, Any] = {"memory_after_start_mib": figures.memory(server.pid)}
            if server.warm_start_s is not None:
                result["warm_start_s"] = server.warm_start_s
            with figures.PeakMemory(server.pid) as watched:
                for name, target in server.targets.items():
                    result[name] = self._loads(target, all_pictures=name != "efficientnet")
                if by_faces:
                    target = server.targets[by_faces]
                    result["by_faces"] = {
                        str(count): load.run(target(pictures.crowd(count)), 1, self._seconds / 2)
                        for count in (1, 2, 4, 8, 16)
                    }
            result["peak_memory_mib"] = watched.peak
        return result

    def _loads(
        self, target: Callable[[bytes], load.Target], *, all_pictures: bool
    ) -> dict[str, dict[str, Any]]:
        files = pictures.files()
        chosen = files if all_pictures else {inprocess.CROP: files[inprocess.CROP]}
        result: dict[str, dict[str, Any]] = {}
        for name, data in chosen.items():
            load.run(target(data), 4, 1)  # warm
            result[name] = {
                str(count): load.run(target(data), count, self._seconds) for count in _CONCURRENCIES
            }
        return result


PARTS = ("floor", "throughput", "service", "flask", "litserve")


def main(arguments: list[str] | None = None) -> None:
    """Runs the parts asked for, keeps them, and prints all there are."""
    parser = argparse.ArgumentParser(prog="python -m tests.perf.bench", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART")
    parser.add_argument("--seconds", type=float, default=8.0, help="load at each setting")
    parser.add_argument("--cores", type=int, help="use only the first cores of the machine")
    parser.add_argument("--out", type=Path, default=_OUT, help="the JSON file to add to")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # servers are ended on the way
    available = sorted(os.sched_getaffinity(0))
    cores = available[: options.cores] if options.cores else available
    os.sched_setaffinity(0, cores)  # everything started from here inherits it
    os.environ["OPENCV_FOR_THREADS_NUM"] = "1"
    cv2.setNumThreads(1)
    settings = Settings()
    archive.build_all(settings)
    bench = Bench(settings.model_store, len(cores), options.seconds)
    parts = _known(options.out)
    for part in options.only:
        print(f"Measuring: {part} ...", flush=True)
        measured: Callable[[], dict[str, Any]] = getattr(bench, part)
        parts[part] = {"machine": _machine(len(cores)), **measured()}
        _write(options.out, {**summary(parts), "parts": parts})
    print(report(parts))


def _known(path: Path) -> dict[str, Any]:
    try:
        parts: dict[str, Any] = json.loads(path.read_text())["parts"]
    except (FileNotFoundError, ValueError, KeyError):
        return {}
    return parts


def _machine(cores: int) -> dict[str, Any]:
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return {
        "cpu": model,
        "cores": cores,
        "python": platform.python_version(),
        "load_average": round(os.getloadavg()[0], 2),
    }


def _write(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text(json.dumps(content, indent=2) + "\n")
    new.replace(path)


if __name__ == "__main__":
    main()
