"""What the page states about the service, read where it is decided: limits, models, figures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detection import limits
from detection.image import BACKGROUND
from ui.cards import card_sections
from ui.metrics import Combined, FigureTable, combined, error_rates, figure_table
from ui.texts import MODEL_NAMES

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True)
class ModelFacts:
    """One version of one model, as the page shows it.

    Attributes:
        name, version: as in its folder model_store/<name>/<version>.
        title: how people call it.
        serving: whether this version answers by default.
        card: contents of model.json.
        figures: table from metrics.json; None where there are none.
        error_rates: see `ui.metrics.error_rates`.
        sections: (title, HTML) of the model card README.md.
    """

    name: str
    version: str
    title: str
    serving: bool
    card: dict[str, Any]
    figures: FigureTable | None
    error_rates: dict[str, float]
    sections: list[tuple[str, str]]


def limits_facts() -> dict[str, Any]:
    """Give what an upload may be, and how it is read, for templates and scripts."""
    return {
        "bytes": limits.MAX_UPLOAD_BYTES,
        "megabytes": limits.MAX_UPLOAD_BYTES // MEBIBYTE,
        "pixels": limits.MAX_PIXELS,
        "megapixels": limits.MAX_PIXELS // 1_000_000,
        "side": limits.MIN_SIDE,
        "aspect": limits.MAX_ASPECT,
        "faces": limits.MAX_FACES,
        "background": "rgb({}, {}, {})".format(*BACKGROUND),
        "small_face": limits.SMALL_FACE_SIDE,
        "formats": list(limits.FORMATS),
        "formats_text": limits.ACCEPTED,
        "mime_types": [limits.MEDIA_TYPES[name] for name in limits.FORMATS],
    }


def _read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; an absent file gives an empty one, so a page can render early."""
    if not path.is_file():
        return {}
    loaded = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(loaded, dict):
        raise TypeError(f"{path} does not hold a JSON object")
    return loaded


def _version_key(version: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else 0 for part in version.split("."))


def _model_facts(folder: Path, serving: Mapping[str, Any]) -> ModelFacts:
    name, version = folder.parent.name, folder.name
    metrics = _read_json(folder / "metrics.json")
    readme = folder / "README.md"
    return ModelFacts(
        name=name,
        version=version,
        title=MODEL_NAMES.get(name, name),
        serving=str(serving.get(name, "")) == version,
        card=_read_json(folder / "model.json"),
        figures=figure_table(metrics),
        error_rates=error_rates(metrics),
        sections=card_sections(readme.read_text(encoding="utf-8")) if readme.is_file() else [],
    )


def model_facts(model_store: Path, serving: Mapping[str, str] | None = None) -> list[ModelFacts]:
    """Give all model versions in the store, the serving ones first, then newest first.

    Args:
        model_store: folder with <model>/<version>/model.json and serving.json.
        serving: the version of each model that serves; those of serving.json if not given.
    """
    serving = serving or _read_json(model_store / "serving.json")
    folders = [path.parent for path in model_store.glob("*/*/model.json")]
    facts = [_model_facts(folder, serving) for folder in sorted(folders)]
    newest_first = sorted(facts, key=lambda model: _version_key(model.version), reverse=True)
    return sorted(newest_first, key=lambda model: (not model.serving, model.name))


def combined_facts(model_store: Path, serving: Mapping[str, str] | None = None) -> Combined | None:
    """Give the figures of the combined verdict of the serving versions; None if not measured.

    Args:
        model_store: as for `model_facts`.
        serving: as for `model_facts`.
    """
    serving = dict(serving or _read_json(model_store / "serving.json"))
    serving = {name: str(version) for name, version in serving.items()}
    for name, version in serving.items():
        found = combined(_read_json(model_store / name / version / "metrics.json"))
        if found is not None and found.versions == serving:
            return found
    return None
