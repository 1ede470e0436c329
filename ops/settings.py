"""Where the service listens, and where its files lie."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ops.errors import OpsError

ROOT = Path(__file__).resolve().parent.parent
WORKFLOW = "deepfake"
MODELS = ("cnn", "efficientnet")
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Ports:
    """TCP ports. TorchServe's five are always on loopback; the edge's first is the public one."""

    edge: int = 8000
    inference: int = 8080
    management: int = 8081
    metrics: int = 8082
    grpc_inference: int = 7070
    grpc_management: int = 7071
    edge_metrics: int = 8083

    def named(self) -> dict[str, tuple[int, str]]:
        """Every port: purpose -> (number, the make variable that changes it)."""
        return {
            "the page": (self.edge, "PORT"),
            "TorchServe's inference API": (self.inference, "INFERENCE_PORT"),
            "TorchServe's management API": (self.management, "MANAGEMENT_PORT"),
            "TorchServe's metrics API": (self.metrics, "METRICS_PORT"),
            "TorchServe's gRPC inference API": (self.grpc_inference, "GRPC_INFERENCE_PORT"),
            "TorchServe's gRPC management API": (self.grpc_management, "GRPC_MANAGEMENT_PORT"),
            "the edge's metrics": (self.edge_metrics, "EDGE_METRICS_PORT"),
        }


@dataclass(frozen=True)
class Settings:
    """Everything that differs between two services on one machine.

    Attributes:
        run_dir: state, tokens, logs; created on start, private to the owner.
        model_store: folder of the version folders and the archives built from them.
        site_dir: the rendered page.
        state_dir: what operators decided (promoted versions); unlike `run_dir` it must outlive the
            service, and the machine where that changes.
        ports: see `Ports`.
        site_address: Caddy's site address; empty means plain HTTP on `ports.edge`, loopback only.
            A host name makes Caddy obtain a certificate and serve HTTPS.
        edge_bind: the address the edge listens on.
        edge_hosts: host names it answers to, separated by blanks.
        max_requests: pictures judged at the same time; the edge refuses more at once (503).
        metrics_bind: the address on which the edge shows metrics to holders of the metrics token.
        metrics_token_file: a file with that token; without one a token is made in `run_dir`.
        json_output: the supervising process prints JSON lines, as log collectors want them.
        token_minutes: how long a token of TorchServe lives; it is renewed after half of that time.
        workflow_engine: use our workflow engine (`ops/engine`) in place of TorchServe's own.
    """

    run_dir: Path = ROOT / "build" / "run"
    model_store: Path = ROOT / "model_store"
    site_dir: Path = ROOT / "build" / "site"
    state_dir: Path = ROOT / "build" / "state"
    ports: Ports = Ports()
    site_address: str = ""
    edge_bind: str = LOOPBACK
    edge_hosts: str = "127.0.0.1 localhost [::1]"
    max_requests: int = 32
    metrics_bind: str = LOOPBACK
    metrics_token_file: Path | None = None
    json_output: bool = False
    token_minutes: float = 60.0
    workflow_engine: bool = True

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Read the settings that `make` passes on as environment variables.

        Raises:
            OpsError: a port is not a number from 1 to 65535, or another number makes no sense.
        """
        defaults = cls()
        ports = Ports(
            **{
                field: _port(environment, variable, getattr(defaults.ports, field))
                for field, variable in (
                    ("edge", "PORT"),
                    ("inference", "INFERENCE_PORT"),
                    ("management", "MANAGEMENT_PORT"),
                    ("metrics", "METRICS_PORT"),
                    ("grpc_inference", "GRPC_INFERENCE_PORT"),
                    ("grpc_management", "GRPC_MANAGEMENT_PORT"),
                    ("edge_metrics", "EDGE_METRICS_PORT"),
                )
            }
        )
        token_file = environment.get("METRICS_TOKEN_FILE")
        return cls(
            run_dir=Path(environment.get("RUN_DIR") or defaults.run_dir).absolute(),
            model_store=Path(environment.get("MODEL_STORE") or defaults.model_store).absolute(),
            site_dir=Path(environment.get("SITE_DIR") or defaults.site_dir).absolute(),
            state_dir=Path(environment.get("STATE_DIR") or defaults.state_dir).absolute(),
            ports=ports,
            site_address=environment.get("SITE_ADDRESS", ""),
            edge_bind=environment.get("EDGE_BIND") or defaults.edge_bind,
            edge_hosts=environment.get("EDGE_HOSTS") or defaults.edge_hosts,
            max_requests=_number(environment, "MAX_REQUESTS", defaults.max_requests, 10_000),
            metrics_bind=environment.get("EDGE_METRICS_BIND") or defaults.metrics_bind,
            metrics_token_file=Path(token_file).absolute() if token_file else None,
            json_output=environment.get("LOG_FORMAT") == "json",
            token_minutes=_minutes(environment, "TOKEN_MINUTES", defaults.token_minutes),
            workflow_engine=environment.get("WORKFLOW_ENGINE", "own") != "torchserve",
        )

    def as_environment(self, base: Mapping[str, str] = os.environ) -> dict[str, str]:
        """The environment in which `from_environment` gives these settings."""
        numbers = {variable: str(number) for number, variable in self.ports.named().values()}
        return {
            **base,
            **numbers,
            "RUN_DIR": str(self.run_dir),
            "MODEL_STORE": str(self.model_store),
            "SITE_DIR": str(self.site_dir),
            "STATE_DIR": str(self.state_dir),
            "SITE_ADDRESS": self.site_address,
            "EDGE_BIND": self.edge_bind,
            "EDGE_HOSTS": self.edge_hosts,
            "MAX_REQUESTS": str(self.max_requests),
            "EDGE_METRICS_BIND": self.metrics_bind,
            "METRICS_TOKEN_FILE": str(self.metrics_token_file or ""),
            "LOG_FORMAT": "json" if self.json_output else "",
            "TOKEN_MINUTES": str(self.token_minutes),
            "WORKFLOW_ENGINE": "own" if self.workflow_engine else "torchserve",
        }

    @property
    def log_dir(self) -> Path:
        """Folder of the log files."""
        return self.run_dir / "logs"

    @property
    def workflow_store(self) -> Path:
        """Folder of the workflow's archive, made anew for the versions that serve.

        It is not in the model store, which the server need not be able to write.
        """
        return self.run_dir / "workflows"

    @property
    def versions_lock(self) -> Path:
        """Held by whoever changes which versions are loaded or serve."""
        return self.run_dir / "versions.lock"

    @property
    def inference_url(self) -> str:
        """Base address of TorchServe's inference API."""
        return f"http://{LOOPBACK}:{self.ports.inference}"

    @property
    def management_url(self) -> str:
        """Base address of TorchServe's management API."""
        return f"http://{LOOPBACK}:{self.ports.management}"

    @property
    def metrics_url(self) -> str:
        """Base address of TorchServe's metrics API."""
        return f"http://{LOOPBACK}:{self.ports.metrics}"

    @property
    def page_url(self) -> str:
        """Address of the page, as a person types it."""
        if not self.site_address:
            return f"http://{LOOPBACK}:{self.ports.edge}"
        first = self.site_address.replace(",", " ").split()[0]
        return first if "://" in first else f"https://{first}"


def _port(environment: Mapping[str, str], variable: str, default: int) -> int:
    return _number(environment, variable, default, 65535, "a port")


def _number(
    environment: Mapping[str, str], variable: str, default: int, most: int, what: str = "a number"
) -> int:
    text = environment.get(variable, "")
    if not text:
        return default
    if not (text.isdecimal() and 0 < int(text) <= most):
        raise OpsError(f"{variable}={text} is not {what}: give a number from 1 to {most}.")
    return int(text)


def _minutes(environment: Mapping[str, str], variable: str, default: float) -> float:
    text = environment.get(variable, "")
    try:
        minutes = float(text) if text else default
    except ValueError:
        minutes = 0.0
    if not 0 < minutes < float("inf"):
        raise OpsError(f"{variable}={text} is not a number of minutes above 0.")
    return minutes
