"""The manifest beside the archives: what was built, with its SHA-256. Nothing else is loaded."""

import hashlib
import json
from pathlib import Path

from ops.errors import OpsError

FILE = "archives.json"


def sha256(file: Path) -> str:
    """SHA-256 of a file, as hexadecimal digits."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read(store: Path) -> dict[str, dict[str, str]]:
    """The manifest: file name -> `sha256` of the archive, `inputs`: a digest of what went in."""
    try:
        content: dict[str, dict[str, str]] = json.loads((store / FILE).read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return content


def add(store: Path, file: str, digest: str, *, inputs: str) -> None:
    """Note an archive; the caller holds the store's lock. The manifest is replaced in one step."""
    content = read(store) | {file: {"sha256": digest, "inputs": inputs}}
    new = store / f".{FILE}.new"
    new.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")
    new.replace(store / FILE)


def require_known(store: Path, file: str) -> None:
    """Check an archive against the manifest before it is loaded.

    Raises:
        OpsError: it is not there, not in the manifest, or has other bytes than were built.
    """
    name, _, version = file.removesuffix(".mar").partition("-")
    build = f"make archive MODEL={name} VERSION={version}" if version else "make archive"
    known = read(store).get(file, {}).get("sha256")
    if not (store / file).is_file():
        raise OpsError(f"There is no {file} in {store}: build it with `{build}`.")
    if known is None:
        raise OpsError(f"{file} is not in the manifest {FILE}: build it with `{build}`.")
    if sha256(store / file) != known:
        raise OpsError(f"{file} is not the archive that was built: build it with `{build}`.")
