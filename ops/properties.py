"""TorchServe's configuration: the repository's `config.properties`, with a service's own values."""

from pathlib import Path

from ops.settings import LOOPBACK, ROOT, Settings

BASE = ROOT / "config.properties"
METRICS_CONFIG = Path(__file__).parent / "torchserve" / "metrics.yaml"


def read_properties(path: Path) -> dict[str, str]:
    """Parse a Java properties file of the simple kind: `key=value` lines and `#` comments."""
    pairs = {}
    for line in path.read_text().splitlines():
        stripped = line.strip()
        if stripped and not stripped.startswith("#"):
            key, _, value = stripped.partition("=")
            pairs[key.strip()] = value.strip()
    return pairs


def for_service(settings: Settings) -> dict[str, str]:
    """The properties of one service: the repository's, with its own ports and folders."""
    ports = settings.ports
    return read_properties(BASE) | {
        "inference_address": settings.inference_url,
        "management_address": settings.management_url,
        "metrics_address": settings.metrics_url,
        "grpc_inference_address": LOOPBACK,
        "grpc_inference_port": str(ports.grpc_inference),
        "grpc_management_address": LOOPBACK,
        "grpc_management_port": str(ports.grpc_management),
        "model_store": str(settings.model_store),
        "workflow_store": str(settings.workflow_store),
        "metrics_config": str(METRICS_CONFIG),
        "token_expiration_min": str(settings.token_minutes),
    }


def write_properties(path: Path, properties: dict[str, str]) -> None:
    """Write a properties file that Java reads back as given."""
    lines = (f"{key}={value}" for key, value in properties.items())
    path.write_text(
        "# Generated at start from config.properties; edit that one.\n" + "\n".join(lines) + "\n"
    )
