"""Plots of the evaluation report, each an SVG as a ``data:`` address."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from training.robustness import LABELS
from training.tables import TITLES

# Okabe and Ito's palette: apart from each other with any colour vision deficiency.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_GREY = "#6b7280"
_STYLE: Any = {
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#9ca3af",
    "axes.labelcolor": "#1f2937",
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "text.color": "#1f2937",
    "xtick.color": "#4b5563",
    "ytick.color": "#4b5563",
    "legend.frameon": False,
    "svg.fonttype": "path",
    "svg.hashsalt": "evaluation",
}


def roc(curves: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    """Plots ROC curves, linear on the left and with logarithmic false alarms on the right.

    Args:
        curves: By source ``fpr`` and ``tpr``.
    """
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9.6, 3.6), layout="constrained")
        linear, low = figure.subplots(1, 2)
        for colour, (name, curve) in zip(_COLOURS, curves.items(), strict=False):
            style = {"color": _GREY if name == "all" else colour, "label": name, "linewidth": 1.8}
            linear.step(curve["fpr"], curve["tpr"], where="post", **style)
            low.step(np.maximum(curve["fpr"], 1e-3), curve["tpr"], where="post", **style)
        linear.plot([0, 1], [0, 1], color=_GREY, linewidth=1, linestyle=":")
        low.set_xscale("log")
        low.set_xlim(1e-3, 1)
        for rate in (0.01, 0.05):
            low.axvline(rate, color=_GREY, linewidth=1, linestyle=":")
            low.text(rate, 1.01, f"{rate:.0%}", color=_GREY, ha="center", va="bottom", fontsize=8)
        linear.set_ylabel("share of the fakes found")
        for axes in (linear, low):
            axes.set_xlabel("share of the real faces suspected")
            axes.set_ylim(0, 1.02)
        linear.legend(loc="lower right")
        return _as_address(figure)


def reliability(parts: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    """Plots what was said against what was so, the size of a dot being its share of images.

    Args:
        parts: By name (such as before and after calibration) bins of ``said``, ``so``, ``share``.
    """
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(3.2 * len(parts), 3.2), layout="constrained")
        for axes, (name, bins) in zip(
            figure.subplots(1, len(parts), squeeze=False)[0], parts.items(), strict=True
        ):
            axes.plot([0, 1], [0, 1], color=_GREY, linewidth=1, linestyle=":")
            said, so = [each["said"] for each in bins], [each["so"] for each in bins]
            axes.plot(said, so, color=_COLOURS[0], linewidth=1.5)
            sizes = [12 + 500 * each["share"] for each in bins]
            axes.scatter(said, so, s=sizes, color=_COLOURS[0], alpha=0.55, linewidths=0)
            axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", title=name)
            axes.set_xlabel("probability of a fake")
            axes.set_ylabel("share that is fake")
        return _as_address(figure)


def robustness(subjects: Mapping[str, Mapping[str, Any]]) -> str:
    """Plots the AUC of each subject and source under each change as a heat map."""
    rows = [
        (subject, source)
        for subject, changes in subjects.items()
        for source, entry in next(iter(changes.values())).items()
        if "auc" in entry
    ]
    changes = list(next(iter(subjects.values())))
    values = np.array(
        [
            [subjects[subject][change][source]["auc"]["value"] for change in changes]
            for subject, source in rows
        ]
    )
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(10.2, 1.3 + 0.32 * len(rows)), layout="constrained")
        axes = figure.subplots()
        image = axes.imshow(values, vmin=0.5, vmax=1, cmap="viridis", aspect="auto")
        for (row, column), value in np.ndenumerate(values):
            colour = "white" if value < 0.8 else "#111827"
            axes.text(
                column, row, f"{value:.2f}", color=colour, ha="center", va="center", fontsize=8.5
            )
        axes.set_yticks(range(len(rows)), [f"{_short(a)}, {b}" for a, b in rows])
        labels = [_in_lines(LABELS[change]) for change in changes]
        axes.set_xticks(range(len(changes)), labels, fontsize=8)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        bar = figure.colorbar(image, ax=axes, pad=0.01, aspect=12)
        bar.outline.set_visible(False)
        bar.set_label("AUC (0.5: a coin)")
        return _as_address(figure)


def localisation(part: Mapping[str, Any]) -> str:
    """Plots energy and peak inside the forgery for Grad-CAM and what it is compared with."""
    names = {
        "grad_cam": "Grad-CAM",
        "centre": "centre",
        "average": "average region",
        "random": "random",
        "perfect": "the region itself",
    }
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9.6, 2.4), layout="constrained")
        titles = {"energy": "energy inside the forgery", "peak": "peak inside the forgery"}
        for axes, (key, title) in zip(
            figure.subplots(1, 2, sharey=True), titles.items(), strict=True
        ):
            figures = [part[name][key] for name in names]
            values = [each["value"] for each in figures]
            reach = [
                [max(0.0, each["value"] - each["low"]) for each in figures],
                [max(0.0, each["high"] - each["value"]) for each in figures],
            ]
            colours = [_COLOURS[0], *["#9ca3af"] * (len(names) - 1)]
            axes.barh(range(len(names)), values, xerr=reach, color=colours, ecolor="#374151")
            axes.set_yticks(range(len(names)), list(names.values()))
            axes.set(xlim=(0, 1), title=title)
        _first(figure).invert_yaxis()  # both share the axis
        return _as_address(figure)


def replacement(part: Mapping[str, Any]) -> str:
    """Plots the mean deletion and insertion curves of Grad-CAM and random maps.

    Args:
        part: ``original`` of `faithfulness.faithfulness`.
    """
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9.6, 2.9), layout="constrained")
        titles = {
            "deletion": "forgery undone",
            "insertion": "forgery put in",
        }
        for axes, (test, title) in zip(
            figure.subplots(1, 2, sharey=True), titles.items(), strict=True
        ):
            for colour, (name, label) in zip(
                (_COLOURS[0], _GREY),
                {"grad_cam": "Grad-CAM first", "random": "random places first"}.items(),
                strict=True,
            ):
                curve = part[test]["curves"][name]
                axes.plot(np.linspace(0, 1, len(curve)), curve, color=colour, label=label)
            axes.set(xlim=(0, 1), ylim=(0, 1), title=title, xlabel="share of the picture replaced")
        _first(figure).set_ylabel("probability of a fake")
        _first(figure).legend(loc="lower left")
        return _as_address(figure)


def attacks(subjects: Mapping[str, Mapping[str, Any]]) -> str:
    """Plots the AUC left by attacks of growing budget."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(5.4, 2.9), layout="constrained")
        axes = figure.subplots()
        for colour, (subject, found) in zip(_COLOURS, subjects.items(), strict=False):
            for kind, style in (("fgsm", "-"), ("pgd", "--")):
                names = ["none", *(name for name in found if name.startswith(kind))]
                budgets = [int(name.split("-")[1]) if "-" in name else 0 for name in names]
                values = [found[name]["auc"]["value"] for name in names]
                label = f"{_short(subject)}, {kind.upper()}"
                axes.plot(budgets, values, style, color=colour, marker="o", ms=4, label=label)
        axes.axhline(0.5, color=_GREY, linewidth=1, linestyle=":")
        axes.set(ylim=(0, 1), xlabel="largest change of a value, of 255", ylabel="AUC")
        axes.legend(fontsize=9)
        return _as_address(figure)


def _in_lines(label: str) -> str:
    """Breaks a label where it can be broken."""
    return label.replace("JPEG quality ", "JPEG\n").replace(", ", "\n").replace("down to ", "to\n")


def _first(figure: Figure) -> Axes:
    return figure.axes[0]


def _short(subject: str) -> str:
    return TITLES.get(subject, subject).split(" (")[0]


def _as_address(figure: Figure) -> str:
    buffer = BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
