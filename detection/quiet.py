"""Keeps a C library from writing to standard error."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_STDERR = 2
_lock = threading.Lock()


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Sends what is written to file descriptor 2 nowhere while it is open.

    libtiff reports each damaged line of a picture there, past Python: one hostile file of a few
    kilobytes writes tens of thousands of lines to the log. Descriptors belong to the whole
    process, so only one thread at a time may be in here, and what others write meanwhile is lost.
    """
    with _lock:
        try:
            kept = os.dup(_STDERR)
        except OSError:  # there is no standard error
            yield
            return
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, _STDERR)
        os.close(nowhere)
        try:
            yield
        finally:
            os.dup2(kept, _STDERR)
            os.close(kept)
