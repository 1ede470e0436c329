"""All versions there are: in the model store, loaded, serving, promoted."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ops import archive, manifest
from ops.client import LoadedVersion, ManagementClient
from ops.errors import OpsError
from ops.promotions import Promotions, effective_versions
from ops.settings import MODELS, WORKFLOW, Settings
from ops.tokens import read_tokens

Loaded = Mapping[str, dict[str, LoadedVersion]]


def overview(settings: Settings) -> dict[str, Any]:
    """Everything an operator wants to know before a change, as JSON values.

    It works without a running service too: then nothing is loaded, and `serves` names the versions
    that the service would come up with.

    Raises:
        OpsError: `serving.json` or the record of promotions cannot be read.
    """
    notes: list[str] = []
    loaded, problem = _loaded(settings)
    if problem:
        notes.append(problem)
    promotions = Promotions.read(settings.state_dir)
    comes_up = effective_versions(settings, notes.append)
    return {
        "models": {
            model: _model(settings, model, loaded, comes_up[model], promotions.earlier(model))
            for model in MODELS
        },
        "events": promotions.events,
        "notes": notes,
    }


def table(found: Mapping[str, Any]) -> list[str]:
    """The overview as lines for people."""
    rows = [("model", "version", "state", "weights", "")]
    for model, about in found["models"].items():
        for entry in about["versions"]:
            state = ", ".join(_states(about, entry))
            digest = (entry["weights_sha256"] or "?")[:12]
            rows.append((model, entry["version"], state, digest, ""))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    for model, about in found["models"].items():
        if about["earlier"]:
            lines.append(f"`make rollback MODEL={model}` would go back to {about['earlier'][-1]}.")
    return [*lines, *found["notes"]]


def _loaded(settings: Settings) -> tuple[Loaded, str | None]:
    names = [name for model in MODELS for name in (f"{WORKFLOW}__{model}", model)]
    try:
        token = read_tokens(settings.run_dir).management
        management = ManagementClient(settings.management_url, token, timeout=30)
        return {name: management.versions(name) for name in names}, None
    except OpsError as error:
        return {name: {} for name in names}, str(error)


def _model(
    settings: Settings, model: str, loaded: Loaded, comes_up: str, earlier: tuple[str, ...]
) -> dict[str, Any]:
    node, alone = loaded[f"{WORKFLOW}__{model}"], loaded[model]
    store = settings.model_store
    built = manifest.read(store)
    folders = {path.parent.name for path in store.glob(f"{model}/*/model.json")}
    versions = sorted(folders | node.keys() | alone.keys(), key=_by_number)
    return {
        "serves": next(iter(node), comes_up),
        "comes_up_with": comes_up,
        "default": archive.serving_versions(store)[model],
        "earlier": list(earlier),
        "versions": [
            {
                "version": version,
                "serving": version == next(iter(node), None),
                "loaded_in_workflow": version in node,
                "loaded_alone": version in alone,
                "archive": built.get(archive.model_file(model, version)),
                "weights_sha256": _weights(store, model, version),
            }
            for version in versions
        ],
    }


def _states(about: Mapping[str, Any], entry: Mapping[str, Any]) -> list[str]:
    states = []
    if entry["serving"]:
        states.append("serving")
    elif entry["loaded_in_workflow"] or entry["loaded_alone"]:
        states.append("loaded")
    elif entry["archive"]:
        states.append("archived")
    else:
        states.append("in the store")
    if entry["version"] == about["default"]:
        states.append("default")
    if entry["version"] == about["comes_up_with"] != about["default"]:
        states.append("promoted")
    return states


def _weights(store: Path, model: str, version: str) -> str | None:
    try:
        description = json.loads((store / model / version / "model.json").read_text())
        return str(description["weights_sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _by_number(version: str) -> list[tuple[int, str]]:
    return [(int(part) if part.isdigit() else 0, part) for part in version.split(".")]
