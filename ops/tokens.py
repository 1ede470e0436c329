"""TorchServe's access tokens, which it writes into `key_file.json` in its working folder."""

import json
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from ops.errors import OpsError
from ops.settings import Settings

_T = TypeVar("_T")
KEY_FILE = "key_file.json"
INFERENCE_TOKEN_FILE = "inference.token"  # noqa: S105 - the name of a file
_METRICS_TOKEN_FILE = "metrics.token"  # noqa: S105 - the name of a file


@dataclass(frozen=True, repr=False)  # no repr: a token must not end up in a log
class Tokens:
    """Tokens of the management and the inference API."""

    management: str
    inference: str


@dataclass(frozen=True, repr=False)
class Keys:
    """What the tokens' renewal needs.

    Attributes:
        api: the key that allows to make new tokens.
        expires: when the first of the tokens ends, in seconds since the epoch.
    """

    api: str
    expires: float


def read_tokens(run_dir: Path) -> Tokens:
    """Read the tokens of the TorchServe whose working folder is `run_dir`.

    They are renewed while the service runs: read them when they are needed, and do not keep them.

    Raises:
        OpsError: there is no key file, or it cannot be understood.
    """
    return _read(run_dir, lambda keys: Tokens(keys["management"]["key"], keys["inference"]["key"]))


def read_keys(run_dir: Path) -> Keys:
    """Read the API key and the tokens' end.

    Raises:
        OpsError: there is no key file, or it cannot be understood.
    """
    return _read(
        run_dir,
        lambda keys: Keys(
            keys["API"]["key"],
            min(_seconds(keys[api]["expiration time"]) for api in ("management", "inference")),
        ),
    )


def _seconds(time: str) -> float:
    # Java prints up to nine digits of a second, Python reads six.
    whole, _, fraction = time.removesuffix("Z").partition(".")
    return datetime.fromisoformat(f"{whole}+00:00").timestamp() + float(f"0.{fraction or 0}")


def _read(run_dir: Path, parse: Callable[[Any], _T]) -> _T:
    path = run_dir / KEY_FILE
    try:
        return parse(json.loads(path.read_text()))
    except FileNotFoundError as error:
        raise OpsError("TorchServe does not run here: start it with `make serve`.") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OpsError(f"TorchServe's key file {path} cannot be read ({error!r}).") from error


def write_inference_token(run_dir: Path, tokens: Tokens) -> Path:
    """Write the inference token alone into a file for the edge, readable by the owner only.

    The edge reads it with each request; it is replaced in one step, never seen half written.
    """
    path = run_dir / INFERENCE_TOKEN_FILE
    _write_private(path, tokens.inference)
    return path


def metrics_token_file(settings: Settings) -> Path:
    """The file with the token that the edge wants of whoever reads metrics."""
    return settings.metrics_token_file or settings.run_dir / _METRICS_TOKEN_FILE


def ensure_metrics_token(settings: Settings) -> None:
    """Make a token for metrics, where there is none; it outlives the service.

    Raises:
        OpsError: the file that the operator named is not there, or it is empty.
    """
    path = metrics_token_file(settings)
    if path.is_file() and path.read_text().strip():
        return
    if settings.metrics_token_file is not None:
        raise OpsError(f"METRICS_TOKEN_FILE={path} holds no token: put one in, or leave it out.")
    _write_private(path, secrets.token_urlsafe(32))


def _write_private(path: Path, text: str) -> None:
    temporary = path.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    temporary.replace(path)
