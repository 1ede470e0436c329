"""Whether damaged pictures can break anything. `make fuzz`.

Pictures of every accepted kind are damaged in many ways and go through the ingest code, in a
process of its own whose memory is limited and watched; then some go through a running service.
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import numpy as np
import psutil
import requests
from PIL import Image
from skimage import data as samples
from tqdm import tqdm

from detection.errors import ERROR_TYPES, InputError
from detection.faces import FaceFinder
from detection.ingest import ingest
from detection.message import unpack
from tests.perf import report, traffic
from tests.support.mutants import SEEDS, mutants, seed_file

CEILING_MIB = 3072  # of address space; the largest accepted picture takes half of that
GROWTH_MIB = 100  # from the first hundred files to the last
SIDES = (40, 96, 224)
CHUNK = 100
INTERNAL = "internal_error"


def files(count: int, seed: int) -> Iterator[bytes]:
    """Damaged files, evenly of all kinds and sizes; the same seed gives the same ones."""
    face = Image.fromarray(samples.astronaut()[0:224, 110:334])
    kinds = [(name, side) for name in SEEDS for side in SIDES]
    for index, (name, side) in enumerate(kinds):
        pixels = np.asarray(face.resize((side, side)))
        good = seed_file(pixels, name)
        other = seed_file(pixels, list(SEEDS)[list(SEEDS).index(name) - 1])
        share = count * (index + 1) // len(kinds) - count * index // len(kinds)
        yield from mutants(good, other, seed * len(kinds) + index, share)


_finder: FaceFinder | None = None


def _start() -> None:
    """Runs first in the process that ingests."""
    global _finder  # noqa: PLW0603 - a process pool's workers have no other place for it
    logging.disable()
    _finder = FaceFinder(threads=1)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (CEILING_MIB << 20, hard))


def _ingest(chunk: Sequence[bytes]) -> tuple[Counter[str], list[str], int, int]:
    """What became of the files, what was raised, and the process's memory: now, and its peak."""
    outcomes: Counter[str] = Counter()
    raised = []
    for file in chunk:
        try:
            outcomes[_outcome(ingest(file, _finder))] += 1  # type: ignore[arg-type]
        except BaseException as error:  # noqa: BLE001 - that nothing comes out is what is tested
            raised.append(f"{type(error).__name__}: {error}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # KiB
    return outcomes, raised, psutil.Process().memory_info().rss >> 20, peak >> 10


def _outcome(message: bytes) -> str:
    try:
        return unpack(message).kind
    except InputError as error:  # how an error that was packed comes out again
        return error.type


def through_ingest(count: int, seed: int) -> dict[str, Any]:
    """Send damaged files through the ingest code."""
    outcomes: Counter[str] = Counter()
    raised: list[str] = []
    memory: list[int] = []
    peak = crashed = 0
    todo = list(files(count, seed))
    chunks = [todo[start : start + CHUNK] for start in range(0, len(todo), CHUNK)]
    context = multiprocessing.get_context("spawn")
    with (
        tqdm(total=len(todo), unit="file", desc="ingest", leave=False) as progress,
        ProcessPoolExecutor(1, context, initializer=_start) as pool,
    ):
        for chunk in chunks:
            try:
                counted, errors, now, peak = pool.submit(_ingest, chunk).result()
            except BrokenProcessPool:
                crashed += 1
                break
            outcomes += counted
            raised += errors
            memory.append(now)
            progress.update(len(chunk))
    return {
        "files": len(todo),
        "outcomes": dict(outcomes),
        "raised": raised,
        "crashes": crashed,
        "memory_first_mib": memory[0] if memory else 0,
        "memory_last_mib": memory[-1] if memory else 0,
        "memory_peak_mib": peak,
    }


def through_service(count: int, seed: int) -> dict[str, Any]:
    """Send damaged files through a running service."""
    statuses: Counter[str] = Counter()
    with traffic.fresh_service() as service:
        traffic.Pictures(service.detect_url)
        workers, before = service.workers(), traffic.usage(service).total

        def send(file: bytes) -> str:
            while True:
                try:
                    answer = requests.post(service.detect_url, data=file, timeout=60)
                except requests.RequestException as error:
                    return type(error).__name__
                if answer.status_code != 503:
                    return str(answer.status_code)
                time.sleep(float(answer.headers.get("Retry-After", "1")))

        with (
            ThreadPoolExecutor(4) as pool,
            tqdm(total=count, unit="file", desc="service", leave=False) as progress,
        ):
            for status in pool.map(send, files(count, seed)):
                statuses[status] += 1
                progress.update()
        return {
            "files": count,
            "statuses": dict(statuses),
            "worker_restarts": sum(service.workers().get(n) != pid for n, pid in workers.items()),
            "memory_before_mib": round(before),
            "memory_after_mib": round(traffic.usage(service).total),
        }


def main(arguments: list[str]) -> int:
    """Entry point; exit status 1 if a bar was missed."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--files", type=int, default=20_000, help="through the code (20000)")
    parser.add_argument("--service-files", type=int, default=1_000, help="through a service (1000)")
    parser.add_argument("--seed", type=int, default=1, help="of the damage (1)")
    options = parser.parse_args(arguments)
    try:
        code = through_ingest(options.files, options.seed)
        service = through_service(options.service_files, options.seed + 1)
    except KeyboardInterrupt:
        print("\nStopped.")
        return 130
    rows = sorted(code["outcomes"].items(), key=lambda item: -item[1])
    print(report.table(("outcome in the ingest code", "files"), rows))
    print(report.table(("status from the service", "files"), sorted(service["statuses"].items())))
    grown = code["memory_last_mib"] - code["memory_first_mib"]
    peak = code["memory_peak_mib"]
    internal = code["outcomes"].get(INTERNAL, 0)
    odd = {
        status: n
        for status, n in service["statuses"].items()
        if not (status == "200" or status.startswith("4"))
    }
    checks = [
        (f"{code['files']} files: raised {len(code['raised'])}", not code["raised"]),
        (f"errors of the code itself: {internal}", internal == 0),
        ("the process lived", code["crashes"] == 0),
        ("every outcome is a documented one", {*code["outcomes"]} <= {*ERROR_TYPES, "faces"}),
        (f"memory grew by {grown} MiB ({GROWTH_MIB})", grown <= GROWTH_MIB),
        (
            f"memory at its peak {peak} MiB ({CEILING_MIB})",
            peak <= CEILING_MIB,
        ),
        (f"{service['files']} files: answers other than 200 and 4xx: {odd or 'none'}", not odd),
        (f"worker restarts: {service['worker_restarts']}", service["worker_restarts"] == 0),
    ]
    figures = {"ingest": code, "service": service, "seed": options.seed, "bars": dict(checks)}
    print(f"Figures: {report.write('fuzz', json.loads(json.dumps(figures)))}")
    return report.bars(checks)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
