"""Starts programs in the background and ends them with everything they started."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import psutil

from ops.errors import OpsError

_PR_SET_PDEATHSIG = 1
_LAST_BYTES = 16 * 1024


class Child:
    """A program in its own session, so that Ctrl-C in the terminal reaches only us.

    We end it in order, and everything it started with it. On Linux it is also told to end by the
    kernel if we are killed without the chance to do so.
    """

    def __init__(self, name: str, popen: "subprocess.Popen[bytes]", log: Path) -> None:
        self.name = name
        self._popen = popen
        self._log = log

    @classmethod
    def start(
        cls, name: str, command: list[str], cwd: Path, environment: Mapping[str, str], log: Path
    ) -> "Child":
        """Start `command`; what it prints is appended to `log`, or lost if that cannot be opened.

        Raises:
            OpsError: the program cannot be run.
        """
        with _open_log(log) as output:
            try:
                popen = subprocess.Popen(
                    command,
                    cwd=cwd,
                    env=dict(environment),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    preexec_fn=_prepare if sys.platform == "linux" else None,  # noqa: PLW1509 - no threads are running yet
                )
            except OSError as error:
                raise OpsError(f"{name} could not be started: {error}.") from error
        return cls(name, popen, log)

    @property
    def pid(self) -> int:
        """Process number, which is also the number of its process group."""
        return self._popen.pid

    def exit_status(self) -> int | None:
        """The exit status, or None while it runs."""
        return self._popen.poll()

    def last_words(self) -> str:
        """The last line that the program printed."""
        try:
            with self._log.open("rb") as log:
                log.seek(max(0, self._log.stat().st_size - _LAST_BYTES))
                lines = log.read(_LAST_BYTES).decode(errors="replace").strip().splitlines()
        except OSError:
            return "none"
        return lines[-1][:300] if lines else "none"

    def stop(self, grace: float = 20.0) -> None:
        """Ask the program to end, wait up to `grace` seconds, then kill what is left of it."""
        if self._popen.poll() is None:
            self._popen.terminate()
            try:
                self._popen.wait(grace)
            except subprocess.TimeoutExpired:
                self._popen.kill()
                self._popen.wait()
        end_group(self.pid)


def group_members(group: int) -> list[psutil.Process]:
    """Living processes of a process group (zombies count as ended)."""
    members = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                members.append(process)
        except (ProcessLookupError, psutil.Error):
            continue
    return members


def end_group(group: int, grace: float = 3.0) -> None:
    """End whatever still lives in a process group: asked first, killed after `grace` seconds."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        if not group_members(group):
            return
        try:
            os.killpg(group, sign)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + grace
        while group_members(group) and time.monotonic() < deadline:
            time.sleep(0.05)


def is_alive(pid: int, started: float | None = None) -> bool:
    """Whether a process lives.

    Args:
        pid: its number.
        started: when it started (seconds since the epoch), to tell it from a later process that
            was given the same number.
    """
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return started is None or abs(process.create_time() - started) < 1.0
    except psutil.Error:
        return False


def _open_log(log: Path) -> BinaryIO:
    try:
        return log.open("ab")
    except OSError:  # a full disk must not keep the service from running
        return Path(os.devnull).open("ab")


def _prepare() -> None:
    """In the new process: it ends with its parent, and does not interrupt the service's others.

    Under load every message would otherwise take a core from a network in the middle of its pass,
    whose data the caches then lose (`python -m tests.perf.cost` shows the processor time).
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    with contextlib.suppress(OSError):  # a sandbox may forbid it: slower, but right
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
