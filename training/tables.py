"""The figures of an evaluation as tables: aligned text for terminals, Markdown for cards.

`python -m training.tables build/evaluation/test.json` prints the Markdown.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from training.robustness import LABELS, UNCHANGED

Row = list[str]

TITLES = {"workflow": "Workflow (both models)", "cnn": "CNN", "efficientnet": "EfficientNet"}

COLUMNS = {
    "auc": "AUC",
    "real_called_fake": "real called fake",
    "fake_called_real": "fake called real",
    "uncertain": "uncertain",
    "tpr_at_1_fpr": "TPR at 1 % FPR",
    "tpr_at_5_fpr": "TPR at 5 % FPR",
    "eer": "EER",
    "average_precision": "AP",
    "balanced_accuracy": "balanced accuracy",
    "ece": "ECE",
    "ece_balanced": "ECE, balanced",
}
"""Figures in the order of the tables, with their headings."""

_SHARES = {"real_called_fake", "fake_called_real", "uncertain", "tpr_at_1_fpr", "tpr_at_5_fpr"}


def number(name: str, entry: dict[str, Any], *, interval: bool) -> str:
    """Writes one figure: shares in per cent, the rest to three decimals.

    Args:
        name: The figure's name.
        entry: Figures by name; an empty text is given for one that is missing.
        interval: Whether to add the bounds.
    """
    figure = entry.get(name)
    if figure is None:
        return ""
    scale, digits, unit = (100, 1, " %") if name in _SHARES else (1, 3, "")
    value, low, high = (f"{scale * figure[key]:.{digits}f}" for key in ("value", "low", "high"))
    return f"{value}{unit} ({low} to {high})" if interval else f"{value}{unit}"


def figure_rows(subject: dict[str, Any], *, interval: bool = True) -> Iterator[Row]:
    """Gives the heading and then a row for every source, the whole and each kind of forgery."""
    yield ["images", "fake / real", *COLUMNS.values()]
    sources, kinds = subject["sources"], subject["kinds"]
    parts = [*sources.items(), *([("all", subject["all"])] if len(sources) > 1 else [])]
    parts += [item for item in kinds.items() if item[1] not in sources.values()]
    for name, entry in parts:
        figures = [number(column, entry, interval=interval) for column in COLUMNS]
        yield [name, f"{entry['fakes']} / {entry['reals']}", *figures]


def people_lines(subject: dict[str, Any]) -> Iterator[str]:
    """Says of each source with several images a person how the AUC varies between people."""
    for source, found in subject.get("people", {}).items():
        yield (
            f"{source}, AUC among the images of one person: mean {found['mean']:.3f}, "
            f"standard deviation {found['sd']:.3f} over {found['people']} people."
        )


def decision_rows(decisions: Sequence[dict[str, Any]]) -> Iterator[Row]:
    """Gives the heading and then a row for every case of `deciders.decisions`."""
    yield ["images", "decides", "says", "the other says", "number", "claimed", "right"]
    for case in decisions:
        value, low, high = (f"{100 * case['right'][key]:.0f}" for key in ("value", "low", "high"))
        yield [
            case["source"],
            TITLES.get(case["decider"], case["decider"]),
            case["claims"],
            "the same" if case["agree"] else "the opposite",
            str(case["images"]),
            f"{100 * case['confidence']:.0f} %",
            f"{value} % ({low} to {high})",
        ]


def robustness_rows(subject: dict[str, Any]) -> Iterator[Row]:
    """Gives the heading and a row a change: the AUC by source with its change, false alarms."""
    sources = list(next(iter(subject.values())))
    ranked = [name for name in sources if "auc" in next(iter(subject.values()))[name]]
    yield [
        "change",
        *(f"{name}: AUC (change)" for name in ranked),
        *(f"{name}: real called fake" for name in sources),
    ]
    for change, entry in subject.items():
        aucs = [_auc_and_change(change, entry[name]) for name in ranked]
        alarms = [
            f"{100 * entry[name]['real_called_fake']:.1f} %"
            if "real_called_fake" in entry[name]
            else ""
            for name in sources
        ]
        yield [LABELS[change], *aucs, *alarms]


def _auc_and_change(change: str, entry: dict[str, Any]) -> str:
    auc = f"{entry['auc']['value']:.3f}"
    return auc if change == UNCHANGED else f"{auc} ({0.0 - entry['fall']['value']:+.3f})"


def localisation_rows(subject: dict[str, Any]) -> Iterator[Row]:
    """Gives the heading and a row for Grad-CAM and each thing it is compared with.

    Twice the energy and the peak inside the forgery: over all forgeries, and over those that were
    called fake with a localised map, which is when a user sees one. Last comes the AUC of the
    forgeries against the faces they were made from.
    """
    found = subject["localisation"]
    parts = {"all": found["all"], "called fake": found["shown"]}
    heads = [f"{what}, {part}" for part in parts for what in ("energy inside", "peak inside")]
    yield ["map", *heads]
    names = {
        "grad_cam": "Grad-CAM",
        "centre": "Gaussian at the centre",
        "average": "average region of other forgeries",
        "random": "random map",
        "perfect": "the region itself, at the map's resolution",
    }
    for name, label in names.items():
        row = [
            f"{part[name][key]['value']:.3f}" if part["images"] else "-"
            for part in parts.values()
            for key in ("energy", "peak")
        ]
        yield [label, *row]
    gains = [_gain(part) for part in parts.values()]
    yield ["Grad-CAM minus the Gaussian", gains[0], "", gains[1], ""]
    if (auc := found.get("auc")) is None:
        return  # results of an earlier evaluation
    told = f"AUC {auc['value']:.3f} ({auc['low']:.3f} to {auc['high']:.3f})"
    yield ["forgeries told from the faces they were made from", told, "", "", ""]


def _gain(part: dict[str, Any]) -> str:
    if not part["images"]:
        return "-"
    gain = part["gain"]
    return f"{gain['value']:+.3f} ({gain['low']:+.3f} to {gain['high']:+.3f})"


def adversarial_rows(subject: dict[str, Any]) -> Iterator[Row]:
    """Gives the heading and a row an attack."""
    columns = ["auc", "balanced_accuracy", "real_called_fake", "fake_called_real"]
    yield ["attack", *(COLUMNS[name] for name in columns)]
    for name, entry in subject.items():
        if isinstance(entry, dict):
            label = name.upper().replace("-", ", ") + "/255" if "-" in name else name
            yield [label, *(number(column, entry, interval=False) for column in columns)]


_PARTS = {
    "figures": ("", figure_rows),
    "robustness": ("under changes of the picture", robustness_rows),
    "explanations": ("maps of self-blended forgeries", localisation_rows),
    "adversarial": ("under attack", adversarial_rows),
}


def as_text(results: dict[str, Any]) -> str:
    """Gives all sections of an evaluation as tables of aligned text."""
    blocks = []
    for section, (what, rows_of) in _PARTS.items():
        for name, subject in results.get(section, {}).get("subjects", {}).items():
            title = ", ".join(part for part in (TITLES.get(name, name), what) if part)
            rows = (
                list(figure_rows(subject, interval=False)) if not what else list(rows_of(subject))
            )
            lines = [f"{title} ({results[section]['images']} images)", _aligned(rows)]
            blocks.append("\n".join([*lines, *people_lines(subject)]))
    if decisions := results.get("figures", {}).get("decisions"):
        title = "Is the surer model as often right as it claims? (both classes count the same)"
        blocks.append(f"{title}\n{_aligned(list(decision_rows(decisions)))}")
    return "\n\n".join(blocks)


def _aligned(rows: Sequence[Row]) -> str:
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        lines.append("  ".join([row[0].ljust(widths[0]), *cells[1:]]).rstrip())
    return "\n".join(lines)


def as_markdown(
    results: dict[str, Any], subjects: Sequence[str], sections: Sequence[str] = tuple(_PARTS)
) -> str:
    """Gives figures for a model card or README, with the commands that make them.

    Args:
        results: What `training.evaluate` wrote.
        subjects: Of ``cnn``, ``efficientnet`` and ``workflow``: those to show.
        sections: Of ``figures``, ``robustness``, ``explanations`` and ``adversarial``.
    """
    blocks = []
    for section in sections:
        what, rows_of = _PARTS[section]
        part = results.get(section, {})
        for name in subjects:
            if name in part.get("subjects", {}):
                title = ", ".join(text for text in (TITLES.get(name, name), what) if text)
                split = part.get("split", results["split"])
                caption = (
                    f"{title}: {split} split, {part['images']} images, by `{part['command']}`."
                )
                blocks.append(f"{caption}\n\n{_markdown(list(rows_of(part['subjects'][name])))}")
                blocks += people_lines(part["subjects"][name])
    note = (
        "In brackets: 95 % intervals, resampled by person. `real called fake`, `fake called real` "
        "and `uncertain` hold at the shipped thresholds, balanced accuracy at 0.5."
    )
    return "\n\n".join([*blocks, note])


def _markdown(rows: Sequence[Row]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description="Prints the figures of an evaluation as Markdown.")
    parser.add_argument("results", type=Path, help="build/evaluation/<split>.json")
    parser.add_argument("--subjects", nargs="+", choices=TITLES, default=list(TITLES))
    parser.add_argument("--sections", nargs="+", choices=_PARTS, default=["figures"])
    arguments = parser.parse_args()
    if not arguments.results.is_file():
        parser.exit(2, f"no evaluation at {arguments.results}; make one first: make evaluate\n")
    results = json.loads(arguments.results.read_text(encoding="utf-8"))
    print(as_markdown(results, arguments.subjects, arguments.sections))


if __name__ == "__main__":
    main()
