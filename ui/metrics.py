"""Figures of a model version (metrics.json) as a table and as error rates for the page.

The page shows the evaluation on the test split where there is one, by source of the pictures;
until then what calibration found on the validation split.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_COLUMNS = {
    "auc": "AUC",
    "tpr_at_5_fpr": "Fakes found at 5 % false alarms",
    "real_called_fake": "Real called fake",
    "fake_called_real": "Fakes called real",
    "uncertain": "Left undecided",
    "ece": "Calibration error",
}
"""Figures shown, by their name in metrics.json, and the column heading of each."""

_SHARES = {"tpr_at_5_fpr", "real_called_fake", "fake_called_real", "uncertain"}
"""Figures that people read as percentages."""


@dataclass(frozen=True)
class FigureTable:
    """Figures by source of the pictures.

    Attributes:
        caption: on which pictures they were measured.
        columns: headings; the first is that of the source.
        rows: cells, the source first.
    """

    caption: str
    columns: list[str]
    rows: list[list[str]]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _value(figure: object) -> float | None:
    """Give the value of a figure, which is a number or {"value", "low", "high"}."""
    if isinstance(figure, dict):
        figure = figure.get("value")
    return float(figure) if _is_number(figure) else None  # type: ignore[arg-type]


def _written(figure: object, name: str) -> str:
    """Write a figure, with its interval where it has one."""
    value = _value(figure)
    if value is None:
        return "not measured"
    scale, digits, unit = (100, 0, " %") if name in _SHARES else (1, 3, "")
    text = f"{value * scale:.{digits}f}"
    if (
        isinstance(figure, dict)
        and _is_number(figure.get("low"))
        and _is_number(figure.get("high"))
    ):
        low, high = figure["low"] * scale, figure["high"] * scale
        return f"{text}{unit} ({low:.{digits}f} to {high:.{digits}f})"
    return text + unit


def _split(metrics: dict[str, Any]) -> str:
    evaluation = metrics.get("evaluation")
    return str(evaluation.get("split", "test")) if isinstance(evaluation, dict) else "test"


def _sources(part: object) -> dict[str, dict[str, Any]]:
    """Give the figures by source, without those of all sources together."""
    if not isinstance(part, dict):
        return {}
    return {name: each for name, each in part.items() if name != "all" and isinstance(each, dict)}


def _evaluation_table(sources: dict[str, dict[str, Any]], split: str) -> FigureTable:
    names = [name for name in _COLUMNS if any(name in each for each in sources.values())]
    rows = [
        [source, *(_written(figures.get(name), name) for name in names)]
        for source, figures in sources.items()
    ]
    caption = f"On the {split} split, by source of the pictures; 95 % intervals in brackets"
    return FigureTable(caption, ["Source", *(_COLUMNS[name] for name in names)], rows)


def figure_table(metrics: dict[str, Any]) -> FigureTable | None:
    """Give the figures that a reader of the page should know; None where there are none.

    Args:
        metrics: contents of metrics.json; see `training.recording.record` for its layout. Without
            an evaluation, the AUC by source that calibration found on the validation split.
    """
    split = _split(metrics)
    sources = _sources(metrics.get(split))
    if sources:
        return _evaluation_table(sources, split)
    aucs = metrics.get("calibration", {}).get("auc", {})
    if not aucs:
        return None
    rows = [[source, _written(auc, "auc")] for source, auc in aucs.items()]
    caption = "On the validation split, by source of the pictures"
    return FigureTable(caption, ["Source", _COLUMNS["auc"]], rows)


def _worst(sources: dict[str, dict[str, Any]], name: str) -> float | None:
    values = [_value(figures.get(name)) for figures in sources.values()]
    return max((value for value in values if value is not None), default=None)


def _rates(sources: dict[str, dict[str, Any]], bounds: dict[str, Any]) -> dict[str, float]:
    found = {}
    for name, measured, bound in (
        ("false_alarms", "real_called_fake", "false_fake"),
        ("misses", "fake_called_real", "false_real"),
    ):
        worst = _worst(sources, measured)
        rate = _value(bounds.get(bound)) if worst is None else worst
        if rate is not None:
            found[name] = rate
    return found


def error_rates(metrics: dict[str, Any]) -> dict[str, float]:
    """Give the shares of wrong verdicts of one model, those of the source that fares worst.

    Returns:
        "false_alarms": real faces called fake, "misses": fakes called real, each in [0, 1]; a
        key is missing where it was not measured. Without an evaluation, the bounds that the
        thresholds were chosen for.
    """
    bounds = metrics.get("calibration", {}).get("error_rates", {})
    return _rates(_sources(metrics.get(_split(metrics))), bounds)


@dataclass(frozen=True)
class Combined:
    """Figures of the verdict that both models reach together.

    Attributes:
        versions: the model versions that reached it, by model.
        figures: its table.
        error_rates: as those of one model.
    """

    versions: dict[str, str]
    figures: FigureTable
    error_rates: dict[str, float]


def combined(metrics: dict[str, Any]) -> Combined | None:
    """Give the figures of the combined verdict, where they were measured."""
    part = metrics.get("combined", {})
    split = _split(metrics)
    sources = _sources(part.get(split))
    if not sources:
        return None
    versions = {str(name): str(version) for name, version in part.get("versions", {}).items()}
    return Combined(versions, _evaluation_table(sources, split), _rates(sources, {}))
