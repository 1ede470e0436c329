"""Ends the service, however it was left. Run as `python -m ops.stop`."""

import os
import shutil
import signal
import sys
import time
from pathlib import Path

import psutil

from ops import state
from ops.errors import OpsError
from ops.processes import end_group
from ops.settings import Settings

_SECONDS = 60.0
_OURS = ("org.pytorch.serve.ModelServer", "caddy")


def stop(settings: Settings) -> str:
    """End the service; returns what was done, in one sentence.

    Raises:
        OpsError: it could not be ended.
    """
    running = state.read(settings.run_dir)
    if running is None:
        return "The service does not run."
    if running.is_alive():
        os.kill(running.pid, signal.SIGTERM)
        deadline = time.monotonic() + _SECONDS
        while running.is_alive():
            if time.monotonic() > deadline:
                raise OpsError(f"Process {running.pid} did not end within {_SECONDS:.0f} seconds.")
            time.sleep(0.1)
        return "Stopped."
    ended = stop_leftovers(settings)
    return "Ended what a killed service had left." if ended else "The service does not run."


def stop_leftovers(settings: Settings) -> bool:
    """End what a service left behind whose supervising process was killed.

    Returns:
        Whether there was anything.
    """
    running = state.read(settings.run_dir)
    if running is None or running.is_alive():
        return False
    left = [group for group in running.groups if _is_ours(group)]
    for group in left:
        end_group(group)
    shutil.rmtree(Path(running.scratch), ignore_errors=True)
    state.clear(settings.run_dir)
    return bool(left)


def _is_ours(pid: int) -> bool:
    try:
        return any(name in part for part in psutil.Process(pid).cmdline() for name in _OURS)
    except psutil.Error:
        return False


def main() -> int:
    """Entry point."""
    try:
        print(stop(Settings.from_environment()))
    except OpsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
