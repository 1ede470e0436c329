"""Requests while versions are swapped, and whether each answer names a version that then served."""

from __future__ import annotations

import itertools
import json
import math
import shutil
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import requests

from ops import archive, manifest
from ops.client import InferenceClient, ManagementClient
from ops.rollout import Outcome, Rollout
from ops.settings import ROOT, WORKFLOW
from tests.support.service import RunningService

HUNG_SECONDS = 60.0
"""A reply that the workflow loses is answered with 503 after 30 seconds a node (`timeout-ms`), so
what takes longer than two of these has been forgotten by everybody."""


@dataclass(frozen=True)
class Answer:
    """What came back to one request.

    Attributes:
        begin, end: when it was sent and answered, on the monotonic clock, in seconds.
        status: HTTP status; 0 where there was no answer.
        version: of the swapped model, as the reply names it.
        weights: SHA-256 of its weights, as the reply names it.
        problem: what was wrong, for people.
    """

    begin: float
    end: float
    status: int
    version: str = ""
    weights: str = ""
    problem: str = ""

    @property
    def seconds(self) -> float:
        """From sending to the answer."""
        return self.end - self.begin


@dataclass(frozen=True)
class Switch:
    """One change of the default version: when it was asked for and confirmed."""

    version: str
    begin: float
    end: float


class TimedManagement(ManagementClient):
    """The management client of the product; it also notes when the workflow's version changes."""

    switches: list[Switch]

    def set_default(self, name: str, version: str) -> None:
        """As the product does it, with the times noted."""
        begin = time.monotonic()
        super().set_default(name, version)
        if name.startswith(f"{WORKFLOW}__"):
            self.switches.append(Switch(version, begin, time.monotonic()))


def timed_rollout(service: RunningService) -> tuple[Rollout, list[Switch]]:
    """The operator's client of a service, and the list that its switches are noted in."""
    settings = service.settings
    management = TimedManagement(settings.management_url, lambda: service.tokens.management)
    management.switches = []
    inference = InferenceClient(settings.inference_url, lambda: service.tokens.inference)
    return Rollout(settings, management, inference, lambda _: None), management.switches


def misplaced(answers: Sequence[Answer], first: str, switches: Sequence[Switch]) -> list[Answer]:
    """Answers that name a version which did not serve at any moment of their request.

    Args:
        answers: the answers with status 200 count.
        first: the version that served at the beginning.
        switches: in order; while one is under way, the version before and after it may answer.
    """
    begins = [-math.inf, *(switch.begin for switch in switches)]
    ends = [*(switch.end for switch in switches), math.inf]
    versions = [first, *(switch.version for switch in switches)]
    spans = list(zip(versions, begins, ends, strict=True))
    return [
        answer
        for answer in answers
        if answer.status == 200
        and not any(
            answer.version == version and answer.begin <= end and answer.end >= begin
            for version, begin, end in spans
        )
    ]


@dataclass
class Load:
    """Clients that send pictures one after the other, each over a connection of its own."""

    url: str
    pictures: Sequence[bytes]
    model: str
    answers: list[Answer] = field(default_factory=list)

    @contextmanager
    def running(self, concurrency: int, at_least: int) -> Iterator[None]:
        """Send while the block runs, and on until there are `at_least` answers."""
        done = threading.Event()
        numbers = itertools.count()
        clients = [
            threading.Thread(target=self._send_on, args=(numbers, at_least, done))
            for _ in range(concurrency)
        ]
        for client in clients:
            client.start()
        try:
            yield
        finally:
            done.set()
            for client in clients:
                client.join()

    def wait_for(self, more: int) -> None:
        """Wait for so many more answers."""
        target = len(self.answers) + more
        while len(self.answers) < target:
            time.sleep(0.02)

    def _send_on(self, numbers: Iterator[int], at_least: int, done: threading.Event) -> None:
        with requests.Session() as session:
            for number in numbers:
                if number >= at_least and done.is_set():
                    return
                picture = self.pictures[number % len(self.pictures)]
                self.answers.append(self._send(session, picture))

    def _send(self, session: requests.Session, picture: bytes) -> Answer:
        begin = time.monotonic()
        try:
            response = session.post(self.url, data=picture, timeout=120)
        except requests.RequestException as error:
            return Answer(begin, time.monotonic(), 0, problem=repr(error))
        end = time.monotonic()
        if response.status_code != 200:
            return Answer(begin, end, response.status_code, problem=response.text[:300])
        try:
            model = response.json()["models"][self.model]
            return Answer(begin, end, 200, model["version"], model["weights_sha256"])
        except (ValueError, KeyError, TypeError) as error:
            return Answer(begin, end, 0, problem=f"{error!r}: {response.text[:300]}")


