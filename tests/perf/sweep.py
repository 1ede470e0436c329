"""Throughput and latency with other batches and numbers of processes than those that are set.

Run as `python -m tests.perf.sweep` after `make archive`, everything else closed; two minutes with
the settings that it tries by default. For each it starts a service of its own and loads it with the
256-px crop as `make bench` does. It decides `BATCH_SIZE`, `MAX_BATCH_DELAY_MS` and `node_workers`
of `ops.archive`; single runs differ by a few percent, so look for more than that.
"""

from __future__ import annotations

import argparse
import os
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ops import archive
from ops.settings import Settings
from tests.perf.bench import load, pictures, servers
from tests.perf.bench.inprocess import CROP
from tests.perf.report import table

_CLIENTS = 16
_WARM_SECONDS = 2.0
_SERVE = "serve"


class Choice(NamedTuple):
    """What may be set.

    Attributes:
        batch: most requests in a batch of a network or of explain.
        delay: milliseconds that a request waits for others at a node.
        workers: processes of each node.
    """

    batch: int
    delay: int
    workers: int


def choices() -> Iterator[Choice]:
    """What is set, and what differs from it in one value."""
    workers = archive.node_workers(len(os.sched_getaffinity(0)))
    now = Choice(archive.BATCH_SIZE, archive.MAX_BATCH_DELAY_MS, workers)
    yield now
    yield from (now._replace(batch=batch) for batch in (1, 2, 4, 16))
    yield from (now._replace(delay=delay) for delay in (0, 5))
    yield from (now._replace(workers=count) for count in {max(1, workers - 1), workers + 1})


def main(arguments: list[str] | None = None) -> int:
    """Entry point: prints the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.perf.sweep", description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0, help="load at each setting")
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args(arguments)
    store = Settings.from_environment().model_store
    archive.build_all(Settings.from_environment())
    rows = []
    for number in range(options.rounds):
        for choice in dict.fromkeys(choices()):
            many, alone = _measure(store, choice, options.seconds)
            row = [number + 1, *choice, many["rps"], many["p50_ms"], alone["p50_ms"]]
            rows.append([str(value) for value in row])
            print(" ".join(rows[-1]), flush=True)
    heads = ("round", "batch", "delay, ms", "processes a node")
    print(table((*heads, f"a second, {_CLIENTS} clients", "p50 ms", "p50 ms, 1 client"), rows))
    return 0


def _measure(store: Path, choice: Choice, seconds: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """Loads a service that has these settings, with many clients and with one."""
    prefix = [sys.executable, "-m", "tests.perf.sweep", _SERVE, *map(str, choice)]
    with servers.our_service(store, prefix) as server:
        target = server.targets["workflow"](pictures.files()[CROP])
        load.run(target, _CLIENTS, _WARM_SECONDS)
        return load.run(target, _CLIENTS, seconds), load.run(target, 1, seconds / 2)


def _serve(choice: Choice) -> None:
    """Runs the service with these settings: in a process of its own, which `_measure` starts."""
    archive.BATCH_SIZE = choice.batch
    archive.MAX_BATCH_DELAY_MS = choice.delay
    archive.node_workers = lambda cores: choice.workers  # noqa: ARG005
    runpy.run_module("ops.serve", run_name="__main__")


if __name__ == "__main__":
    if sys.argv[1:2] == [_SERVE]:
        _serve(Choice(*map(int, sys.argv[2:5])))
    else:
        sys.exit(main())
