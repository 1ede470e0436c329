"""Judges many files on disk, one JSON object a line: what ``python -m detection`` does."""

from __future__ import annotations

import json
import os
import signal
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm

from detection.errors import InputError
from detection.limits import MAX_UPLOAD_BYTES
from detection.pipeline import Pipeline

ALL_JUDGED, SOME_FAILED = 0, 1


def load(store: Path, versions: Mapping[str, str], device: str | None, threads: int) -> Pipeline:
    """Loads the models for this process.

    Args:
        store: The folder of all models.
        versions: Versions by model name; the serving ones for models left out.
        device: Where the models run, in torch's words; None for a GPU if there is one.
        threads: Threads on the CPU.

    Raises:
        ValueError: A version is missing or unusable, or there is no such device.
    """
    if device not in {None, "cpu"}:
        _require(device)
    pipeline = Pipeline(store, versions, device, threads=threads)
    if any(judge.facts.engine == "torch" for judge in pipeline.judges.values()):
        import torch  # noqa: PLC0415 (seconds, where ONNX Runtime needs none)

        torch.set_num_threads(threads)
    return pipeline


def _require(device: str | None) -> None:
    import torch  # noqa: PLC0415 (seconds)

    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # torch's ways to say "no such device"
        raise ValueError(f"no device {device!r} here: {str(error).splitlines()[0]}") from error


def judge_files(paths: Iterable[Path], pipeline: Pipeline, *, quiet: bool = False) -> int:
    """Judges files and folders and writes one line each to standard output as soon as it is known.

    Args:
        paths: Files, and folders whose files (but hidden ones) are judged, subfolders too.
        pipeline: Judges them.
        quiet: No progress bar on standard error.

    Returns:
        0 if every file was judged, 1 if some could not be.
    """
    failed = 0
    files = list(_files(paths))
    for path in tqdm(files, unit="file", disable=quiet, file=sys.stderr, dynamic_ncols=True):
        line = _judge_file(path, pipeline)
        failed += "error" in line
        with _interrupts_later():
            sys.stdout.write(json.dumps(line, allow_nan=False) + "\n")
            sys.stdout.flush()
    return SOME_FAILED if failed else ALL_JUDGED


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    """Lists the files to judge, those of a folder in the order of their names."""
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        unlisted: list[OSError] = []
        for folder, subfolders, names in os.walk(path, onerror=unlisted.append):
            subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
            yield from (Path(folder, name) for name in sorted(names) if not name.startswith("."))
        yield from (Path(error.filename) for error in unlisted)  # reported in lines of their own


def _judge_file(path: Path, pipeline: Pipeline) -> dict[str, Any]:
    try:
        answer = pipeline.judge(_read(path))
    except InputError as error:
        answer = dict(error.as_dict())
    if "code" in answer:
        return {"path": str(path), "error": answer}
    return {"path": str(path), **answer}


def _read(path: Path) -> bytes:
    """Reads a file, but no more of it than is needed to see that it is too large."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise InputError(422, "unreadable_file", "The folder cannot be listed.")
        if not stat.S_ISREG(mode):  # reading a device or a pipe might never end
            raise InputError(422, "unreadable_file", "This is no regular file.")
        with path.open("rb") as file:
            return file.read(MAX_UPLOAD_BYTES + 1)
    except OSError as error:
        code = 404 if isinstance(error, FileNotFoundError) else 422
        reason = error.strerror or type(error).__name__
        raise InputError(code, "unreadable_file", f"The file cannot be read: {reason}.") from error


@contextmanager
def _interrupts_later() -> Iterator[None]:
    """Holds Ctrl-C back while a line is written, so that none is cut in two."""
    pending = False

    def note(*_: object) -> None:
        nonlocal pending
        pending = True

    previous = signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
    if pending:
        raise KeyboardInterrupt
