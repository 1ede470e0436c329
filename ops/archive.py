"""Builds the archives that TorchServe loads: one `.mar` a node, one `.war` for the workflow.

The archivers of TorchServe lay the files out; we put them into the zip file ourselves, in order and
without times, so that equal inputs give equal bytes. `archives.json` beside the archives holds
their SHA-256 and a digest of what went in: an archive is built again only when that has changed.

Run as `python -m ops.archive`, or `python -m ops.archive --model cnn --version 1.0` for one.
"""

import argparse
import fcntl
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from string import Template
from typing import Any

from ops import graphs, packing
from ops.errors import OpsError
from ops.settings import MODELS, ROOT, WORKFLOW, Settings

BATCH_SIZE = 8
# A lone request waits this long at every node; what is queued already joins its batch at once.
MAX_BATCH_DELAY_MS = 1
MANIFEST = "archives.json"
WORKFLOW_ARCHIVE = f"{WORKFLOW}.war"
_SPEC = ROOT / "handlers" / "workflow.yaml"
# Version of the nodes that hold code and no weights.
_CODE_VERSION = "1.0"
_CODE_NODES = ("ingest", "explain")
_CODE = ("architectures", "detection", "handlers")
_CODE_SUFFIXES = {".py", ".json"}
_WEIGHT_FILES = ("model.json", "weights.safetensors")


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
            digest.update(f"{path}\0{_sha256(file)}\0".encode())
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
    folder = model_store / name / version
    missing = [file for file in _WEIGHT_FILES if not (folder / file).is_file()]
    if missing:
        raise OpsError(f"Version {version} of {name} lacks {' and '.join(missing)} in {folder}.")
    weights = {file: folder / file for file in _WEIGHT_FILES}
    graph = graphs.graph(model_store, name, version)
    if graph is not None:
        weights[graphs.GRAPH] = graph
    return Plan(
        f"{name}-{version}.mar", name, version, ROOT / "handlers" / "model.py", _code() | weights
    )


def build(settings: Settings, plans: list[Plan]) -> list[str]:
    """Build those archives whose inputs have changed; returns their file names.

    Raises:
        OpsError: an archiver failed.
    """
    store = settings.model_store
    built = []
    with _lock(store / ".lock"):
        manifest = read_manifest(store)
        for plan in plans:
            digest, target = plan.digest(), store / plan.file
            known = manifest.get(plan.file, {})
            if known.get("inputs") == digest and target.is_file():
                continue
            packing.pack(plan.handler, plan.extra, target, name=plan.name, version=plan.version)
            manifest[plan.file] = {"sha256": _sha256(target), "inputs": digest}
            _write_json(store / MANIFEST, manifest)
            built.append(plan.file)
    return built


def build_all(settings: Settings) -> list[str]:
    """Build what the service needs, where it is not there already; returns what was built."""
    store = settings.model_store
    plans = [_code_plan(node) for node in _CODE_NODES]
    plans += [model_plan(store, name, version) for name, version in serving_versions(store).items()]
    built = build(settings, plans)
    with tempfile.TemporaryDirectory(prefix="deepfake-") as folder:
        spec = Path(folder) / f"{WORKFLOW}.yaml"
        spec.write_text(workflow_spec({plan.name: plan.file for plan in plans}))
        return built + build(settings, [Plan(WORKFLOW_ARCHIVE, WORKFLOW, "", spec, {})])


def service_files(store: Path) -> list[str]:
    """File names of the archives that the service needs, the workflow's last."""
    models = [f"{name}-{version}.mar" for name, version in serving_versions(store).items()]
    return [_code_plan(node).file for node in _CODE_NODES] + models + [WORKFLOW_ARCHIVE]


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

    Ingest and the two networks cost about the same (`make bench` prints it), so a third of the
    cores each keeps all cores busy; explain costs little, and its processes mostly sleep.
    """
    return max(1, round(cores / 3))


def read_manifest(store: Path) -> dict[str, dict[str, str]]:
    """The manifest: file name -> `sha256` of the archive, `inputs`: a digest of what went in."""
    try:
        manifest: dict[str, dict[str, str]] = json.loads((store / MANIFEST).read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return manifest


def require_known(store: Path, file: str) -> None:
    """Check an archive against the manifest before it is loaded.

    Raises:
        OpsError: it is not there, not in the manifest, or has other bytes than were built.
    """
    known = read_manifest(store).get(file, {}).get("sha256")
    if known is None or not (store / file).is_file():
        raise OpsError(f"There is no {file} in the model store: run `make archive`.")
    if _sha256(store / file) != known:
        raise OpsError(f"{file} is not the archive that was built: run `make archive` again.")


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


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _write_json(path: Path, content: Any) -> None:
    new = path.with_name(f".{path.name}.new")
    new.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")
    new.replace(path)


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


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
            built = build(settings, [model_plan(settings.model_store, options.model, version)])
        else:
            built = build_all(settings)
    except OpsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"Built {', '.join(built)}." if built else "All archives are up to date.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
