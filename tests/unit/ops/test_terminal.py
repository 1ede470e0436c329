from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

from ops.settings import ROOT
from ops.terminal import Terminal

# Says on a pipe, not on the terminal, when the terminal is seen to be closed.
WATCH = """
import os, signal, sys, time
from ops.terminal import Terminal
signal.signal(signal.SIGHUP, signal.SIG_IGN)
terminal = Terminal()
os.write(int(sys.argv[1]), b"open" if not terminal.is_closed() else b"shut")
for _ in range(600):
    if terminal.is_closed():
        os.write(int(sys.argv[1]), b"closed")
        break
    time.sleep(0.05)
"""


def test_a_closed_terminal_is_noticed() -> None:
    master, slave = pty.openpty()
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", WATCH, str(writer)],
        cwd=ROOT,
        stdin=slave,
        stdout=slave,
        stderr=subprocess.DEVNULL,
        pass_fds=[writer],
    )
    os.close(slave)
    os.close(writer)
    with os.fdopen(reader, "rb") as told:
        assert told.read(4) == b"open"
        os.close(master)
        assert told.read() == b"closed"
    assert process.wait(10) == 0


def test_without_a_terminal_nothing_is_closed(tmp_path: Path) -> None:
    script = f"import sys; sys.path.insert(0, {str(ROOT)!r})\nfrom ops.terminal import Terminal\n"
    script += "sys.exit(Terminal().is_closed())"
    quiet = subprocess.DEVNULL
    command = [sys.executable, "-c", script]
    result = subprocess.run(command, cwd=tmp_path, stdin=quiet, stdout=quiet, check=False)
    assert result.returncode == 0
    assert isinstance(Terminal().is_closed(), bool)
