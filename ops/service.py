"""The running service: TorchServe and the edge, started, mended and stopped together."""

import contextlib
import os
import signal
import time
from collections.abc import Callable
from typing import Any

from ops import state
from ops.client import EdgeClient, InferenceClient, ManagementClient
from ops.deploy import deploy_models, deploy_workflow, prepare_archives
from ops.edge import start_edge
from ops.errors import OpsError
from ops.ports import require_free
from ops.probe import Watch
from ops.processes import Child
from ops.reference import reference_picture
from ops.rotation import Rotation
from ops.server import TorchServe
from ops.settings import WORKFLOW, Settings
from ops.site import render_site
from ops.stop import stop_leftovers
from ops.supervision import Supervisor
from ops.tokens import KEY_FILE, read_tokens, write_inference_token

_START_SECONDS = 120.0
# Long enough to get through where clients already ask more than can be judged.
_JUDGEMENT_SECONDS = 60.0


class Service:
    """A service from start to stop; `stop` must be called however far `start` came."""

    def __init__(self, settings: Settings, say: Callable[[str], None]) -> None:
        self.settings = settings
        self._say = say
        self._torchserve: TorchServe | None = None
        self._edge: Child | None = None
        self._readiness = Watch(settings)
        self._rotation = Rotation(settings)
        self._ready = False
        self.models_loaded = False

    def start(self) -> None:
        """Start everything and wait until a picture has been judged.

        Raises:
            OpsError: what stands in the way, in one sentence.
        """
        self._require_alone()
        require_free(self.settings.ports, self.settings.edge_bind)
        self._prepare()
        self._say("Starting TorchServe ...")
        self._start_torchserve()
        self._say("Starting the edge ...")
        self.restart_edge()
        self._wait_for_judgement()
        self._readiness.ensure()
        self._remember(ready=True)

    def start_models(self) -> None:
        """Load both models on their own too: `/predictions/<model>` of TorchServe's own port.

        The page and the API do not need this, so it comes after they are ready. If TorchServe ends
        meanwhile, nothing is said: whoever supervises starts it again and loads everything.
        """
        try:
            deploy_models(self.settings, self._management(), self._say)
        except OpsError:
            if self.torchserve_trouble() is None:
                raise
        else:
            self.models_loaded = True

    def supervise(self) -> None:
        """Keep everything running, for ever.

        Raises:
            OpsError: TorchServe or the edge fails again and again.
        """
        Supervisor(self, self._say).run()

    def stop(self) -> None:
        """End what was started, the edge first, so that no request meets a half-stopped server."""
        self._readiness.stop()
        if self._edge is not None:
            self._edge.stop()
        if self._torchserve is not None:
            self._torchserve.stop()
        if self._edge is not None or self._torchserve is not None:
            state.clear(self.settings.run_dir)
        self._edge = self._torchserve = None

    def torchserve_trouble(self) -> str | None:
        """Why TorchServe cannot go on, or None."""
        return _ended(self._torchserve.child if self._torchserve else None)

    def edge_trouble(self) -> str | None:
        """Why the edge cannot go on, or None."""
        return _ended(self._edge)

    def workers_trouble(self) -> str | None:
        """What is wrong with a TorchServe that runs: it hangs, or a node has lost its worker."""
        try:
            management = self._management(timeout=10)
            for name in management.models():
                workers = management.describe_model(name)[0]["workers"]
                if not any(worker["status"] == "READY" for worker in workers):
                    return f"{name} has no worker that answers."
        except OpsError as error:
            return f"TorchServe does not answer. {error}"
        return None

    def restart_torchserve(self) -> None:
        """Start TorchServe again and wait until a picture has been judged.

        Raises:
            OpsError: it did not come up.
        """
        self._remember(ready=False)
        if self._torchserve is not None:
            self._torchserve.stop()
            self._torchserve = None
        self._start_torchserve()
        self._wait_for_judgement()
        self._remember(ready=True)

    def restart_edge(self) -> None:
        """Start the edge; what is left of the one before is ended."""
        if self._edge is not None:
            self._edge.stop()
        self._edge = start_edge(self.settings)
        self._remember(ready=self._ready)

    def ensure_probe(self) -> None:
        """Start the process that keeps `/readyz`, if it has ended."""
        self._readiness.ensure()

    def renew_tokens(self) -> None:
        """Renew the tokens if it is time to.

        Raises:
            OpsError: it could not be done; there is time to try again.
        """
        self._rotation.renew_if_due()

    def _start_torchserve(self) -> None:
        """Start TorchServe, load the workflow, and only then hand the edge its token.

        Until then the edge's old token is refused, and the edge answers that we are not ready.
        """
        run_dir = self.settings.run_dir
        (run_dir / KEY_FILE).unlink(missing_ok=True)
        self._torchserve = TorchServe(self.settings)
        self._remember(ready=False)
        self._wait_for_torchserve(self._torchserve.child)
        self._rotation.restart()
        deploy_workflow(self.settings, self._management(), self._say)
        self._rotation.renew_if_due()  # loading may have taken long
        write_inference_token(run_dir, read_tokens(run_dir))

    def _management(self, timeout: float = 300.0) -> ManagementClient:
        return ManagementClient(
            self.settings.management_url,
            lambda: read_tokens(self.settings.run_dir).management,
            timeout,
        )

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
        render_site(settings, prepare_archives(settings, self._say))

    def _wait_for_torchserve(self, child: Child) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            trouble = self.torchserve_trouble()
            if trouble is not None:
                raise OpsError(trouble)
            with contextlib.suppress(OpsError):  # no key file yet
                token = read_tokens(self.settings.run_dir).inference
                if InferenceClient(self.settings.inference_url, token, 5).healthy():
                    return
            time.sleep(0.1)
        raise OpsError(f"{child.name} did not answer within {_START_SECONDS:.0f} seconds.")

    def _wait_for_judgement(self) -> None:
        self._say("Judging a first picture ...")
        picture = reference_picture()
        deadline = time.monotonic() + _JUDGEMENT_SECONDS
        while True:
            self._check()
            self._rotation.renew_if_due()
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
            token = read_tokens(settings.run_dir).inference
            return InferenceClient(settings.inference_url, token).workflow(WORKFLOW, picture)
        return EdgeClient(settings.page_url, timeout=120).detect(picture)

    def _check(self) -> None:
        trouble = self.torchserve_trouble() or self.edge_trouble()
        if trouble is not None:
            raise OpsError(trouble)

    def _remember(self, *, ready: bool) -> None:
        self._ready = ready
        if self._torchserve is None:
            return
        groups = [self._torchserve.child.pid] + ([self._edge.pid] if self._edge else [])
        now = state.State(
            pid=os.getpid(),
            started=state.started(os.getpid()),
            page_url=self.settings.page_url,
            groups=groups,
            scratch=str(self._torchserve.scratch),
            ready=ready,
        )
        try:
            state.write(self.settings.run_dir, now)
        except OSError as error:  # a full disk is no reason to stop judging
            self._say(f"warning: {self.settings.run_dir} cannot be written: {error.strerror}.")


def _ended(child: Child | None) -> str | None:
    """What is said of a program that ended, or None while it runs."""
    status = child.exit_status() if child is not None else None
    if child is None or status is None:
        return None
    if status < 0:
        return f"{child.name} was ended by {signal.Signals(-status).name}."
    return (
        f"{child.name} ended by itself with status {status} (`make logs` shows more); "
        f"its last words: {child.last_words().removesuffix('.')}."
    )
