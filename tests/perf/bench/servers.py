"""Starts what is measured over HTTP: the service, and the servers it is compared with."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import requests

from ops.ports import free_ports
from ops.settings import ROOT
from tests.perf.bench.load import Target
from tests.support import service

_START_SECONDS = 180.0
_JPEG = {"Content-Type": "image/jpeg"}


@dataclass(frozen=True)
class Server:
    """A server that runs.

    Attributes:
        pid: Of the process whose children are all of it.
        targets: What a picture is sent to, by the name of the endpoint.
        warm_start_s: From the command to the first judgement, where that was measured.
    """

    pid: int
    targets: dict[str, Callable[[bytes], Target]]
    warm_start_s: float | None = None


@contextmanager
def our_service(store: Path, prefix: Sequence[str] = ()) -> Iterator[Server]:
    """The service as `make serve` starts it, archives built before: TorchServe and the edge.

    Args:
        store: The model store.
        prefix: What to put before the command.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        begin = time.monotonic()
        settings = service.new_settings(store, Path(folder))
        running = service.start(settings, prefix)
        try:
            service.wait_for_output(running, "Ready after")
            ready = time.monotonic() - begin
            service.wait_for_output(running, "Both models also answer")
            token = {"Authorization": f"Bearer {running.tokens.inference}"}
            model = f"{settings.inference_url}/predictions/efficientnet"
            yield Server(
                running.process.pid,
                {
                    "workflow": lambda data: Target(running.detect_url, data, _JPEG),
                    "efficientnet": lambda data: Target(model, data, _JPEG | token),
                },
                round(ready, 2),
            )
        finally:
            running.process.terminate()
            running.process.wait(60)


@contextmanager
def flask_server(store: Path) -> Iterator[Server]:
    """Flask, eager torch with all cores, Grad-CAM by the library's full backward pass."""
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}/"
    with _program("tests.perf.alternatives.flask_server", str(store), str(port)) as process:
        _wait(process, url)
        yield Server(process.pid, {"flask": lambda data: Target(url, data, _JPEG)})


@contextmanager
def litserve_server(store: Path, workers: int) -> Iterator[Server]:
    """LitServe around our judgement in one process, one worker a core."""
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"

    def target(data: bytes) -> Target:
        body = json.dumps({"image": base64.b64encode(data).decode()}).encode()
        return Target(f"{url}/predict", body, {"Content-Type": "application/json"})

    arguments = (str(store), str(port), str(workers))
    with _program("tests.perf.alternatives.litserve_server", *arguments) as process:
        _wait(process, f"{url}/health", ok=True)
        yield Server(process.pid, {"litserve": target})


@contextmanager
def _program(module: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    # Threads as each would have them by default, but for the workers of LitServe (one a core).
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"), "1")
    threads = one if "litserve" in module else {}
    environment = {name: value for name, value in os.environ.items() if name not in one}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            env=environment | threads,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        family = [psutil.Process(process.pid)]
        try:
            yield process
            family += family[0].children(recursive=True)
        except BaseException:
            log.seek(0)
            sys.stderr.write(log.read().decode(errors="replace")[-2000:])
            raise
        finally:
            family += psutil.Process(process.pid).children(recursive=True)
            for one in family:
                _end(one)
            process.wait(30)


def _end(process: psutil.Process) -> None:
    try:
        process.terminate()
        process.wait(10)
    except psutil.NoSuchProcess:
        pass
    except psutil.TimeoutExpired:
        process.kill()


def _wait(process: subprocess.Popen[bytes], url: str, *, ok: bool = False) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SystemExit(f"the server at {url} ended with status {process.returncode}")
        try:
            answer = requests.get(url, timeout=5)
        except requests.ConnectionError:
            time.sleep(0.2)
            continue
        if answer.ok or not ok:
            return
        time.sleep(0.2)
    raise SystemExit(f"{url} did not answer in time")
