"""Runs the service in the foreground: archives, page, TorchServe, edge, a first judgement.

Run as `python -m ops.serve`. Ends, with everything it started, on Ctrl-C, on SIGTERM, when the
terminal closes, and when TorchServe or the edge ends by itself.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from ops import archive, state
from ops.client import EdgeClient, InferenceClient, ManagementClient
from ops.deploy import deploy_models, deploy_workflow
from ops.edge import start_edge
from ops.errors import OpsError
from ops.logs import json_line
from ops.ports import require_free
from ops.probe import Watch
from ops.processes import Child
from ops.reference import reference_picture
from ops.server import TorchServe
from ops.settings import ROOT, WORKFLOW, Settings
from ops.stop import stop_leftovers
from ops.terminal import Terminal
from ops.tokens import KEY_FILE, Tokens, read_tokens, write_inference_token

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_START_SECONDS = 120.0
_EDGE_SECONDS = 10.0


class StopRequestedError(BaseException):
    """Ctrl-C, SIGTERM or a closed terminal; no `except Exception` may swallow it."""


class Service:
    """A service from start to stop; `stop` must be called however far `start` came."""

    def __init__(self, settings: Settings, say: Callable[[str], None]) -> None:
        self.settings = settings
        self._say = say
        self._torchserve: TorchServe | None = None
        self._edge: Child | None = None
        self._tokens: Tokens | None = None
        self._watch = Watch(settings)

    def start(self) -> None:
        """Start everything and wait until a picture has been judged.

        Raises:
            OpsError: what stands in the way, in one sentence.
        """
        self._require_alone()
        require_free(self.settings.ports, self.settings.edge_bind)
        self._prepare()
        self._say("Starting TorchServe ...")
        self._torchserve = TorchServe(self.settings)
        self._remember()
        self._tokens = self._wait_for_torchserve(self._torchserve.child)
        deploy_workflow(self.settings, self._management(), self._say)
        self._say("Starting the edge ...")
        self._edge = start_edge(self.settings)
        self._remember()
        self._wait_for_judgement()
        self._watch.ensure()
        self._remember(ready=True)

    def start_models(self) -> None:
        """Load both models on their own too: `/predictions/<model>` of TorchServe's own port.

        The page and the API do not need this, so it comes after they are ready.
        """
        deploy_models(self.settings, self._management(), self._say)

    def supervise(self) -> None:
        """Wait for as long as everything runs.

        Raises:
            OpsError: TorchServe or the edge ended by itself.
        """
        while True:
            self._check()
            self._watch.ensure()
            time.sleep(0.5)

    def stop(self) -> None:
        """End what was started, the edge first, so that no request meets a half-stopped server."""
        self._watch.stop()
        if self._edge is not None:
            self._edge.stop()
        if self._torchserve is not None:
            self._torchserve.stop()
        if self._edge is not None or self._torchserve is not None:
            state.clear(self.settings.run_dir)
        self._edge = self._torchserve = None

    def _management(self) -> ManagementClient:
        if self._tokens is None:
            raise OpsError("TorchServe has not been started.")
        return ManagementClient(self.settings.management_url, self._tokens.management)

    def _require_alone(self) -> None:
        running = state.read(self.settings.run_dir)
        if running is not None and running.is_alive():
            raise OpsError(
                f"The service already runs at {running.page_url} (process {running.pid}): "
                "use it, or end it with `make stop`."
            )
        stop_leftovers(self.settings)

    def _prepare(self) -> None:
        settings = self.settings
        settings.run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        settings.log_dir.mkdir(exist_ok=True)
        (settings.run_dir / KEY_FILE).unlink(missing_ok=True)
        for file in archive.build_all(settings):
            self._say(f"Built {file}.")
        render = subprocess.run(
            [
                *(sys.executable, "-m", "ui.render", "--out", str(settings.site_dir)),
                *("--model-store", str(settings.model_store)),
            ],
            cwd=ROOT,
            check=False,
            capture_output=True,
            text=True,
        )
        if render.returncode != 0:
            last = render.stderr.strip().splitlines()[-1:] or ["no message"]
            raise OpsError(f"The page could not be rendered: {last[0]}")

    def _wait_for_torchserve(self, child: Child) -> Tokens:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            self._check()
            try:
                tokens = read_tokens(self.settings.run_dir)
            except OpsError:  # not written yet, or half
                time.sleep(0.1)
                continue
            if InferenceClient(self.settings.inference_url, tokens.inference, 5).healthy():
                write_inference_token(self.settings.run_dir, tokens)
                return tokens
            time.sleep(0.1)
        raise OpsError(f"{child.name} did not answer within {_START_SECONDS:.0f} seconds.")

    def _wait_for_judgement(self) -> None:
        self._say("Judging a first picture ...")
        picture = reference_picture()
        deadline = time.monotonic() + _EDGE_SECONDS
        while True:
            self._check()
            try:
                reply = self._judge(picture)
            except OpsError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
                continue
            if not any(face["box"] for face in reply["faces"]):
                raise OpsError("The service answers, but found no face in its reference picture.")
            return

    def _judge(self, picture: bytes) -> dict[str, Any]:
        settings = self.settings
        if settings.site_address:  # a public name, which need not lead here yet
            token = self._tokens.inference if self._tokens else None
            return InferenceClient(settings.inference_url, token).workflow(WORKFLOW, picture)
        return EdgeClient(settings.page_url, timeout=120).detect(picture)

    def _check(self) -> None:
        children = [self._torchserve.child] if self._torchserve else []
        children += [self._edge] if self._edge else []
        for child in children:
            status = child.exit_status()
            if status is not None:
                raise OpsError(
                    f"{child.name} ended by itself with status {status} (`make logs` shows more); "
                    f"its last words: {child.last_words()}"
                )

    def _remember(self, *, ready: bool = False) -> None:
        if self._torchserve is None:
            return
        groups = [self._torchserve.child.pid] + ([self._edge.pid] if self._edge else [])
        state.write(
            self.settings.run_dir,
            state.State(
                pid=os.getpid(),
                started=state.started(os.getpid()),
                page_url=self.settings.page_url,
                groups=groups,
                scratch=str(self._torchserve.scratch),
                ready=ready,
            ),
        )


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
