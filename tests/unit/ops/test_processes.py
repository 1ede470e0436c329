from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from ops.errors import OpsError
from ops.processes import Child, end_group, group_members, is_alive

# A program that starts another one, and neither ends when asked to.
STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
subprocess.Popen([sys.executable, "-c", child])
print("ready", flush=True)
time.sleep(600)
"""


def start(tmp_path: Path, code: str) -> Child:
    log = tmp_path / "log"
    return Child.start("Sleeper", [sys.executable, "-c", code], tmp_path, os.environ, log)


def wait_for(log: Path, text: str) -> None:
    deadline = time.monotonic() + 30
    while text not in (log.read_text() if log.exists() else ""):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_stop_ends_a_program_with_everything_it_started(tmp_path: Path) -> None:
    child = start(tmp_path, STUBBORN)
    wait_for(tmp_path / "log", "ready")
    deadline = time.monotonic() + 10
    while len(group_members(child.pid)) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    members = group_members(child.pid)
    assert len(members) == 2
    child.stop(grace=0.2)
    assert psutil.wait_procs(members, timeout=10)[1] == []
    assert child.exit_status() is not None


def test_a_program_is_in_a_session_of_its_own(tmp_path: Path) -> None:
    child = start(tmp_path, "import time; time.sleep(600)")
    assert os.getsid(child.pid) == child.pid != os.getsid(0)
    assert child.exit_status() is None
    child.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="Linux has this kind of scheduling")
def test_a_program_and_what_it_starts_interrupt_nothing(tmp_path: Path) -> None:
    child = start(tmp_path, STUBBORN)
    wait_for(tmp_path / "log", "ready")
    policies = {os.sched_getscheduler(member.pid) for member in group_members(child.pid)}
    child.stop(grace=0.1)
    assert policies == {os.SCHED_BATCH}
    assert os.sched_getscheduler(0) != os.SCHED_BATCH


def test_a_program_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(OpsError, match="Nothing could not be started"):
        Child.start("Nothing", ["/no/such/program"], tmp_path, {}, tmp_path / "log")


def test_a_group_that_is_gone_is_no_error() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""], start_new_session=True)
    gone.wait()
    end_group(gone.pid)


def test_is_alive_tells_a_reused_number_from_the_same_process() -> None:
    started = psutil.Process().create_time()
    assert is_alive(os.getpid())
    assert is_alive(os.getpid(), started)
    assert not is_alive(os.getpid(), started - 100)


def test_the_last_words_of_a_program(tmp_path: Path) -> None:
    child = start(tmp_path, "print('first', flush=True); raise SystemExit('no such file\\n')")
    deadline = time.monotonic() + 30
    while child.exit_status() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert child.exit_status() == 1
    assert child.last_words() == "no such file"


def test_a_log_that_cannot_be_opened_keeps_no_program_from_running(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.mkdir()
    child = Child.start("It", [sys.executable, "-c", "print(1)"], tmp_path, os.environ, log)
    deadline = time.monotonic() + 30
    while child.exit_status() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert child.exit_status() == 0
    assert child.last_words() == "none"
