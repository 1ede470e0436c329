"""Has the graphs made that ONNX Runtime runs: one a version of a model, exported from its weights.

The export imports torch, so it is a process of its own (`detection.export`), and takes some
seconds. Its result is kept under `build/graphs` (or, where the code is read-only, in the model
store) by a digest of what went in, and copied beside the archives, where the archive and
`python -m detection` take it from.
"""

import filecmp
import hashlib
import json
import os
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from ops.errors import OpsError
from ops.settings import ROOT

GRAPH = "network.onnx"
"""Name of the graph in an archive."""

_CACHE = ROOT / "build" / "graphs"
_EXPORTERS = ("torch", "onnx", "onnxscript")
_CODE = ("engine", "export", "geometry", "grad_cam", "limits", "overlay", "version")


def graph(model_store: Path, name: str, version: str) -> Path | None:
    """The graph of a version, made now if it is not there or out of date.

    Returns:
        The file in the model store; None where `model.json` names no architecture, so that there
        is nothing to export.

    Raises:
        OpsError: the version cannot be exported.
    """
    folder = model_store / name / version
    try:
        if "architecture" not in json.loads((folder / "model.json").read_text()):
            return None
    except (OSError, ValueError) as error:
        raise OpsError(f"Version {version} of {name} has no readable model.json.") from error
    target = model_store / f"{name}-{version}.onnx"
    try:
        kept = _cache(model_store) / f"{name}-{version}-{_digest(folder)[:16]}.onnx"
        if not kept.is_file():
            _export(folder, kept)
        if not (target.is_file() and filecmp.cmp(kept, target, shallow=False)):
            new = target.with_name(f".{target.name}.{os.getpid()}")
            shutil.copyfile(kept, new)
            new.replace(target)
    except OSError as error:
        raise OpsError(
            f"The graph of {name} {version} cannot be kept ({error}): run `make archive` as the "
            "owner of the model store first."
        ) from error
    return target


def _cache(model_store: Path) -> Path:
    """The folder of exported graphs: in the model store where the code is read-only."""
    for folder in (_CACHE, model_store / ".graphs"):
        if folder.is_dir() and os.access(folder, os.W_OK):
            return folder
    try:
        _CACHE.mkdir(parents=True)
    except OSError:
        folder = model_store / ".graphs"
        folder.mkdir()
        return folder
    return _CACHE


def _export(folder: Path, target: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "detection.export", str(folder), str(target)],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    if result.returncode != 0:
        last = result.stderr.strip().splitlines()[-1:] or ["no message"]
        raise OpsError(f"{folder} could not be exported for ONNX Runtime: {last[0]}")


def _digest(folder: Path) -> str:
    """SHA-256 over everything that decides what the graph's bytes are."""
    digest = hashlib.sha256()
    for package in _EXPORTERS:
        # Builds for one kind of device carry a suffix: 2.14.1+cpu is 2.14.1.
        digest.update(f"{package} {metadata.version(package).split('+')[0]}\0".encode())
    code = [ROOT / "detection" / f"{module}.py" for module in _CODE]
    code += sorted((ROOT / "architectures").glob("*.py"))
    for file in (*code, folder / "model.json", folder / "weights.safetensors"):
        digest.update(f"{file.name}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\0".encode())
    return digest.hexdigest()
