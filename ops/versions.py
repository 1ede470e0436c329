"""Versions of the models of a running service: try, promote, roll back.

Run as `python -m ops.versions COMMAND`; `--help` after a command says what it does. Exit status 1
with one sentence where it failed: what served before goes on serving then.
"""

import argparse
import json
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any

from ops import comparison
from ops import overview as all_versions
from ops.client import InferenceClient, ManagementClient
from ops.errors import OpsError
from ops.rollout import Outcome, Rollout
from ops.settings import MODELS, Settings
from ops.tokens import read_tokens

Command = Callable[[Settings, argparse.Namespace], tuple[dict[str, Any], list[str]]]


def _list(settings: Settings, _: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    found = all_versions.overview(settings)
    return found, all_versions.table(found)


def _register(settings: Settings, options: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    done = Rollout.connect(settings, _say).register(options.model, options.version)
    what = "is loaded and judged the reference pictures" if done.changed else "was loaded already"
    return asdict(done), [f"{_name(done)} {what}; {done.serving} serves ({done.seconds} s)."]


def _promote(settings: Settings, options: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    return _served(Rollout.connect(settings, _say).promote(options.model, options.version))


def _rollback(settings: Settings, options: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    return _served(Rollout.connect(settings, _say).rollback(options.model))


def _served(done: Outcome) -> tuple[dict[str, Any], list[str]]:
    now = "serves now" if done.changed else "served already"
    return asdict(done), [f"{_name(done)} {now} ({done.seconds} s)."]


def _unregister(
    settings: Settings, options: argparse.Namespace
) -> tuple[dict[str, Any], list[str]]:
    done = Rollout.connect(settings, _say).unregister(options.model, options.version)
    return asdict(done), [f"{_name(done)} is no longer loaded; {done.serving} serves."]


def _compare(settings: Settings, options: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    model, version = options.model, options.version
    tokens = read_tokens(settings.run_dir)
    loaded = list(ManagementClient(settings.management_url, tokens.management).versions(model))
    if version not in loaded:
        raise OpsError(
            f"{model} {version} is not loaded: `make register MODEL={model} VERSION={version}`."
        )
    serving = Rollout.connect(settings, _say).serving(model)
    if version == serving:
        raise OpsError(f"{model} {version} is the version that serves: name another one.")
    inference = InferenceClient(
        settings.inference_url, lambda: read_tokens(settings.run_dir).inference, 90
    )
    pictures = comparison.pictures_in(Path(options.pictures))
    found = comparison.compare(inference, model, (serving, version), pictures, _say)
    return found, comparison.table(found)


_COMMANDS: dict[str, tuple[Command, str, tuple[str, ...]]] = {
    "list": (_list, "list all versions, what is loaded and what serves", ()),
    "register": (
        _register,
        "load a version beside the serving one and check it; nobody is served by it",
        ("model", "version"),
    ),
    "promote": (
        _promote,
        "load and check a version, then let it serve; if anything fails, nothing changes",
        ("model", "version"),
    ),
    "rollback": (_rollback, "go back to the version that served before", ("model",)),
    "unregister": (
        _unregister,
        "take a version that does not serve out of memory",
        ("model", "version"),
    ),
    "compare": (
        _compare,
        "compare a registered version with the serving one on a folder of pictures",
        ("model", "version", "pictures"),
    ),
}
_HELP = {
    "version": "as in its folder of the model store",
    "pictures": "folder of pictures, searched with all folders below it",
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ops.versions", description=(__doc__ or "").splitlines()[0]
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (_, text, wanted) in _COMMANDS.items():
        command = commands.add_parser(name, help=text, description=f"{text.capitalize()}.")
        if "model" in wanted:
            command.add_argument("model", choices=MODELS)
        for argument in wanted[1:]:
            command.add_argument(argument, help=_HELP[argument])
        command.add_argument(
            "--json", action="store_true", help="print one JSON document instead of sentences"
        )
    return parser


def _name(done: Outcome) -> str:
    return f"{done.model} {done.version}"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # standard output is for the result


def _raise_exit(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)  # what is half done is undone on the way out


def main(arguments: list[str]) -> int:
    """Entry point."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _raise_exit)
    try:
        found, lines = _COMMANDS[options.command][0](Settings.from_environment(), options)
    except OpsError as error:
        if options.json:
            print(json.dumps({"error": str(error)}))
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted: what was half done has been undone.", file=sys.stderr)
        return 130
    print(json.dumps(found, indent=2) if options.json else "\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
