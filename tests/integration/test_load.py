"""Many requests at once, bad ones among them: each answered, and nothing left behind."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
import requests

from tests.support import pictures, schema
from tests.support.service import RunningService

pytestmark = pytest.mark.integration

REQUESTS = 300
CONCURRENCY = 8
EVERY_TENTH = 10
# Threads that the JVM starts and ends as it sees fit: garbage collection, compilers, and its
# common pool, which is bounded and drops idle threads (no request of ours runs on it).
OWN_AFFAIR = ("ForkJoinPool", "GC Thread", "G1 ", "C1 Compiler", "C2 Compiler", "Sweeper", "VM ")


def java_threads(torchserve: psutil.Process) -> Counter[str]:
    names = [
        (Path("/proc") / str(torchserve.pid) / "task" / str(thread.id) / "comm").read_text().strip()
        for thread in torchserve.threads()
    ]
    return Counter(name for name in names if not name.startswith(OWN_AFFAIR))


def send(service: RunningService, upload: bytes) -> requests.Response:
    return requests.post(service.detect_url, files={"data": upload}, timeout=90)


def test_300_requests_at_concurrency_8(service: RunningService) -> None:
    good = list(pictures.valid().values())
    bad = [(data, status) for data, status in pictures.bad().values() if len(data) < 10**5]
    plan = [
        bad[i // EVERY_TENTH % len(bad)] if i % EVERY_TENTH == 0 else (good[i % len(good)], 200)
        for i in range(REQUESTS)
    ]
    assert sum(status != 200 for _, status in plan) == 30
    with ThreadPoolExecutor(CONCURRENCY) as pool:  # let all pools grow to their size
        list(pool.map(lambda item: send(service, item[0]), plan[:40]))
    workers, threads = service.workers(), java_threads(service.torchserve)
    log_before = len(service.log())

    with ThreadPoolExecutor(CONCURRENCY) as pool:
        responses = list(pool.map(lambda item: send(service, item[0]), plan))

    for response, (_, status) in zip(responses, plan, strict=True):
        assert response.status_code == status, response.text
        schema.check(response.json(), "reply" if status == 200 else "error")
    assert max(response.elapsed.total_seconds() for response in responses) < 30, "one hung"
    log = service.log()[log_before:]
    assert "Timed out while executing" not in log
    assert "Traceback" not in log
    assert service.workers() == workers, "a worker was restarted"
    deadline = time.monotonic() + 10
    while java_threads(service.torchserve) != threads and time.monotonic() < deadline:
        time.sleep(0.5)
    assert sum(java_threads(service.torchserve).values()) <= sum(threads.values()), (
        java_threads(service.torchserve) - threads
    )
