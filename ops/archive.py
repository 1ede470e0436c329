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
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from string import Template
from typing import Any

from ops.errors import OpsError
from ops.settings import MODELS, ROOT, WORKFLOW, Settings

BATCH_SIZE = 8
MAX_BATCH_DELAY_MS = 5
MANIFEST = "archives.json"
WORKFLOW_ARCHIVE = f"{WORKFLOW}.war"
_SPEC = ROOT / "handlers" / "workflow.yaml"
# Version of the nodes that hold code and no weights.
_CODE_VERSION = "1.0"
_CODE = ("architectures", "detection", "handlers")
_CODE_SUFFIXES = {".py", ".json"}
_WEIGHT_FILES = ("model.json", "weights.safetensors")
# Stands in for the time of building, which would make every archive different.
_CREATED_ON = "01/01/2000 00:00:00"
_ZIP_TIME = (2000, 1, 1, 0, 0, 0)


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
        for part in (self.name, self.version, self.handler.name, _archivers(), _CREATED_ON):
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
    """The archive of one version of a model.

    Raises:
        OpsError: the version's folder is not complete.
    """
    folder = model_store / name / version
    missing = [file for file in _WEIGHT_FILES if not (folder / file).is_file()]
    if missing:
        raise OpsError(f"Version {version} of {name} lacks {' and '.join(missing)} in {folder}.")
    weights = {file: folder / file for file in _WEIGHT_FILES}
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
            _write_archive(plan, target)
            manifest[plan.file] = {"sha256": _sha256(target), "inputs": digest}
            _write_json(store / MANIFEST, manifest)
            built.append(plan.file)
    return built


def build_all(settings: Settings) -> list[str]:
    """Build what the service needs, where it is not there already; returns what was built."""
    store = settings.model_store
    plans = [
        Plan(
            f"{node}-{_CODE_VERSION}.mar",
            node,
            _CODE_VERSION,
            ROOT / "handlers" / f"{node}.py",
            _code(),
        )
        for node in ("ingest", "explain")
    ]
    plans += [model_plan(store, name, version) for name, version in serving_versions(store).items()]
    built = build(settings, plans)
    with tempfile.TemporaryDirectory(prefix="deepfake-") as folder:
        spec = Path(folder) / f"{WORKFLOW}.yaml"
        spec.write_text(workflow_spec({plan.name: plan.file for plan in plans}))
        return built + build(settings, [Plan(WORKFLOW_ARCHIVE, WORKFLOW, "", spec, {})])


def workflow_spec(archives: dict[str, str]) -> str:
    """The workflow's specification with the file names of its nodes' archives put in."""
    return Template(_SPEC.read_text()).substitute(
        archives, batch_size=BATCH_SIZE, max_batch_delay_ms=MAX_BATCH_DELAY_MS
    )


def read_manifest(store: Path) -> dict[str, dict[str, str]]:
    """The manifest: file name -> `sha256` of the archive and `inputs`, the digest of what went in."""
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


def _code() -> dict[str, Path]:
    """Our packages, which travel in every archive: two versions of the code can run side by side."""
    return {
        file.relative_to(ROOT).as_posix(): file
        for package in _CODE
        for file in sorted((ROOT / package).rglob("*"))
        if file.suffix in _CODE_SUFFIXES and "__pycache__" not in file.parts
    }


def _write_archive(plan: Plan, target: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="deepfake-") as folder:
        work = Path(folder)
        stage, out = work / "stage", work / "out"
        out.mkdir()
        for path, file in plan.extra.items():
            (stage / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, stage / path)
        laid_out = (
            _archive_model(plan, stage, out) if plan.version else _archive_workflow(plan, out)
        )
        _zip(laid_out, target)


def _archive_model(plan: Plan, stage: Path, out: Path) -> Path:
    # Runtime "python" means the server's own interpreter; "python3" would be any on the PATH.
    _run(
        ["model_archiver.model_packaging", "--model-name", plan.name, "--version", plan.version,
         "--handler", str(plan.handler), "--extra-files", str(stage), "--export-path", str(out),
         "--archive-format", "no-archive", "--runtime", "python"],
        out.parent,
    )  # fmt: skip
    return out / plan.name


def _archive_workflow(plan: Plan, out: Path) -> Path:
    # The archiver insists on a handler file, which only function nodes need: it gets an empty one.
    _run(
        ["workflow_archiver.workflow_packaging", "--workflow-name", plan.name,
         "--spec-file", str(plan.handler), "--handler", str(ROOT / "handlers" / "__init__.py"),
         "--export-path", str(out)],
        out.parent,
    )  # fmt: skip
    with zipfile.ZipFile(out / plan.file) as archive:
        archive.extractall(out / plan.name)
    return out / plan.name


def _run(module_and_arguments: list[str], scratch: Path) -> None:
    # The archivers stage in <temporary folder>/<name>: in one of ours, two runs cannot collide.
    result = subprocess.run(
        [sys.executable, "-m", *module_and_arguments],
        check=False,
        capture_output=True,
        text=True,
        env={"TMPDIR": str(scratch), "PATH": ""},
    )
    if result.returncode != 0:
        last = (result.stderr or result.stdout).strip().splitlines()[-1:] or ["no message"]
        raise OpsError(f"{module_and_arguments[0]} failed: {last[0]}.")


def _zip(folder: Path, target: Path) -> None:
    """Pack a laid-out archive: sorted, without times, uncompressed (weights do not compress)."""
    new = target.with_name(f".{target.name}.new")
    with zipfile.ZipFile(new, "w", zipfile.ZIP_STORED) as archive:
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(file.relative_to(folder).as_posix(), _ZIP_TIME)
            entry.external_attr = 0o644 << 16
            data = file.read_bytes()
            archive.writestr(entry, _timeless(data) if file.name == "MANIFEST.json" else data)
    new.replace(target)


def _timeless(manifest: bytes) -> bytes:
    content: dict[str, Any] = json.loads(manifest)
    content["createdOn"] = _CREATED_ON
    return json.dumps(content, indent=2, sort_keys=True).encode()


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
