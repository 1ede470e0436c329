"""Whether the service leaks: steady traffic, memory and threads watched. `make soak`.

Good pictures and bad ones go in all the time. Memory is the anonymous memory (heaps and stacks)
of every process of the service together. Pages of files are left out: another program that maps the
same file, and ends, would change what counts as the service's own.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import threading
import time
from dataclasses import asdict, dataclass
from statistics import median

import requests
from tqdm import tqdm

from tests.perf import report, traffic
from tests.support import pictures
from tests.support.service import RunningService

EVERY_SECONDS = 5.0
WARM_SECONDS = 60.0
WINDOW = 6  # samples that are taken together, so that one moment does not decide
MEMORY_SHARE = 0.05
MOST_THREADS = 5
HUNG = "Timed out while executing"


@dataclass(frozen=True)
class Sample:
    """The service at one moment, in seconds since the start."""

    after: float
    usage: traffic.Usage


class BadClients:
    """One client that sends what cannot be judged, and notes answers that are not refusals."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._files = [item for item in pictures.bad().values() if len(item[0]) < 10**5]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self.sent = 0
        self.unexpected: list[str] = []

    def __enter__(self) -> BadClients:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(traffic.PATIENCE_SECONDS)

    def _work(self) -> None:
        with traffic.new_session() as session:
            for data, status in itertools.cycle(self._files):
                if self._stop.wait(0.5):
                    return
                try:
                    answer = session.post(self._url, data=data, timeout=60).status_code
                except requests.RequestException as error:
                    self.unexpected.append(type(error).__name__)
                    continue
                self.sent += 1
                if answer not in {status, 503}:
                    self.unexpected.append(f"{answer}, not {status}")


def watch(service: RunningService, duration: float, samples: list[Sample]) -> None:
    """Take a sample every few seconds."""
    begin = time.monotonic()
    with tqdm(total=round(duration), unit="s", desc="soak", leave=False) as progress:
        while (after := time.monotonic() - begin) < duration:
            usage = traffic.usage(service)
            samples.append(Sample(after, usage))
            progress.update(round(after) - progress.n)
            progress.set_postfix_str(f"{usage.total:.0f} MiB, {usage.threads} threads")
            time.sleep(EVERY_SECONDS)


def main(arguments: list[str]) -> int:
    """Entry point; exit status 1 if a bar was missed."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0, help="how long (20)")
    parser.add_argument("--clients", type=int, default=4, help="clients that send pictures (4)")
    options = parser.parse_args(arguments)
    if options.minutes * 60 < WARM_SECONDS + 2 * WINDOW * EVERY_SECONDS:
        parser.error("the soak needs at least 2 minutes and a half.")
    samples: list[Sample] = []
    with traffic.fresh_service() as service:
        known = traffic.Pictures(service.detect_url)
        workers = service.workers()
        crowd = traffic.Clients(known, options.clients, obey=True)
        junk = BadClients(service.detect_url)
        try:
            with crowd, junk:
                watch(service, options.minutes * 60, samples)
        except KeyboardInterrupt:
            print("\nStopped: no figures.")
            return 130
        hung = service.log().count(HUNG)
        restarted = service.workers() != workers
    return conclude(samples, crowd, junk, hung=hung, restarted=restarted)


def conclude(
    samples: list[Sample],
    crowd: traffic.Clients,
    junk: BadClients,
    *,
    hung: int,
    restarted: bool,
) -> int:
    """Print and write the figures; the exit status."""
    first = [sample for sample in samples if sample.after >= WARM_SECONDS][:WINDOW]
    last = samples[-WINDOW:]
    programs = sorted(first[0].usage.memory)
    rows = [
        [
            name,
            *(f"{median(s.usage.memory.get(p, 0) for s in part):.0f}" for p in programs),
            f"{median(s.usage.total for s in part):.0f}",
            f"{median(s.usage.threads for s in part):.0f}",
            f"{median(s.usage.processes for s in part):.0f}",
        ]
        for name, part in (("after the first minute", first), ("at the end", last))
    ]
    kinds = traffic.count(crowd.outcomes)
    print(
        report.table(("", *(f"{p} MiB" for p in programs), "all MiB", "threads", "processes"), rows)
    )
    print(f"Pictures: {kinds}. Bad uploads: {junk.sent}, unexpected: {junk.unexpected[:5]}.")
    growth = median(s.usage.total for s in last) / median(s.usage.total for s in first) - 1
    threads = median(s.usage.threads for s in last) - median(s.usage.threads for s in first)
    lost = kinds["wrong"] + kinds["failed"] + kinds["broken"] + kinds["hung"]
    checks = [
        (f"memory {growth:+.1%} (5 %)", abs(growth) <= MEMORY_SHARE),
        (f"threads {threads:+.0f} (5)", abs(threads) <= MOST_THREADS),
        (f"answered wrongly, failed or hung: {lost}", lost == 0),
        (f"bad uploads answered unexpectedly: {len(junk.unexpected)}", not junk.unexpected),
        (f'log lines "{HUNG}": {hung}', hung == 0),
        ("no worker was restarted", not restarted),
    ]
    figures = {
        "samples": [asdict(sample) for sample in samples],
        "outcomes": kinds,
        "bad_uploads": junk.sent,
        "hung_log_lines": hung,
    }
    print(f"Figures: {report.write('soak', figures | {'bars': dict(checks)})}")
    return report.bars(checks)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
