"""How the service bears load: a ramp to well past saturation and back. `make load`.

First clients, each asking the next picture when it has the answer to the one before: more and more
until more bring no more throughput, then three times as many as that takes. Then requests at three
times the best rate, whether the ones before were answered or not. Then back down.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import asdict, dataclass

from tests.perf import report, traffic

RAMP = (1, 2, 4, 8, 12, 16, 24, 32, 48)
BACK = (8, 1)
GAIN = 1.05  # a step must bring this much more, or the service is saturated
MOST_SECONDS = 5.0
LEAST_SHARE = 0.8


@dataclass(frozen=True)
class Step:
    """One step of the ramp: what was sent, and what came back (times in seconds)."""

    load: str
    sent: int
    right: int
    refused: int
    other: int
    rate: float
    p50: float | None
    p99: float | None
    slowest: float
    slowest_refusal: float | None

    @classmethod
    def of(cls, load: str, outcomes: list[traffic.Outcome], duration: float) -> Step:
        """Sum up the requests of a step that took `duration` seconds."""
        kinds = traffic.count(outcomes)
        right = [outcome.seconds for outcome in outcomes if outcome.kind == "right"]
        refused = [outcome.seconds for outcome in outcomes if outcome.kind == "refused"]
        return cls(
            load=load,
            sent=len(outcomes),
            right=kinds["right"],
            refused=kinds["refused"],
            other=len(outcomes) - kinds["right"] - kinds["refused"],
            rate=kinds["right"] / duration,
            p50=report.quantile(right, 0.5),
            p99=report.quantile(right, 0.99),
            slowest=max((outcome.seconds for outcome in outcomes), default=0.0),
            slowest_refusal=max(refused, default=None),
        )

    def row(self) -> list[object]:
        """The step as a row of the table."""
        share = self.sent or 1
        return [
            self.load,
            self.sent,
            f"{self.right / share:.1%}",
            f"{self.refused / share:.1%}",
            self.other,
            f"{self.rate:.1f}",
            *(report.seconds(value) for value in (self.p50, self.p99, self.slowest)),
            report.seconds(self.slowest_refusal),
        ]


HEADS = (
    "load",
    "sent",
    "answered",
    "refused",
    "other",
    "answered/s",
    "p50 s",
    "p99 s",
    "slowest s",
    "slowest refusal s",
)


def clients_step(known: traffic.Pictures, clients: int, duration: float) -> Step:
    """Keep that many clients busy for `duration` seconds."""
    begin = time.monotonic()
    with traffic.Clients(known, clients) as crowd:
        time.sleep(duration)
    # The last answers come in after the time is over: they belong to the step, and so does the
    # time they took.
    step = Step.of(f"{clients} clients", crowd.outcomes, time.monotonic() - begin)
    say(step)
    return step


def arrivals_step(known: traffic.Pictures, rate: float, duration: float) -> Step:
    """Send `rate` requests a second for `duration` seconds."""

    def send(number: int) -> traffic.Outcome:
        with traffic.new_session() as session:
            return known.ask(session, number)

    begin = time.monotonic()
    outcomes = traffic.arrivals(rate, duration, send)
    step = Step.of(f"{rate:.0f} a second", outcomes, time.monotonic() - begin)
    say(step)
    return step


def say(step: Step) -> None:
    """Show that it goes on."""
    print(
        f"  {step.load:>14}: {step.rate:5.1f} answered/s, {step.refused} of {step.sent} refused, "
        f"slowest {step.slowest:.2f} s",
        flush=True,
    )


def ramp(known: traffic.Pictures, duration: float, steps: list[Step]) -> tuple[int, float]:
    """Add clients until more bring no more; the number that saturates, and the best rate."""
    saturating, best, idle = RAMP[0], 0.0, 0
    for clients in RAMP:
        step = clients_step(known, clients, duration)
        steps.append(step)
        if step.rate > GAIN * best:
            saturating, idle = clients, 0
        else:
            idle += 1
        best = max(best, step.rate)
        if idle == 2:
            break
    return saturating, best


def measure(known: traffic.Pictures, duration: float, steps: list[Step]) -> tuple[int, float, int]:
    """Run all steps; the saturating number of clients, the best rate, and where 3x begins."""
    clients_step(known, 4, duration / 2)  # pools and caches fill
    saturating, best = ramp(known, duration, steps)
    first = len(steps)
    steps.append(clients_step(known, 3 * saturating, duration))
    steps.append(arrivals_step(known, 3 * best, duration))
    steps.extend(clients_step(known, clients, duration) for clients in BACK)
    return saturating, best, first


def main(arguments: list[str]) -> int:
    """Entry point; exit status 1 if a bar was missed."""
    parser = argparse.ArgumentParser(prog="make load", description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each step (20)")
    options = parser.parse_args(arguments)
    steps: list[Step] = []
    try:
        with traffic.fresh_service() as service:
            known = traffic.Pictures(service.detect_url)
            saturating, best, first = measure(known, options.seconds, steps)
    except KeyboardInterrupt:
        print("\nStopped." + (f" Until then:\n{_table(steps)}" if steps else ""))
        return 130
    past = steps[first : first + 2]
    print(f"\n{_table(steps)}\n")
    print(f"Saturated by {saturating} clients; best {best:.1f} answers a second.")
    slowest = max(step.slowest for step in past)
    share = min(step.rate for step in past) / best
    checks = [
        (f"at 3x, slowest answer or refusal {slowest:.2f} s (5 s)", slowest <= MOST_SECONDS),
        (f"at 3x, throughput {share:.0%} of the best (80 %)", share >= LEAST_SHARE),
        (
            f"answered wrongly, failed or hung: {sum(step.other for step in steps)}",
            not any(step.other for step in steps),
        ),
    ]
    figures = {"saturating_clients": saturating, "best_rate_per_second": best}
    path = report.write(
        "load", figures | {"steps": [asdict(s) for s in steps], "bars": dict(checks)}
    )
    print(f"Figures: {path}")
    return report.bars(checks)


def _table(steps: list[Step]) -> str:
    return report.table(HEADS, [step.row() for step in steps])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
