"""Builds the archives that TorchServe loads: one `.mar` a node, one `.war` for the workflow.

The archivers of TorchServe lay the files out; we put them into the zip file ourselves, in order and
without times, so that equal inputs give equal bytes. `archives.json` beside the archives holds
their SHA-256 and a digest of what went in: an archive is built again only when that has changed.

Run as `python -m ops.archive`, or `python -m ops.archive --model cnn --version 1.0` for one.
"""

import argparse
import hashlib
import json
import os
import re
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from string import Template
from typing import Any

from ops import graphs, manifest, packing
from ops.errors import OpsError
from ops.locks import locked
from ops.manifest import sha256
from ops.settings import MODELS, ROOT, WORKFLOW, Settings

BATCH_SIZE = 8
# A lone request waits this long at every node; what is queued already joins its batch at once.
MAX_BATCH_DELAY_MS = 1
WORKFLOW_ARCHIVE = f"{WORKFLOW}.war"
_SPEC = ROOT / "handlers" / "workflow.yaml"
# Version of the nodes that hold code and no weights.
_CODE_VERSION = "1.0"
_CODE_NODES = ("ingest", "explain")
_CODE = ("architectures", "detection", "handlers")
_CODE_SUFFIXES = {".py", ".json"}
_WEIGHT_FILES = ("model.json", "weights.safetensors")
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]*")


@dataclass(frozen=True)
class Plan:
    """An archive to be: its file name, and what goes in.

    Attributes:
        file: file name in the model store.
        name: name of the model or workflow.
        version: its version; empty for the workflow.
        handler: the file with the handler class, or the workflow's specification.
        extra: path in the archive -> file.
    """

    file: str
    name: str
    version: str
    handler: Path
    extra: dict[str, Path]

    def digest(self) -> str:
        """SHA-256 over everything that decides what the archive's bytes are."""
        digest = hashlib.sha256()
        for part in (self.name, self.version, self.handler.name, _archivers(), packing.FORMAT):
            digest.update(f"{part}\0".encode())
        for path, file in sorted({**self.extra, "": self.handler}.items()):
            digest.update(f"{path}\0{sha256(file)}\0".encode())
        return digest.hexdigest()


