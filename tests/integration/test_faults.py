"""What breaks is mended, under traffic and with a full log disk: nothing is answered wrongly."""

from __future__ import annotations

import os
import signal
import stat
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from ops import state
from ops.reference import reference_picture
from ops.rotation import Rotation
from ops.tokens import INFERENCE_TOKEN_FILE, KEY_FILE, read_tokens
from tests.perf import traffic
from tests.support import schema
from tests.support.service import RunningService, new_settings, run_service, wait_for_output

pytestmark = pytest.mark.integration

LOGS = ("torchserve.log", "torchserve-console.log", "caddy.log", "probe.log")
TOKEN_SECONDS = 40.0
HEAL_SECONDS = (
    240.0  # other work may hold the cores; how long it takes is measured by `make faults`
)


@pytest.fixture(scope="module")
def frail(archives: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service whose tokens live for seconds, and whose every log line meets a full disk."""
    folder = tmp_path_factory.mktemp("frail")
    settings = replace(new_settings(archives, folder), token_minutes=TOKEN_SECONDS / 60)
    settings.log_dir.mkdir(mode=0o700, parents=True)
    for name in LOGS:
        (settings.log_dir / name).symlink_to("/dev/full")
    with run_service(archives, folder, settings=settings) as service:
        yield service


@pytest.fixture(scope="module")
def known(frail: RunningService) -> traffic.Pictures:
    return traffic.Pictures(frail.detect_url)


def wait_until(true: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + HEAL_SECONDS
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def suffer(
    service: RunningService, known: traffic.Pictures, fault: Callable[[RunningService], None]
) -> list[traffic.Outcome]:
    """Let a fault happen under traffic; what became of the requests until it is mended."""
    with traffic.Clients(known, 2, pause=0.1) as clients:
        wait_until(lambda: len(clients.outcomes) >= 4, "no answers before the fault")
        fault(service)
        begin = time.monotonic()
        wait_until(
            lambda: any(o.kind == "right" and o.begin > begin for o in clients.outcomes),
            "the service does not judge again",
        )
    kinds = traffic.count(clients.outcomes)
    assert kinds["wrong"] == kinds["hung"] == 0, kinds
    return clients.outcomes


def test_tokens_are_renewed_without_a_refused_request(
    frail: RunningService, known: traffic.Pictures
) -> None:
    run_dir = frail.settings.run_dir
    with traffic.Clients(known, 2) as clients:
        for _ in range(3):
            Rotation(frail.settings).renew()
            time.sleep(1)
        last = read_tokens(run_dir)
        wait_until(  # by itself, after half the tokens' life
            lambda: (
                read_tokens(run_dir).inference != last.inference
                and read_tokens(run_dir).management != last.management
            ),
            "the service does not renew its tokens",
        )
        time.sleep(1)
    kinds = traffic.count(clients.outcomes)
    assert kinds["right"] == len(clients.outcomes) > 0, kinds
    for name in (KEY_FILE, INFERENCE_TOKEN_FILE):
        assert stat.S_IMODE((run_dir / name).stat().st_mode) == 0o600
    assert not list(run_dir.glob("*.new"))
    assert (run_dir / INFERENCE_TOKEN_FILE).read_text() == read_tokens(run_dir).inference


def test_a_renewed_token_lives_out_its_time_and_no_longer(frail: RunningService) -> None:
    Rotation(frail.settings).renew()
    old, born = frail.tokens.inference, time.monotonic()

    def status(token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{frail.settings.inference_url}/ping"
        return requests.get(url, headers=headers, timeout=30).status_code

    for _ in range(3):
        Rotation(frail.settings).renew()
    assert frail.tokens.inference != old
    accepted = status(old)
    assert accepted == 200 or time.monotonic() - born > TOKEN_SECONDS
    time.sleep(max(0.0, born + TOKEN_SECONDS + 0.5 - time.monotonic()))
    assert status(old) == 401
    assert status(frail.tokens.inference) == 200


@pytest.mark.parametrize("node", ["ingest", "efficientnet"])
def test_a_killed_worker(frail: RunningService, known: traffic.Pictures, node: str) -> None:
    before = frail.workers()
    outcomes = suffer(frail, known, lambda _: os.kill(before[f"deepfake__{node}"], signal.SIGKILL))
    assert {outcome.kind for outcome in outcomes} <= {"right", "refused"}
    after = frail.workers()
    assert {name for name in before if before[name] != after[name]} == {f"deepfake__{node}"}


def test_a_killed_edge(frail: RunningService, known: traffic.Pictures) -> None:
    old = frail.edge.pid
    suffer(frail, known, lambda service: service.edge.kill())
    assert frail.edge.pid != old
    assert requests.get(frail.url, timeout=30).status_code == 200
    assert "The edge (Caddy) was ended by SIGKILL. Starting it again" in frail.output()


def test_a_killed_torchserve(frail: RunningService, known: traffic.Pictures) -> None:
    before, old, tokens = frail.workers(), frail.torchserve.pid, frail.tokens
    scratch = state.read(frail.settings.run_dir)
    outcomes = suffer(frail, known, lambda service: service.torchserve.kill())
    assert any(outcome.kind == "refused" for outcome in outcomes)
    wait_for_output(frail, "The service judges again after", HEAL_SECONDS)
    wait_until(lambda: set(frail.management.models()) == before.keys(), "the models are not loaded")
    after = frail.workers()
    assert not set(after.values()) & set(before.values())
    assert frail.torchserve.pid != old
    assert frail.tokens.inference != tokens.inference
    now = state.read(frail.settings.run_dir)
    assert now is not None
    assert now.ready
    assert scratch is not None
    assert not Path(scratch.scratch).exists()


def test_overload_is_refused_at_once_and_honestly(frail: RunningService) -> None:
    upload = reference_picture()

    def send(_: int) -> requests.Response:
        return requests.post(frail.detect_url, data=upload, timeout=90)

    with ThreadPoolExecutor(64) as pool:
        responses = list(pool.map(send, range(64)))
    refused = [response for response in responses if response.status_code == 503]
    assert refused
    assert len(refused) < len(responses)
    assert {response.status_code for response in responses} == {200, 503}
    for response in refused:
        schema.check(response.json(), "error")
        assert response.json()["type"] == "service_unavailable"
        assert int(response.headers["Retry-After"]) > 0
    assert requests.post(frail.detect_url, data=upload, timeout=90).status_code == 200
