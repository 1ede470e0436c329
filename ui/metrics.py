"""Figures of an evaluation (metrics.json) as rows for the About page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_SPLIT = "test"
_LABELS = {
    "auc": "AUC",
    "ece": "ECE (calibration error)",
    "eer": "EER (equal error rate)",
    "average_precision": "average precision",
    "tpr_at_1_fpr": "fakes found at 1 % false alarms",
    "tpr_at_5_fpr": "fakes found at 5 % false alarms",
    "balanced_accuracy": "balanced accuracy",
    "real_called_fake": "real faces called fake",
    "fake_called_real": "fakes called real",
    "uncertain": "left undecided",
    "by_source": "",
    _SPLIT: "",
}


def _label(key: str) -> str:
    return _LABELS.get(key, key.replace("_", " "))


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.3f}"


def _leaf(value: object) -> str | None:
    """Write a figure, with its interval where it has one; None for what is no figure."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, dict) and "value" in value:
        bounds = value.get("interval") or [value.get("low"), value.get("high")]
        if all(isinstance(bound, int | float) for bound in bounds):
            return f"{_number(value['value'])} ({_number(bounds[0])} to {_number(bounds[1])})"
        return _leaf(value["value"])
    return None


def _walk(node: dict[str, Any], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    for key, value in node.items():
        here = (*path, _label(key)) if _label(key) else path
        leaf = _leaf(value)
        if leaf is not None:
            yield here, leaf
        elif isinstance(value, dict):
            yield from _walk(value, here)


def figure_rows(metrics: dict[str, Any]) -> list[tuple[str, str]]:
    """Give (what, figure) for every number of the test split, intervals in brackets.

    Args:
        metrics: contents of metrics.json; a figure is a number or {"value", "low", "high"}.
            Without a part "test" all of it is taken; without any figure the list is empty.
    """
    part = metrics.get(_SPLIT, metrics)
    rows = _walk(part, ()) if isinstance(part, dict) else iter(())
    return [(", ".join(path), figure) for path, figure in rows]


def _find(node: object, key: str) -> float | None:
    """Find the first number under `key`, nearest to the root."""
    if not isinstance(node, dict):
        return None
    value = node.get(key)
    if isinstance(value, dict):
        value = value.get("value")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    found = (_find(child, key) for child in node.values())
    return next((number for number in found if number is not None), None)


def error_rates(metrics: dict[str, Any]) -> dict[str, float]:
    """Give the shares of wrong verdicts on the test split, as far as they were measured.

    Returns:
        "false_alarms": real faces called fake, "misses": fakes called real, each in [0, 1].
    """
    keys = {"false_alarms": "real_called_fake", "misses": "fake_called_real"}
    part = metrics.get(_SPLIT, metrics)
    rates = {name: _find(part, key) for name, key in keys.items()}
    return {name: rate for name, rate in rates.items() if rate is not None}
