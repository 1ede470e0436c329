"""Puts the figures of an evaluation into a version's folder: ``metrics.json`` and its card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from training.card import render_card
from training.checkpoint import write_json
from training.subjects import WORKFLOW
from training.tables import as_markdown


def record(results: dict[str, Any], folder: Path) -> None:
    """Adds an evaluation to a version's ``metrics.json`` and renders its card anew.

    The file's layout; a figure is ``{"value", "low", "high"}``, the names are those of
    `training.figures.figures_of`:

    - ``<split>``: ``all`` and every source, each with ``fakes``, ``reals``, ``clusters`` and the
      figures;
    - ``combined``: ``versions`` of the workflow, and ``<split>`` as above for its verdict;
    - ``robustness``: by change and source ``auc``, ``fall`` and ``real_called_fake``;
    - ``explanations``: ``localisation``, ``faithfulness`` and ``randomisation``;
    - ``adversarial``: by attack some of the figures;
    - ``evaluation``: ``split``, ``date``, ``commands`` by section, ``markdown`` for the card;
    - anything else is left as it is.

    Args:
        results: What `training.evaluate` wrote.
        folder: The version's folder.

    Raises:
        ValueError: The figures are of other weights.
    """
    model = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    name = model["name"]
    if results["versions"][name]["weights_sha256"] != model["weights_sha256"]:
        raise ValueError(f"the evaluation is not of the weights in {folder}")
    path = folder / "metrics.json"
    metrics = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    subjects = results.get("figures", {}).get("subjects", {})
    if name in subjects:
        metrics[results["split"]] = _by_source(subjects[name])
    if WORKFLOW in subjects:
        versions = {each: facts["version"] for each, facts in results["versions"].items()}
        metrics["combined"] = {
            "versions": versions,
            results["split"]: _by_source(subjects[WORKFLOW]),
        }
    for section in ("robustness", "explanations", "adversarial"):
        part = results.get(section, {}).get("subjects", {})
        if name in part:
            metrics[section] = {key: v for key, v in part[name].items() if key != "examples"}
    metrics["evaluation"] = {
        "split": results["split"],
        "date": results["date"],
        "commands": {
            section: results[section]["command"]
            for section in ("figures", "robustness", "explanations", "adversarial")
            if section in results
        },
        "markdown": as_markdown(results, [name, WORKFLOW]),
    }
    write_json(path, metrics)
    render_card(folder)


def _by_source(subject: dict[str, Any]) -> dict[str, Any]:
    return {"all": subject["all"], **subject["sources"]}
