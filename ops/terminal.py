"""Notices that the terminal was closed.

The kernel tells only the session's first process (SIGHUP). That is usually a shell, which tells its
jobs; but it may be `make` (`ssh -t host make serve`), which tells nobody.
"""

import os
import select
import sys


class Terminal:
    """The terminal this process was started in, if any."""

    def __init__(self) -> None:
        self._poll = select.poll()
        for stream in (sys.stdin, sys.stdout):
            try:
                if os.isatty(stream.fileno()):
                    self._poll.register(stream.fileno(), 0)  # hang-ups are told unasked
            except (AttributeError, ValueError, OSError):  # no such stream, or one without a number
                continue

    def is_closed(self) -> bool:
        """Whether it was closed; never, where there is none."""
        return any(event & select.POLLHUP for _, event in self._poll.poll(0))
