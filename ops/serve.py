"""Runs the service in the foreground: archives, page, TorchServe, edge, a first judgement.

Run as `python -m ops.serve`. Ends, with everything it started, on Ctrl-C, on SIGTERM and when the
terminal closes. Once it serves, TorchServe and the edge are started again when they end or hang.
"""

import contextlib
import signal
import sys
import time
from types import FrameType

from ops.errors import OpsError
from ops.logs import json_line
from ops.service import Service
from ops.settings import Settings
from ops.terminal import Terminal

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequestedError(BaseException):
    """Ctrl-C, SIGTERM or a closed terminal; no `except Exception` may swallow it."""


def _raise_stop(_signal: int, _frame: FrameType | None) -> None:
    # Once is enough: what follows must not be interrupted half way through stopping.
    _ignore_signals()
    raise StopRequestedError


def _ignore_signals() -> None:
    for sign in (*_SIGNALS, signal.SIGALRM):
        signal.signal(sign, signal.SIG_IGN)


def _watch_terminal() -> None:
    """Look every second whether the terminal was closed, whatever else is going on."""
    terminal = Terminal()

    def look(number: int, frame: FrameType | None) -> None:
        if terminal.is_closed():
            _raise_stop(number, frame)

    signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, 1.0, 1.0)


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # the terminal may be gone: go on stopping
        print(text, flush=True)


def _say_json(text: str) -> None:
    level = "ERROR" if text.startswith("error: ") else "INFO"
    _say(json_line(level, "deepfake.serve", text.removeprefix("error: ").strip()))


def main() -> int:
    """Entry point: serve until told to stop. Exit status 1 where the service failed."""
    for sign in _SIGNALS:
        signal.signal(sign, _raise_stop)
    _watch_terminal()
    begin = time.monotonic()
    status, say = 0, _say
    service: Service | None = None
    try:
        settings = Settings.from_environment()
        say = _say_json if settings.json_output else _say
        service = Service(settings, say)
        service.start()
        say(
            f"\nReady after {time.monotonic() - begin:.0f} seconds: "
            f"{service.settings.page_url}\nCtrl-C stops it."
        )
        service.start_models()
        if service.models_loaded:
            say("Both models also answer on their own, at TorchServe's own port.")
        service.supervise()
    except OpsError as error:
        say(f"error: {error}")
        status = 1
    except StopRequestedError:
        say("\nStopping ...")
    finally:
        _ignore_signals()
        if service is not None:
            service.stop()
    if status == 0:
        say("Stopped.")
    return status


if __name__ == "__main__":
    sys.exit(main())
