"""Swaps a model's version under load, and checks that no request is lost, refused, hung or wrong.

Run as `python -m tests.perf.swap_under_load` (`make swap-under-load`). The service is one of its
own on free ports, with copies of the committed versions. In each round another version is loaded,
checked and promoted, then rolled back, then taken out of memory, all while clients send pictures.
The figures are printed and written to build/perf/swap-under-load.json; exit status 1 says that
something failed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ops.archive import serving_versions
from ops.settings import ROOT
from tests.support import pictures
from tests.support.service import RunningService, model_store, run_service
from tests.support.swapping import (
    HUNG_SECONDS,
    Answer,
    Load,
    Step,
    Switch,
    add_another_version,
    misplaced,
    percentile,
    swap,
    timed_rollout,
    weights_of,
)

RESULT = ROOT / "build" / "perf" / "swap-under-load.json"


def measure(service: RunningService, other: str, options: argparse.Namespace) -> dict[str, Any]:
    """Run the load with the swaps; returns the figures as JSON values."""
    model, store = options.model, service.settings.model_store
    first = serving_versions(store)[model]
    rollout, switches = timed_rollout(service)
    load = Load(service.detect_url, list(pictures.valid().values()), model)
    steps: list[Step] = []
    with load.running(options.concurrency, options.requests):
        load.wait_for(2 * options.concurrency)
        for number in range(options.swaps):
            done = swap(rollout, model, other, load.wait_for, options.pause)
            took = ", ".join(f"{step.action} {step.end - step.begin:.1f} s" for step in done)
            print(f"round {number + 1}: {took}; {len(load.answers)} answers", flush=True)
            steps += done
    weights = weights_of(store, model, (first, other))
    return {
        "model": model,
        "versions": [first, other],
        "concurrency": options.concurrency,
        "cores": os.cpu_count(),
        "load_average": os.getloadavg()[0],
        "timed_out_in_workflow": service.log().count("Timed out while executing"),
        "nodes_called_again": service.log().count("Calling "),
        **summary(load.answers, first, switches, weights),
        **timeline(load.answers, steps),
    }


def summary(
    answers: Sequence[Answer], first: str, switches: Sequence[Switch], weights: dict[str, str]
) -> dict[str, Any]:
    """What came back, counted."""
    seconds = [answer.seconds for answer in answers]
    took = max(answer.end for answer in answers) - min(answer.begin for answer in answers)
    wrong = misplaced(answers, first, switches)
    wrong += [a for a in answers if a.status == 200 and a.weights != weights.get(a.version)]
    failed = [answer for answer in answers if answer.status != 200]
    return {
        "requests": len(answers),
        "switches": len(switches),
        "seconds": round(took, 1),
        "answers_per_second": round(len(answers) / took, 2),
        "median_seconds": round(percentile(seconds, 0.5), 3),
        "p99_seconds": round(percentile(seconds, 0.99), 3),
        "longest_seconds": round(max(seconds), 3),
        "statuses": {str(k): v for k, v in Counter(a.status for a in answers).items()},
        "by_version": dict(Counter(a.version for a in answers if a.version)),
        "lost": sum(answer.status == 0 for answer in answers),
        "refused": sum(answer.status not in {0, 200} for answer in answers),
        "hung": sum(second > HUNG_SECONDS for second in seconds),
        "wrong_version_or_weights": len(wrong),
        "examples": [answer.problem for answer in failed[:5]] + [repr(a) for a in wrong[:5]],
    }


def timeline(answers: Sequence[Answer], steps: Sequence[Step]) -> dict[str, Any]:
    """When the steps were taken, and what went on when the slowest answers were waited for."""
    start = min(answer.begin for answer in answers)
    slowest = sorted(answers, key=lambda answer: answer.seconds, reverse=True)[:5]
    return {
        "slowest": [
            {
                "seconds": round(answer.seconds, 2),
                "sent_at": round(answer.begin - start, 2),
                "meanwhile": [
                    step.action
                    for step in steps
                    if step.begin < answer.end and step.end > answer.begin
                ],
            }
            for answer in slowest
        ],
        "steps": [
            {
                "action": step.action,
                "at": round(step.begin - start, 2),
                "seconds": round(step.end - step.begin, 2),
            }
            for step in steps
        ],
    }


def main(arguments: list[str]) -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", choices=("cnn", "efficientnet"), default="efficientnet")
    parser.add_argument("--requests", type=int, default=2000, help="at least so many")
    parser.add_argument("--concurrency", type=int, default=16, help="clients")
    parser.add_argument("--swaps", type=int, default=5, help="promotions, each rolled back")
    parser.add_argument("--pause", type=int, default=40, help="answers between two steps")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="deepfake-swap-") as folder:
        store, run = Path(folder) / "store", Path(folder) / "service"
        store.mkdir()
        run.mkdir()
        model_store(store)
        other = add_another_version(store, options.model)
        with run_service(store, run) as service:
            found = measure(service, other, options)
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(found, indent=2) + "\n")
    for name, value in found.items():
        if name != "steps":
            print(f"{name:<26}{value}")
    print(f"Written to {RESULT.relative_to(ROOT)}.")
    bad = ("lost", "refused", "hung", "wrong_version_or_weights")
    return 1 if any(found[name] for name in bad) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
