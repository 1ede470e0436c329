"""Where the processor time of a request goes under load, by process and by kind of thread.

Run as `python -m tests.perf.cost` after `make archive`, everything else closed. The same loop of
clients as in `make bench` loads a service of our own with the 256-px crop; CPU times are the
kernel's. What a second has beyond them is waiting, or went to other programs.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

from ops import archive
from ops.settings import Settings
from tests.perf.bench import load, pictures, servers
from tests.perf.bench.inprocess import CROP
from tests.perf.report import table

_TICKS = os.sysconf("SC_CLK_TCK")
_WARM_SECONDS = 4.0
_LEAST_MS = 0.1  # a request; threads that take less are left out


def main(arguments: list[str] | None = None) -> int:
    """Entry point: prints the throughput and the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.perf.cost", description=__doc__)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args(arguments)
    settings = Settings.from_environment()
    archive.build_all(settings)
    with servers.our_service(settings.model_store) as server:
        target = server.targets["workflow"](pictures.files()[CROP])
        load.run(target, options.clients, _WARM_SECONDS)
        before, mine = _seconds(server.pid), sum(os.times()[:2])
        result = load.run(target, options.clients, options.seconds)
        spent = {key: now - before.get(key, 0.0) for key, now in _seconds(server.pid).items()}
        spent["clients", ""] = sum(os.times()[:2]) - mine
    print(f"{result['rps']} a second, p50 {result['p50_ms']} ms, failures {result['failures']}")
    heads = ("process", "thread", "CPU ms a request")
    print(table(heads, list(_rows(spent, 1000 / result["n"]))))
    return 0


def _rows(spent: Mapping[tuple[str, str], float], factor: float) -> Iterator[list[str]]:
    """A row for each process, the greatest first, and below it rows of its kinds of threads."""
    ordered = sorted(spent.items(), key=lambda item: -item[1])
    totals = [(process, seconds) for (process, thread), seconds in ordered if not thread]
    for name, total in totals:
        yield [name, "", f"{total * factor:.2f}"]
        threads = [(t, s * factor) for (process, t), s in ordered if process == name and t]
        if len(threads) > 1:
            yield from (["", t, f"{ms:.2f}"] for t, ms in threads if ms >= _LEAST_MS)
    yield ["all", "", f"{sum(seconds for _, seconds in totals) * factor:.2f}"]


def _seconds(pid: int) -> dict[tuple[str, str], float]:
    """CPU seconds so far of a process and all it started, by process and kind of thread.

    Those of the whole process stand under "": threads that have ended are only in there.
    """
    found: dict[tuple[str, str], float] = defaultdict(float)
    for process in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
        name, times = _name(process), process.cpu_times()
        found[name, ""] += times.user + times.system
        for thread, seconds in _threads(process.pid):
            found[name, thread] += seconds
    return found


def _name(process: psutil.Process) -> str:
    """The node that a worker serves, else the program."""
    manifest = Path(process.cwd(), "MAR-INF", "MANIFEST.json")
    if manifest.is_file():
        return str(json.loads(manifest.read_text())["model"]["modelName"])
    name: str = process.name()
    return name


def _threads(pid: int) -> Iterator[tuple[str, float]]:
    """Each thread's name without numbers, and its CPU seconds."""
    for stat in Path("/proc", str(pid), "task").glob("*/stat"):
        try:
            head, _, rest = stat.read_text().rpartition(")")
        except OSError:  # it has ended
            continue
        fields = rest.split()
        name = re.sub(r"[-#0-9]+", " ", head.partition("(")[2]).strip()
        yield name, (int(fields[11]) + int(fields[12])) / _TICKS


if __name__ == "__main__":
    sys.exit(main())