def weights_of(store: Path, model: str, versions: Sequence[str]) -> dict[str, str]:
    """SHA-256 of the weights of each version, as its description says."""
    return {
        version: json.loads((store / model / version / "model.json").read_text())["weights_sha256"]
        for version in versions
    }


def add_another_version(store: Path, model: str) -> str:
    """Put a second version of a model into a store, with its archive; returns its number.

    It is a committed one where there is one, else the serving one under another number.
    """
    serving = archive.serving_versions(store)[model]
    committed = sorted(path.name for path in (ROOT / "model_store" / model).glob("[0-9]*"))
    others = [version for version in committed if version != serving]
    if others:
        version = others[-1]
        shutil.copytree(ROOT / "model_store" / model / version, store / model / version)
    else:
        version = "99.0"
        copy_version(store, model, serving, version)
    archive.build(store, [archive.model_plan(store, model, version)])
    return version


def copy_version(store: Path, model: str, version: str, new: str) -> Path:
    """Copy a version's folder under another number; returns the copy."""
    folder = Path(shutil.copytree(store / model / version, store / model / new))
    description = json.loads((folder / "model.json").read_text()) | {"version": new}
    (folder / "model.json").write_text(json.dumps(description))
    return folder


def percentile(values: Sequence[float], share: float) -> float:
    """The value at a share of the sorted values (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


Waiter = Callable[[int], None]


@dataclass(frozen=True)
class Step:
    """One command of a swap, and when it began and ended."""

    action: str
    begin: float
    end: float


def swap(rollout: Rollout, model: str, version: str, wait: Waiter, pause: int) -> list[Step]:
    """Promote a version, roll it back and take it out of memory; returns the three steps.

    Args:
        rollout: the operator's client.
        model: the model.
        version: the version that does not serve.
        wait: waits for a number of answers.
        pause: answers to wait for after each step.
    """
    steps: dict[str, Callable[[], Outcome]] = {
        "promote": lambda: rollout.promote(model, version),
        "rollback": lambda: rollout.rollback(model),
        "unregister": lambda: rollout.unregister(model, version),
    }
    done = []
    for action, act in steps.items():
        begin = time.monotonic()
        act()
        done.append(Step(action, begin, time.monotonic()))
        wait(pause)
    return done


def add_version_that_does_not_load(store: Path, model: str, version: str) -> None:
    """A version whose archive is in the manifest, but whose worker ends as it starts."""
    copy_version(store, model, archive.serving_versions(store)[model], version)
    archive.build(store, [archive.model_plan(store, model, version)])
    file = archive.model_file(model, version)
    with zipfile.ZipFile(store / file) as whole:
        parts = {name: whole.read(name) for name in whole.namelist()}
    parts["model.py"] = b"raise RuntimeError('a bad archive')\n"
    with zipfile.ZipFile(store / file, "w") as bad:
        for name, data in parts.items():
            bad.writestr(name, data)
    inputs = manifest.read(store)[file]["inputs"]
    manifest.add(store, file, manifest.sha256(store / file), inputs=inputs)