def serving_versions(model_store: Path) -> dict[str, str]:
    """Which version of each model serves: model name -> version, from `serving.json`.

    Raises:
        OpsError: the file is missing or names no version for a model.
    """
    path = model_store / "serving.json"
    try:
        versions = json.loads(path.read_text())
        return {model: str(versions[model]) for model in MODELS}
    except FileNotFoundError as error:
        raise OpsError(f"{path} is missing: it says which version of each model serves.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise OpsError(f"{path} must name a version for each of {', '.join(MODELS)}.") from error


def model_plan(model_store: Path, name: str, version: str) -> Plan:
    """The archive of one version of a model; its graph is exported if that was not done before.

    Raises:
        OpsError: the version's folder is not complete, or cannot be exported.
    """
    weights = _version_files(model_store, name, version)
    graph = graphs.graph(model_store, name, version)
    if graph is not None:
        weights[graphs.GRAPH] = graph
    return Plan(
        model_file(name, version), name, version, ROOT / "handlers" / "model.py", _code() | weights
    )


def _version_files(model_store: Path, name: str, version: str) -> dict[str, Path]:
    if not _VERSION.fullmatch(version):
        raise OpsError(f"{version!r} is no version: letters, digits, dots, dashes, underscores.")
    folder = model_store / name / version
    missing = [file for file in _WEIGHT_FILES if not (folder / file).is_file()]
    if missing:
        raise OpsError(f"Version {version} of {name} lacks {' and '.join(missing)} in {folder}.")
    return {file: folder / file for file in _WEIGHT_FILES}


def build(store: Path, plans: list[Plan]) -> list[str]:
    """Build those archives whose inputs or bytes have changed; returns their file names.

    Nothing is written where nothing has changed: the store may be read-only then.

    Args:
        store: folder of the archives and their manifest; it must exist.
        plans: the archives.

    Raises:
        OpsError: an archiver failed, or the store cannot be written.
    """
    if not any(_is_outdated(store, plan) for plan in plans):
        return []
    built = []
    try:
        with locked(store / ".lock"):
            for plan in plans:
                if _is_outdated(store, plan):  # another process may just have built it
                    _build_one(store, plan)
                    built.append(plan.file)
    except OSError as error:
        raise OpsError(
            f"{store} cannot be written ({error.strerror}): run `make archive` as its owner first."
        ) from error
    return built


def build_all(settings: Settings) -> list[str]:
    """Build the archives of the code and of the default versions; returns what was built.

    Raises:
        OpsError: a version is not complete, an archiver failed, or the store cannot be written.
    """
    store = settings.model_store
    versions = serving_versions(store)
    plans = [_code_plan(node) for node in _CODE_NODES]
    plans += [model_plan(store, name, version) for name, version in versions.items()]
    return build(store, plans)


def build_workflow(settings: Settings, versions: Mapping[str, str]) -> list[str]:
    """Build the workflow's archive for these versions of the models; returns what was built.

    Raises:
        OpsError: the archiver failed, or the run folder cannot be written.
    """
    settings.workflow_store.mkdir(parents=True, exist_ok=True)
    archives = {node: _code_plan(node).file for node in _CODE_NODES}
    archives |= {name: model_file(name, version) for name, version in versions.items()}
    with tempfile.TemporaryDirectory(prefix="deepfake-") as folder:
        spec = Path(folder) / f"{WORKFLOW}.yaml"
        spec.write_text(workflow_spec(archives))
        plan = Plan(WORKFLOW_ARCHIVE, WORKFLOW, "", spec, {})
        return build(settings.workflow_store, [plan])


def model_file(name: str, version: str) -> str:
    """File name of the archive of one version of a model."""
    return f"{name}-{version}.mar"


def require_service_files(settings: Settings, versions: Mapping[str, str]) -> None:
    """Check everything that the workflow of these versions loads against the manifests.

    Raises:
        OpsError: as `manifest.require_known`.
    """
    for node in _CODE_NODES:
        manifest.require_known(settings.model_store, _code_plan(node).file)
    for name, version in versions.items():
        manifest.require_known(settings.model_store, model_file(name, version))
    manifest.require_known(settings.workflow_store, WORKFLOW_ARCHIVE)


def _is_outdated(store: Path, plan: Plan) -> bool:
    known = manifest.read(store).get(plan.file, {})
    if known.get("inputs") != plan.digest():
        return True
    target = store / plan.file
    return not target.is_file() or sha256(target) != known.get("sha256")


def _build_one(store: Path, plan: Plan) -> None:
    target = store / plan.file
    packing.pack(plan.handler, plan.extra, target, name=plan.name, version=plan.version)
    manifest.add(store, plan.file, sha256(target), inputs=plan.digest())


def workflow_spec(archives: dict[str, str]) -> str:
    """The workflow's specification with the file names of its nodes' archives put in."""
    return Template(_SPEC.read_text()).substitute(
        archives,
        batch_size=BATCH_SIZE,
        max_batch_delay_ms=MAX_BATCH_DELAY_MS,
        workers=node_workers(len(os.sched_getaffinity(0))),
    )


def node_workers(cores: int) -> int:
    """How many processes each node of the workflow gets, each with one thread.

    All nodes have the same number. Ingest and the CNN cost half to two thirds of what EfficientNet
    does, which judges mirror images as well (`make bench` prints it), so two fifths of the cores
    each keep most of them busy; explain costs little, and its processes mostly sleep.
    """
    return max(1, round(2 * cores / 5))


def require_whole(store: Path, name: str, version: str) -> None:
    """Check that the files of a version are there, and its weights those that it describes.

    Raises:
        OpsError: one is missing or damaged.
    """
    files = _version_files(store, name, version)
    try:
        described = json.loads(files["model.json"].read_text())["weights_sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OpsError(f"model.json of {name} {version} cannot be read ({error!r}).") from error
    weights = files["weights.safetensors"]
    if sha256(weights) != described:
        raise OpsError(f"{weights} is damaged: its SHA-256 is not the one in model.json.")


def describe(store: Path, file: str) -> dict[str, Any]:
    """What a model's archive says of itself: its `model.json`.

    Raises:
        OpsError: the archive is none of a model, or is damaged.
    """
    try:
        with zipfile.ZipFile(store / file) as opened:
            description: dict[str, Any] = json.loads(opened.read("model.json"))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise OpsError(f"{file} is no archive of a model ({error!r}).") from error
    return description


def _code_plan(node: str) -> Plan:
    """The archive of a node that holds code and no weights."""
    file = f"{node}-{_CODE_VERSION}.mar"
    return Plan(file, node, _CODE_VERSION, ROOT / "handlers" / f"{node}.py", _code())


def _code() -> dict[str, Path]:
    """Our packages. They travel in every archive, so two versions of the code can serve at once."""
    return {
        file.relative_to(ROOT).as_posix(): file
        for package in _CODE
        for file in sorted((ROOT / package).rglob("*"))
        if file.suffix in _CODE_SUFFIXES and "__pycache__" not in file.parts
    }


def _archivers() -> str:
    return " ".join(metadata.version(f"torch-{kind}-archiver") for kind in ("model", "workflow"))


def main(arguments: list[str]) -> int:
    """Entry point; prints what was built."""
    parser = argparse.ArgumentParser(prog="python -m ops.archive", description="Build archives.")
    parser.add_argument("--model", choices=MODELS, help="only this model")
    parser.add_argument("--version", help="its version; the serving one if not given")
    options = parser.parse_args(arguments)
    settings = Settings.from_environment()
    try:
        if options.model:
            version = options.version or serving_versions(settings.model_store)[options.model]
            plan = model_plan(settings.model_store, options.model, version)
            built = build(settings.model_store, [plan])
        else:
            built = build_all(settings)
            built += build_workflow(settings, serving_versions(settings.model_store))
    except OpsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"Built {', '.join(built)}." if built else "All archives are up to date.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
