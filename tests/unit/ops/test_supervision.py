"""The supervisor against a service that fails as it is told."""

from __future__ import annotations

import time

import pytest

from ops.errors import OpsError
from ops.supervision import Restarts, Supervisor, Watch


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class FakeService:
    """Remembers what was done; `torchserve`, `edge`, `workers` say what is wrong now."""

    def __init__(self) -> None:
        self.torchserve: str | None = None
        self.edge: str | None = None
        self.workers: str | None = None
        self.fails = 0
        self.renewal: OpsError | None = None
        self.done: list[str] = []
        self.probed = 0

    def torchserve_trouble(self) -> str | None:
        return self.torchserve

    def edge_trouble(self) -> str | None:
        return self.edge

    def workers_trouble(self) -> str | None:
        return self.workers

    def restart_torchserve(self) -> None:
        self.done.append("torchserve")
        if self.fails:
            self.fails -= 1
            raise OpsError("It did not come up.")
        self.torchserve = None

    def start_models(self) -> None:
        assert self.torchserve is None
        self.done.append("models")

    def restart_edge(self) -> None:
        self.done.append("edge")
        self.edge = None

    def ensure_probe(self) -> None:
        self.probed += 1

    def renew_tokens(self) -> None:
        if self.renewal is not None:
            raise self.renewal


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    monkeypatch.setattr(time, "sleep", clock.sleep)
    return clock


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def service() -> FakeService:
    return FakeService()


@pytest.fixture
def supervisor(service: FakeService, said: list[str], clock: Clock) -> Supervisor:
    supervisor = Supervisor(service, said.append, clock)
    supervisor.begin()
    return supervisor


def test_nothing_is_done_to_what_runs(supervisor: Supervisor, service: FakeService) -> None:
    for _ in range(100):
        supervisor.tick()
    assert service.done == []
    assert service.probed == 100


def test_the_edge_is_started_again_at_once(
    supervisor: Supervisor, service: FakeService, said: list[str], clock: Clock
) -> None:
    service.edge = "The edge was ended by SIGKILL."
    begin = clock.now
    supervisor.tick()
    assert service.done == ["edge"]
    assert clock.now == begin
    assert said == ["The edge was ended by SIGKILL. Starting it again ..."]


def test_torchserve_is_tried_again_with_longer_pauses(
    supervisor: Supervisor, service: FakeService, clock: Clock
) -> None:
    service.torchserve, service.fails = "TorchServe was ended by SIGKILL.", 3
    begin = clock.now
    supervisor.tick()
    assert service.done == ["torchserve"] * 4 + ["models"]
    assert clock.now - begin == 0 + 1 + 2 + 4


def test_what_fails_again_and_again_is_given_up_with_the_reason(
    supervisor: Supervisor, service: FakeService
) -> None:
    service.torchserve, service.fails = "TorchServe was ended by SIGKILL.", 100
    with pytest.raises(OpsError, match=r"failed 6 times in a row.*It did not come up\.$"):
        supervisor.tick()
    assert service.done == ["torchserve"] * 5


def test_failures_long_apart_are_forgiven(
    supervisor: Supervisor, service: FakeService, clock: Clock
) -> None:
    for _ in range(20):
        clock.now += 61
        service.torchserve = "TorchServe was ended by SIGKILL."
        supervisor.tick()
    assert service.done == ["torchserve", "models"] * 20


def test_the_edge_is_mended_between_the_tries_for_torchserve(
    supervisor: Supervisor, service: FakeService
) -> None:
    service.torchserve, service.edge = "TorchServe ended.", "The edge ended."
    supervisor.tick()
    assert service.done == ["edge", "torchserve", "models"]


def test_a_node_without_a_worker_for_long_is_mended(
    supervisor: Supervisor, service: FakeService, clock: Clock
) -> None:
    service.workers = "deepfake__cnn has no worker that answers."
    begin = clock.now
    while not service.done:
        supervisor.tick()
        clock.now += 0.25
        assert clock.now - begin < 120
    assert service.done == ["torchserve", "models"]
    assert clock.now - begin >= 60


def test_a_moments_trouble_of_a_worker_is_left_to_torchserve(
    supervisor: Supervisor, service: FakeService, clock: Clock
) -> None:
    for tick in range(2000):
        service.workers = "no worker" if tick % 200 < 100 else None
        supervisor.tick()
        clock.now += 0.25
    assert service.done == []


def test_a_failed_renewal_is_said_once(
    supervisor: Supervisor, service: FakeService, said: list[str]
) -> None:
    service.renewal = OpsError("The disk is full.")
    for _ in range(5):
        supervisor.tick()
    assert said == ["warning: the tokens could not be renewed yet: The disk is full."]
    service.renewal = None
    supervisor.tick()
    service.renewal = OpsError("The disk is full.")
    supervisor.tick()
    assert len(said) == 2


def test_watch_looks_only_now_and_then() -> None:
    clock, looks = Clock(), []
    watch = Watch(lambda: looks.append(clock.now), every=10, patience=60, clock=clock)
    for _ in range(100):
        assert watch.verdict() is None
        clock.now += 1
    assert len(looks) == 9


def test_pauses_begin_anew_after_a_steady_time() -> None:
    clock = Clock()
    restarts = Restarts("It", clock)
    restarts.running()
    assert [restarts.pause("no") for _ in range(3)] == [0.0, 1.0, 2.0]
    restarts.running()
    clock.now += 60
    assert restarts.pause("no") == 0.0
