"""TorchServe's access tokens, which it writes into `key_file.json` in its working folder."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from ops.errors import OpsError

KEY_FILE = "key_file.json"
INFERENCE_TOKEN_FILE = "inference.token"  # noqa: S105 - the name of a file


@dataclass(frozen=True, repr=False)  # no repr: a token must not end up in a log
class Tokens:
    """Tokens of the management and the inference API."""

    management: str
    inference: str


def read_tokens(run_dir: Path) -> Tokens:
    """Read the tokens of the TorchServe whose working folder is `run_dir`.

    Raises:
        OpsError: there is no key file, or it cannot be understood.
    """
    path = run_dir / KEY_FILE
    try:
        keys = json.loads(path.read_text())
        return Tokens(keys["management"]["key"], keys["inference"]["key"])
    except FileNotFoundError as error:
        raise OpsError("TorchServe does not run here: start it with `make serve`.") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OpsError(f"TorchServe's key file {path} cannot be read ({error!r}).") from error


def write_inference_token(run_dir: Path, tokens: Tokens) -> Path:
    """Write the inference token alone into a file for the edge, readable by the owner only.

    The edge reads it with each request; it is replaced in one step, never seen half written.
    """
    path = run_dir / INFERENCE_TOKEN_FILE
    temporary = path.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(tokens.inference)
    temporary.replace(path)
    return path
