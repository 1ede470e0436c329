"""Figures of a model version (metrics.json) as a table and as error rates for the page.

The page shows the evaluation on the test split where there is one, by source of the pictures;
until then what calibration found on the validation split.
"""

from __future__ import annotations

from collections.abc import Iterator
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
    """Figures of one model version.

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


def _nested(node: object, key: str) -> Iterator[dict[str, Any]]:
    """Yield the objects under `key`, nearest to the root first."""
    level = [node]
    while level:
        objects = [each for each in level if isinstance(each, dict)]
        yield from (each[key] for each in objects if isinstance(each.get(key), dict))
        level = [child for each in objects for child in each.values()]


def _by_source(metrics: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = next(_nested(metrics.get("evaluation"), "by_source"), {})
    return {source: figures for source, figures in found.items() if isinstance(figures, dict)}


def figure_table(metrics: dict[str, Any]) -> FigureTable | None:
    """Give the figures that a reader of the page should know; None where there are none.

    Args:
        metrics: contents of metrics.json: `evaluation` with `by_source` (source -> figures of
            the test split) or `calibration` with `auc` (source -> AUC on the validation split).
    """
    sources = _by_source(metrics)
    if sources:
        names = [name for name in _COLUMNS if any(name in each for each in sources.values())]
        rows = [
            [source, *(_written(figures.get(name), name) for name in names)]
            for source, figures in sources.items()
        ]
        caption = "On the test split, by source of the pictures; 95 % intervals in brackets"
        return FigureTable(caption, ["Source", *(_COLUMNS[name] for name in names)], rows)
    aucs = metrics.get("calibration", {}).get("auc", {})
    if not aucs:
        return None
    rows = [[source, _written(auc, "auc")] for source, auc in aucs.items()]
    caption = "On the validation split, by source of the pictures"
    return FigureTable(caption, ["Source", _COLUMNS["auc"]], rows)


def error_rates(metrics: dict[str, Any]) -> dict[str, float]:
    """Give the shares of wrong verdicts, those of the source that fares worst.

    Returns:
        "false_alarms": real faces called fake, "misses": fakes called real, each in [0, 1]; a
        key is missing where it was not measured.
    """
    sources = _by_source(metrics).values()
    bounds = metrics.get("calibration", {}).get("error_rates", {})
    rates = {}
    for name, measured, bound in (
        ("false_alarms", "real_called_fake", "false_fake"),
        ("misses", "fake_called_real", "false_real"),
    ):
        values = [_value(figures.get(measured)) for figures in sources]
        known = [value for value in values if value is not None]
        worst = max(known) if known else _value(bounds.get(bound))
        if worst is not None:
            rates[name] = worst
    return rates
