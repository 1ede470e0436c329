"""What the service does when something breaks, under traffic. `make faults`.

Each fault in turn, while two clients ask pictures whose answers are known: how long until the
service judges rightly again, and what became of the requests meanwhile.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from ops.errors import OpsError
from ops.rollout import Rollout
from ops.rotation import Rotation
from tests.perf import report, traffic
from tests.support.service import RunningService
from tests.support.swapping import add_version_that_does_not_load

MOST_SECONDS = 30.0
SETTLE_SECONDS = 3.0
GIVE_UP_SECONDS = 180.0
LOG_DISK = "1m"
BAD_MODEL, BAD_VERSION = "efficientnet", "6.6"
NODES = ("ingest", "cnn", "efficientnet", "explain")

Fault = Callable[[RunningService], None]


@dataclass(frozen=True)
class Result:
    """A fault: how long until the first right answer to a request sent after it, and the rest."""

    fault: str
    healed_after: float
    outcomes: dict[str, int]
    slowest: float

    def row(self) -> list[object]:
        """The fault as a row of the table."""
        kinds = self.outcomes
        failed = kinds["failed"] + kinds["broken"] + kinds["hung"]
        return [
            self.fault,
            f"{self.healed_after:.1f}",
            kinds["right"],
            kinds["wrong"],
            kinds["refused"],
            failed,
            f"{self.slowest:.1f}",
        ]


HEADS = ("fault", "judges again s", "right", "wrong", "refused", "failed", "slowest answer s")


def kill_worker(node: str) -> Fault:
    """`kill -9` of a node's worker."""
    return lambda service: os.kill(service.workers()[f"deepfake__{node}"], signal.SIGKILL)


def hang_worker(node: str) -> Fault:
    """A node's worker that does nothing any more, and does not end."""
    return lambda service: os.kill(service.workers()[f"deepfake__{node}"], signal.SIGSTOP)


def kill_torchserve(service: RunningService) -> None:
    """`kill -9` of the JVM."""
    service.torchserve.kill()


def stop_edge(service: RunningService) -> None:
    """The edge is asked to end."""
    service.edge.terminate()


def kill_edge(service: RunningService) -> None:
    """`kill -9` of the edge."""
    service.edge.kill()


def fill_log_disk(service: RunningService) -> None:
    """Write into the log folder until nothing more fits."""
    with (service.settings.log_dir / "filling").open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    left = os.statvfs(service.settings.log_dir).f_bavail
    assert left == 0, f"the log disk still has {left} blocks"


def rotate_tokens(service: RunningService) -> None:
    """Renew the tokens five times."""
    for _ in range(5):
        Rotation(service.settings).renew()
        time.sleep(0.5)


def promote_bad_version(service: RunningService) -> None:
    """Promote a version whose worker ends as it starts."""
    add_version_that_does_not_load(service.settings.model_store, BAD_MODEL, BAD_VERSION)
    try:
        Rollout.connect(service.settings, lambda _: None).promote(BAD_MODEL, BAD_VERSION)
    except OpsError:
        return
    raise AssertionError("a version that does not load was promoted")


def faults(*, log_disk: bool) -> dict[str, Fault]:
    """All faults, the harmless ones first."""
    found: dict[str, Fault] = {
        "tokens renewed five times": rotate_tokens,
        "bad version promoted": promote_bad_version,
    }
    found |= {f"kill -9 worker of {node}": kill_worker(node) for node in NODES}
    found |= {"edge stopped": stop_edge, "kill -9 edge": kill_edge, "kill -9 JVM": kill_torchserve}
    if log_disk:
        found["disk of the log folder full"] = fill_log_disk
        found["kill -9 JVM, log disk full"] = kill_torchserve
    return found | {"worker of cnn hangs": hang_worker("cnn")}


def suffer(service: RunningService, known: traffic.Pictures, name: str, fault: Fault) -> Result:
    """Let a fault happen under traffic and wait until everything runs again."""
    with traffic.Clients(known, 2, pause=0.2) as crowd:
        time.sleep(SETTLE_SECONDS)
        begin = time.monotonic()
        fault(service)
        deadline = begin + GIVE_UP_SECONDS
        while not (healed := _right_after(crowd, begin)) and time.monotonic() < deadline:
            time.sleep(0.1)
        wait_until_whole(service, deadline)
        time.sleep(SETTLE_SECONDS)
    outcomes = [item for item in crowd.outcomes if item.begin + item.seconds >= begin]
    return Result(
        name,
        healed - begin if healed else GIVE_UP_SECONDS,
        traffic.count(outcomes),
        max((item.seconds for item in outcomes), default=0.0),
    )


def _right_after(crowd: traffic.Clients, begin: float) -> float | None:
    """When the first right answer to a request sent after the fault came."""
    later = [item for item in crowd.outcomes if item.begin >= begin and item.kind == "right"]
    return min(map(_end, later), default=None)


def _end(item: traffic.Outcome) -> float:
    return item.begin + item.seconds


def wait_until_whole(service: RunningService, deadline: float) -> None:
    """Wait until every model has a worker that answers: the next fault shall meet all of them."""
    while time.monotonic() < deadline:
        with suppress(OpsError, IndexError):
            described = [
                service.management.describe_model(name)[0]["workers"]
                for name in service.management.models()
            ]
            if len(described) == len(NODES) + 2 and all(
                any(worker["status"] == "READY" for worker in workers) for workers in described
            ):
                return
        time.sleep(0.2)


@contextmanager
def small_log_disk(folder: Path) -> Iterator[bool]:
    """Put a small disk under the log folder; whether that was allowed (it takes root)."""
    folder.mkdir(mode=0o700, parents=True)
    options = ["-t", "tmpfs", "-o", f"size={LOG_DISK}", "tmpfs", str(folder)]
    done = subprocess.run(["mount", *options], capture_output=True, check=False)
    try:
        yield done.returncode == 0
    finally:
        if done.returncode == 0:
            subprocess.run(["umount", "-l", str(folder)], check=False)


def main(arguments: list[str]) -> int:
    """Entry point; exit status 1 if a bar was missed."""
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--only", default="", help="faults whose name contains this")
    options = parser.parse_args(arguments)
    results: list[Result] = []
    try:
        with (
            traffic.fresh_folder() as folder,
            small_log_disk(folder / "run" / "logs") as log_disk,
            traffic.fresh_service(folder) as service,
        ):
            known = traffic.Pictures(service.detect_url)
            for name, fault in faults(log_disk=log_disk).items():
                if options.only in name:
                    results.append(suffer(service, known, name, fault))
                    print(f"  {name}: judges again after {results[-1].healed_after:.1f} s")
    except KeyboardInterrupt:
        print("\nStopped.")
        return 130
    print(f"\n{report.table(HEADS, [result.row() for result in results])}\n")
    if not log_disk:
        print("The full log disk was not tried: mounting a small one was not allowed (root may).")
    slowest = max((result.healed_after for result in results), default=0.0)
    wrong = sum(result.outcomes["wrong"] for result in results)
    hung = sum(result.outcomes["hung"] for result in results)
    checks = [
        (f"judges again after at most {slowest:.1f} s (30 s)", slowest <= MOST_SECONDS),
        (f"answered wrongly: {wrong}", wrong == 0),
        (f"hung for {traffic.PATIENCE_SECONDS:.0f} s: {hung}", hung == 0),
        ("every fault was tried", log_disk or bool(options.only)),
    ]
    figures = {"faults": [asdict(result) for result in results], "bars": dict(checks)}
    print(f"Figures: {report.write('faults', figures)}")
    return report.bars(checks)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
