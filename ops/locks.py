"""Locks between processes: held by an open file, so they end with the process however it ends."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ops.errors import OpsError


@contextmanager
def locked(path: Path, busy: str | None = None) -> Iterator[None]:
    """Hold a lock.

    Args:
        path: the lock's file; made if missing, and left.
        busy: what to say if another process holds it; without it, wait for that process.

    Raises:
        OpsError: another process holds it, and `busy` was given.
        OSError: the file cannot be written.
    """
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (fcntl.LOCK_NB if busy else 0))
        except BlockingIOError as error:
            raise OpsError(busy or "") from error
        yield
