"""A closed loop of clients: each sends its next picture when the last one was answered."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tests.perf.bench.figures import summary

_TIMEOUT = 120.0
_LEAST = 3


@dataclass(frozen=True)
class Target:
    """Where a picture is sent, and how.

    Attributes:
        url: Address, http.
        body: What is posted.
        headers: Of every request.
    """

    url: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class _Client:
    """One client with one connection, kept open where the server keeps it."""

    def __init__(self, target: Target) -> None:
        parts = urlsplit(target.url)
        self._target = target
        self._path = parts.path or "/"
        self._connection = http.client.HTTPConnection(
            str(parts.hostname), parts.port, timeout=_TIMEOUT
        )

    def send(self) -> int:
        connection = self._connection
        connection.request("POST", self._path, self._target.body, dict(self._target.headers))
        response = connection.getresponse()
        response.read()
        if response.will_close:
            connection.close()
        return response.status

    def close(self) -> None:
        self._connection.close()


def run(target: Target, concurrency: int, seconds: float) -> dict[str, Any]:
    """Loads a server for some seconds.

    Args:
        target: Where to send.
        concurrency: Clients at a time.
        seconds: How long new requests are sent, at least one a client and three in all; those
            under way are waited for.

    Returns:
        Latencies of answered requests in ms, throughput a second, and what else was answered.
    """
    latencies: list[float] = []
    failures: Counter[str] = Counter()
    least = -(-_LEAST // concurrency)
    begin = time.perf_counter()

    def loop() -> None:
        client, sent = _Client(target), 0
        while sent < least or time.perf_counter() < begin + seconds:
            sent += 1
            start = time.perf_counter()
            try:
                status = client.send()
            except (OSError, http.client.HTTPException) as error:
                failures[type(error).__name__] += 1
                client.close()
                continue
            if status == 200:
                latencies.append(time.perf_counter() - start)
            else:
                failures[str(status)] += 1
        client.close()

    threads = [threading.Thread(target=loop) for _ in range(concurrency)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed = time.perf_counter() - begin
    if not latencies:
        raise SystemExit(f"{target.url} answered nothing usable: {dict(failures)}")
    return {
        **summary(latencies),
        "rps": round(len(latencies) / elapsed, 2),
        "failures": dict(failures),
    }
