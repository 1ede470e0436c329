"""Runs programs that are bound by the rights of files, even where the tests run as root."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_ROOTS_PRIVILEGES = "-dac_override,-dac_read_search"


def bound_by_rights() -> list[str]:
    """What to put before a command: root's privilege to write read-only files is dropped."""
    if os.geteuid() != 0:
        return []
    setpriv = next(
        (path for path in ("/usr/bin/setpriv", "/bin/setpriv") if Path(path).is_file()), ""
    )
    if not setpriv:
        pytest.fail("Running as root, this test needs setpriv (Debian: util-linux).")
    return [setpriv, f"--bounding-set={_ROOTS_PRIVILEGES}", f"--inh-caps={_ROOTS_PRIVILEGES}"]


def make_read_only(folder: Path) -> None:
    """Take everybody's right to write from a folder and everything in it."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
