"""Finds out whether the service judges, by letting it judge its reference picture.

`python -m ops.probe` asks once: exit status 0 if the picture was judged. `python -m ops.probe
--watch` asks again and again and keeps the file that `GET /readyz` reads; `make serve` runs it.
The service's counters leave these judgements out.
"""

import argparse
import contextlib
import logging
import sys
import time
from enum import Enum

import requests

from handlers.counters import PROBE_HEADER
from ops.errors import OpsError
from ops.logs import log_to
from ops.processes import Child
from ops.readiness import is_ready, write_ready_until
from ops.reference import reference_picture
from ops.settings import ROOT, WORKFLOW, Settings
from ops.tokens import read_tokens

_TIMEOUT_SECONDS = (5.0, 20.0)  # to connect, to answer
_EVERY_SECONDS = 10.0
_AGAIN_SECONDS = 2.0
_RESTART_SECONDS = 5.0
# Several tries: a busy service refuses some.
READY_SECONDS = 45.0
"""How long a judgement counts."""

_log = logging.getLogger("deepfake.probe")


class Finding(Enum):
    """What a probe found."""

    JUDGED = "judged"
    BUSY = "busy"
    FAILED = "failed"


def probe(settings: Settings) -> tuple[Finding, str]:
    """Let the workflow judge the reference picture.

    Returns:
        What was found, and one sentence for people.
    """
    try:
        token = read_tokens(settings.run_dir).inference
        response = requests.post(
            f"{settings.inference_url}/wfpredict/{WORKFLOW}",
            data=reference_picture(),
            headers={
                "Authorization": f"Bearer {token}",
                "Content-Type": "application/octet-stream",
                PROBE_HEADER: "1",
            },
            timeout=_TIMEOUT_SECONDS,
            proxies={"http": "", "https": ""},
        )
        faces = response.json()["faces"] if response.ok else []
    except (OpsError, requests.RequestException, ValueError, KeyError, TypeError) as error:
        # The error's type alone: its text may hold an address, never a token, but is of no use.
        reason = str(error) if isinstance(error, OpsError) else type(error).__name__
        return Finding.FAILED, f"The reference picture was not judged: {reason}."
    if response.status_code == requests.codes.service_unavailable:
        return Finding.BUSY, "The service is overloaded and refused the reference picture."
    if any(face["box"] for face in faces):
        return Finding.JUDGED, "The reference picture was judged."
    return (
        Finding.FAILED,
        f"The reference picture was judged wrongly (HTTP {response.status_code}).",
    )


def note(settings: Settings, finding: Finding) -> None:
    """Keep readiness: a judgement counts for a while, a failure ends it, busy changes nothing."""
    if finding is Finding.JUDGED:
        write_ready_until(settings.run_dir, time.time() + READY_SECONDS)
    elif finding is Finding.FAILED:
        write_ready_until(settings.run_dir, 0)


def watch(settings: Settings) -> None:
    """Probe for ever, and log when readiness changes."""
    ready = is_ready(settings.run_dir)
    while True:
        finding, sentence = probe(settings)
        note(settings, finding)
        if is_ready(settings.run_dir) != ready:
            ready = not ready
            _log.log(
                logging.INFO if ready else logging.ERROR,
                "%s %s",
                "Ready." if ready else "Not ready.",
                sentence,
            )
        time.sleep(_EVERY_SECONDS if finding is Finding.JUDGED else _AGAIN_SECONDS)


class Watch:
    """The process that keeps readiness, while the service runs."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._child: Child | None = None
        self._started = 0.0

    def ensure(self) -> None:
        """Start the process, or start it again if it has ended."""
        ended = self._child is None or self._child.exit_status() is not None
        if ended and time.monotonic() - self._started > _RESTART_SECONDS:
            self._started = time.monotonic()
            with contextlib.suppress(OpsError, OSError):  # tried again later
                self._child = Child.start(
                    "The probe",
                    [sys.executable, "-m", "ops.probe", "--watch"],
                    cwd=ROOT,
                    environment=self._settings.as_environment(),
                    log=self._settings.log_dir / "probe-console.log",
                )

    def stop(self) -> None:
        """Count as not ready from now on, and end the process."""
        if self._child is not None:
            self._child.stop()
            write_ready_until(self._settings.run_dir, 0)
        self._child = None


def main(arguments: list[str]) -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(
        prog="python -m ops.probe", description="Let the service judge its reference picture."
    )
    parser.add_argument("--watch", action="store_true", help="again and again, for /readyz")
    options = parser.parse_args(arguments)
    try:
        settings = Settings.from_environment()
        if options.watch:
            log_to(settings.log_dir / "probe.log")
            watch(settings)
    except OpsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    finding, sentence = probe(settings)
    print(sentence)
    return 0 if finding is Finding.JUDGED else 1


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
