"""Pictures with known answers, clients that post them, and the service they are posted to."""

from __future__ import annotations

import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import requests

from ops.reference import reference_picture
from tests.support import pictures
from tests.support.service import RunningService, model_store, new_settings, run_service

# Longer than the service may take for anything; a request that takes it counts as hung.
PATIENCE_SECONDS = 60.0
# Networks round differently in batches of different sizes.
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Outcome:
    """What became of one request.

    Attributes:
        kind: `right`, `wrong` (judged, but not as expected), `refused` (503), `failed` (another
            status), `broken` (no HTTP answer) or `hung`.
        seconds: until it was answered.
        begin: when it was sent, by `time.monotonic`.
        retry_after: seconds that a refusal asks to wait.
        status: HTTP status, 0 without an answer.
    """

    kind: str
    seconds: float
    begin: float
    retry_after: float = 0.0
    status: int = 0


class Pictures:
    """Pictures whose right answers were asked of the service while it was at rest."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._files = [
            reference_picture(),
            pictures.jpeg(),
            pictures.encode(pictures.portrait(), "PNG"),
            pictures.encode(pictures.portrait().resize((640, 750)), "JPEG", progressive=True),
        ]
        self._right: list[dict[str, Any]] = []
        with new_session() as session:
            for file in self._files:
                response = session.post(url, data=file, timeout=PATIENCE_SECONDS)
                response.raise_for_status()
                self._right.append(response.json())

    def __len__(self) -> int:
        return len(self._files)

    def ask(self, session: requests.Session, number: int) -> Outcome:
        """Post a picture and compare the answer."""
        index = number % len(self._files)
        begin = time.monotonic()
        try:
            response = session.post(self._url, data=self._files[index], timeout=PATIENCE_SECONDS)
        except requests.Timeout:
            return Outcome("hung", time.monotonic() - begin, begin)
        except requests.RequestException:
            return Outcome("broken", time.monotonic() - begin, begin)
        kind, retry_after = self._kind(index, response), 0.0
        if kind == "refused":
            retry_after = float(response.headers.get("Retry-After", "0"))
        took = time.monotonic() - begin
        return Outcome(kind, took, begin, retry_after, response.status_code)

    def _kind(self, index: int, response: requests.Response) -> str:
        if response.status_code == 503:
            honest = response.json().get("type") == "service_unavailable"
            return "refused" if honest and "Retry-After" in response.headers else "failed"
        if response.status_code != 200:
            return "failed"
        return "right" if same_judgement(response.json(), self._right[index]) else "wrong"


def same_judgement(reply: dict[str, Any], right: dict[str, Any]) -> bool:
    """Whether two replies judge alike."""
    return (
        reply["verdict"] == right["verdict"]
        and reply["image"] == right["image"]
        and len(reply["faces"]) == len(right["faces"])
        and abs(reply["probability_fake"] - right["probability_fake"]) < TOLERANCE
    )


def new_session() -> requests.Session:
    """A client of its own, with its own connection."""
    session = requests.Session()
    session.trust_env = False
    session.headers["Content-Type"] = "application/octet-stream"
    return session


class Clients:
    """Clients that ask one picture after the other until they are told to stop.

    Args:
        known: the pictures.
        count: how many clients.
        pause: seconds between an answer and the next request.
        obey: wait after a refusal as it asks; otherwise a tenth of a second.
    """

    def __init__(
        self, known: Pictures, count: int, *, pause: float = 0.0, obey: bool = False
    ) -> None:
        self._known = known
        self._pause = pause
        self._obey = obey
        self._stop = threading.Event()
        self.outcomes: list[Outcome] = []  # appending is atomic
        self._threads = [
            threading.Thread(target=self._work, args=(number,), daemon=True)
            for number in range(count)
        ]

    def __enter__(self) -> Clients:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS + 5)

    def _work(self, number: int) -> None:
        with new_session() as session:
            while not self._stop.is_set():
                outcome = self._known.ask(session, number)
                self.outcomes.append(outcome)
                number += 1
                wait = self._pause
                if outcome.kind != "right":
                    wait = max(wait, outcome.retry_after if self._obey else 0.1)
                self._stop.wait(wait)


def arrivals(
    rate: float, duration: float, send: Callable[[int], Outcome], most: int = 512
) -> list[Outcome]:
    """Send requests at a fixed rate, whether the ones before were answered or not.

    Args:
        rate: requests a second.
        duration: seconds.
        send: sends one.
        most: requests that may be under way, so that a broken service cannot bring us down.

    Returns:
        What became of each.

    Raises:
        RuntimeError: more than `most` were under way.
    """
    outcomes: list[Outcome] = []
    threads: list[threading.Thread] = []
    begin = time.monotonic()
    for number in range(int(rate * duration)):
        time.sleep(max(0.0, begin + number / rate - time.monotonic()))
        threads = [thread for thread in threads if thread.is_alive()]
        if len(threads) >= most:
            raise RuntimeError(f"More than {most} requests wait for an answer.")
        thread = threading.Thread(
            target=lambda number=number: outcomes.append(send(number)), daemon=True
        )
        thread.start()
        threads.append(thread)
    for thread in threads:
        thread.join(PATIENCE_SECONDS + 5)
    return outcomes


def count(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """How many of each kind."""
    kinds = ("right", "wrong", "refused", "failed", "broken", "hung")
    return {kind: sum(outcome.kind == kind for outcome in outcomes) for kind in kinds}


@dataclass(frozen=True)
class Usage:
    """What the whole service uses.

    Attributes:
        memory: anonymous memory (heaps, stacks) in MiB by program (java, caddy, python).
        threads: of all processes.
        processes: how many.
    """

    memory: dict[str, float]
    threads: int
    processes: int

    @property
    def total(self) -> float:
        """Memory of all programs, in MiB."""
        return sum(self.memory.values())


def usage(service: RunningService) -> Usage:
    """Measure what the service uses now."""
    memory: dict[str, float] = {}
    threads = processes = 0
    leader = psutil.Process(service.process.pid)
    for process in [leader, *leader.children(recursive=True)]:
        try:
            name, maps = process.name(), process.memory_maps(grouped=True)
            # Pages of files are left out: whether they count as a process's own, or how they are
            # shared out, changes with every other program on the machine that maps the same file.
            own = sum(part.anonymous for part in maps)
            memory[name] = memory.get(name, 0.0) + own / 2**20
            threads += process.num_threads()
            processes += 1
        except psutil.Error:
            continue
    return Usage(memory, threads, processes)


@contextmanager
def fresh_folder() -> Iterator[Path]:
    """A temporary folder for a service's files; SIGTERM tidies up as Ctrl-C does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="deepfake-perf-") as name:
        yield Path(name)


@contextmanager
def fresh_service(folder: Path | None = None, **changes: Any) -> Iterator[RunningService]:
    """A service of its own on free ports, with copies of the serving versions.

    Args:
        folder: for its files; a temporary one if not given.
        changes: settings that differ.
    """
    if folder is None:
        with fresh_folder() as own, fresh_service(own, **changes) as service:
            yield service
        return
    (folder / "store").mkdir()
    store = model_store(folder / "store")
    print("Starting a service of our own ...", flush=True)
    settings = replace(new_settings(store, folder), **changes)
    with run_service(store, folder, settings=settings) as service:
        yield service
