"""Judges pictures on disk without any server: ``python -m detection PATH...``.

Writes one JSON object a line to standard output: the reply of the service with the file's
``path``, or ``{"path", "error"}`` for a file that cannot be judged.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from detection.limits import ACCEPTED, MAX_UPLOAD_BYTES

INTERRUPTED = 130
_STORE = Path(__file__).resolve().parent.parent / "model_store"


def main(arguments: list[str] | None = None) -> int:
    """Runs the command.

    Args:
        arguments: Those of the command line, without the program's name.

    Returns:
        Exit status: 0 if every file was judged, 1 if some failed, 2 if the command cannot run as
        asked, 130 after Ctrl-C.
    """
    options = _parser().parse_args(arguments)
    versions = _versions(options.models)
    if options.threads < 1:
        _parser().error("--threads must be at least 1")
    try:
        from detection import batch  # noqa: PLC0415 (torch takes seconds; --help should not)

        try:
            pipeline = batch.load(options.model_store, versions, options.device, options.threads)
        except ValueError as error:
            _parser().error(str(error))
        return batch.judge_files(options.paths, pipeline, quiet=options.quiet)
    except KeyboardInterrupt:
        print("interrupted; the lines written so far are whole", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m detection",
        description="Judges whether the faces in pictures are real or fake. Writes one JSON "
        "object a line, the reply of the service with the file's path.",
        epilog=f"Accepted are {ACCEPTED} files up to {MAX_UPLOAD_BYTES >> 20} MiB. Exit status: "
        "0 all files judged, 1 some could not be, 2 wrong usage.",
    )
    parser.add_argument(
        "paths",
        nargs="+",
        type=Path,
        metavar="PATH",
        help="picture, or folder whose files (but hidden ones) are all judged, subfolders too",
    )
    parser.add_argument(
        "--models",
        nargs="+",
        default=[],
        metavar="NAME=VERSION",
        help="versions to judge with, such as cnn=1.0; by default those that serve",
    )
    parser.add_argument(
        "--model-store",
        type=Path,
        default=_STORE,
        metavar="FOLDER",
        help="folder of the models (default: the model_store beside this package)",
    )
    parser.add_argument("--device", help="cpu, cuda or cuda:N; by default a GPU if there is one")
    parser.add_argument(
        "--threads", type=int, default=os.cpu_count() or 1, help="CPU threads (default: all cores)"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    return parser


def _versions(choices: Iterable[str]) -> dict[str, str]:
    versions = {}
    for choice in choices:
        name, separator, version = choice.partition("=")
        if not (name and separator and version):
            _parser().error(f"--models wants NAME=VERSION, not {choice!r}")
        versions[name] = version
    return versions


if __name__ == "__main__":
    sys.exit(main())
