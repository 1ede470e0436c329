"""Times, their statistics, and the memory of processes."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import psutil

MEBIBYTE = 1 << 20
_SAMPLE_SECONDS = 0.5


def summary(seconds: list[float]) -> dict[str, float]:
    """Median and 99th percentile in ms, and how many were measured."""
    return {
        "p50_ms": round(statistics.median(seconds) * 1000, 2),
        "p99_ms": round(float(np.percentile(seconds, 99)) * 1000, 2),
        "n": len(seconds),
    }


def interleaved(
    jobs: Mapping[str, Callable[[], object]], seconds: float, least: int = 15
) -> dict[str, list[float]]:
    """Runs jobs in turn, so that what disturbs one disturbs all; gives the seconds of each run."""
    for job in jobs.values():
        job()
    times: dict[str, list[float]] = {name: [] for name in jobs}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(next(iter(times.values()))) < least:
        for name, job in jobs.items():
            begin = time.perf_counter()
            job()
            times[name].append(time.perf_counter() - begin)
    return times


def memory(pid: int) -> dict[str, float]:
    """Memory in MiB of a process and all it started.

    `pss` shares what processes share among them; `uss` is what each has for itself.
    """
    total = {"pss": 0.0, "uss": 0.0}
    for process in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
        try:
            info: Any = process.memory_full_info()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        total["pss"] += info.pss / MEBIBYTE
        total["uss"] += info.uss / MEBIBYTE
    return {name: round(value, 1) for name, value in total.items()}


class PeakMemory:
    """Watches the memory of a process and all it started, for as long as it is entered."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.peak: dict[str, float] = {"pss": 0.0, "uss": 0.0}

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(_SAMPLE_SECONDS):
            try:
                now = memory(self._pid)
            except psutil.NoSuchProcess:
                return
            self.peak = {name: max(self.peak[name], value) for name, value in now.items()}
