"""Whether the service is ready: until when its last judgement of a picture counts.

A file holds that time, in seconds since the epoch; the edge reads it with each `GET /readyz`. So
nobody makes the service work by asking, and a probe that has died cannot leave it ready for ever.
"""

import os
import time
from pathlib import Path

READY_FILE = "ready"
_DIGITS = 10


def prepare_readiness(run_dir: Path) -> None:
    """Make the file where there is none; it says: not ready."""
    if not (run_dir / READY_FILE).is_file():
        write_ready_until(run_dir, 0)


def write_ready_until(run_dir: Path, moment: float) -> None:
    """Count as ready until `moment`, in seconds since the epoch.

    The digits are written over the old ones, in one call: that works on a full disk too.
    """
    descriptor = os.open(run_dir / READY_FILE, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.pwrite(descriptor, f"{int(moment):0{_DIGITS}}".encode(), 0)
    finally:
        os.close(descriptor)


def is_ready(run_dir: Path) -> bool:
    """Whether the service counts as ready now."""
    try:
        return int((run_dir / READY_FILE).read_text()) > time.time()
    except (OSError, ValueError):
        return False
