"""Packs an archive: TorchServe's archivers lay the files out, and we zip them.

The archivers write times and take files in the folder's order; here both are fixed, so that equal
inputs give equal bytes.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ops.errors import OpsError
from ops.settings import ROOT

# Stands in for the time of building, which would make every archive different.
_CREATED_ON = "01/01/2000 00:00:00"
_ZIP_TIME = (2000, 1, 1, 0, 0, 0)
FORMAT = "1"
"""Raise it with any change here that changes the bytes of archives."""


def pack(
    main: Path, extra: Mapping[str, Path], target: Path, *, name: str, version: str = ""
) -> None:
    """Build one archive; the target is replaced in one step.

    Args:
        main: the handler of a model, or the specification of a workflow.
        extra: path in the archive -> file; for a model only.
        target: the archive, `.mar` or `.war`.
        name: name of the model or workflow.
        version: version of a model; without one it is a workflow.

    Raises:
        OpsError: the archiver failed.
    """
    with tempfile.TemporaryDirectory(prefix="deepfake-") as folder:
        work = Path(folder)
        stage, out = work / "stage", work / "out"
        out.mkdir()
        for path, file in extra.items():
            (stage / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, stage / path)
        laid_out = (
            _lay_out_model(main, stage, out, name, version)
            if version
            else _lay_out_workflow(main, out, name)
        )
        _zip(laid_out, target)


def _lay_out_model(handler: Path, stage: Path, out: Path, name: str, version: str) -> Path:
    # Runtime "python" means the server's own interpreter; "python3" would be any on the PATH.
    _run(
        ["model_archiver.model_packaging", "--model-name", name, "--version", version,
         "--handler", str(handler), "--extra-files", str(stage), "--export-path", str(out),
         "--archive-format", "no-archive", "--runtime", "python"],
        out.parent,
    )  # fmt: skip
    return out / name


def _lay_out_workflow(spec: Path, out: Path, name: str) -> Path:
    # The archiver insists on a handler file, which only function nodes need: it gets an empty one.
    _run(
        ["workflow_archiver.workflow_packaging", "--workflow-name", name,
         "--spec-file", str(spec), "--handler", str(ROOT / "handlers" / "__init__.py"),
         "--export-path", str(out)],
        out.parent,
    )  # fmt: skip
    with zipfile.ZipFile(out / f"{name}.war") as archive:
        archive.extractall(out / name)
    return out / name


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
