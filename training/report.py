"""The evaluation as one HTML file that a person can read: `python -m training.report FILE.json`.

Everything is inside the file: plots, example pictures, styles. It shows faces of the data set and
therefore stays under ``build/``.
"""

from __future__ import annotations

import argparse
import base64
import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from training import plots, tables

_TEMPLATES = Path(__file__).parent / "templates"
_NEARLY_SAME = 0.9  # structural similarity


def write_report(results: dict[str, Any], path: Path) -> None:
    """Renders an evaluation.

    Args:
        results: What `training.evaluate` wrote; sections that are missing are left out.
        path: The HTML file.
    """
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=True,
    )
    environment.globals.update(
        titles=tables.TITLES,
        picture=_picture,
        rows=_rows,
        people=tables.people_lines,
        decision_rows=tables.decision_rows,
    )
    environment.filters["percent"] = lambda value: f"{100 * value:.1f} %"
    page = environment.get_template("report.html").render(
        results=results,
        plots=_plots(results),
        summary=summary(results),
        explained=explained(results),
    )
    path.write_text(page, encoding="utf-8")


def summary(results: dict[str, Any]) -> list[str]:
    """Says in plain sentences what a user of the deciding subject has to expect."""
    subjects = results.get("figures", {}).get("subjects", {})
    if not subjects:
        return []
    name = "workflow" if "workflow" in subjects else next(iter(subjects))
    sentences = []
    kinds = results["figures"]["kinds"]
    for source, entry in subjects[name]["sources"].items():
        parts = []
        if entry["reals"]:
            parts.append(f"of 100 real faces, {_of_hundred(entry['real_called_fake'])} called fake")
        if entry["fakes"]:
            missed = _of_hundred(entry["fake_called_real"])
            parts.append(f"of 100 fakes, {missed} passed as real")
        parts.append(f"{_of_hundred(entry['uncertain'])} left undecided")
        ranked = ""
        if "auc" in entry:
            right = f"{100 * entry['auc']['value']:.0f}"
            ranked = (
                " Shown one fake and one real face, it suspects the right one "
                f"{right} times of 100."
            )
        what = ", ".join(kinds[source]) or "real faces only"
        sentences.append(f"{source}, {what}: {'; '.join(parts)}.{ranked}")
    return sentences


def _of_hundred(figure: dict[str, float]) -> str:
    value, low, high = (100 * figure[key] for key in ("value", "low", "high"))
    verb = "is" if round(value) == 1 else "are"
    return f"{value:.0f} ({low:.0f} to {high:.0f}) {verb}"


def explained(results: dict[str, Any]) -> dict[str, list[str]]:
    """Says in plain sentences, by model, what the tests of the maps found."""
    subjects = results.get("explanations", {}).get("subjects", {})
    return {
        name: [
            *_where(subject["localisation"]),
            *(_faithful(subject) if "faithfulness" in subject else []),
            *([_depends(subject)] if "randomisation" in subject else []),
        ]
        for name, subject in subjects.items()
    }


def _where(found: dict[str, Any]) -> list[str]:
    part = found["shown"]
    if part["images"] == 0:
        return ["It called none of these forgeries fake with a localised map, so no user saw one."]
    gain, energy = part["gain"], part["grad_cam"]["energy"]["value"]
    centre = part["centre"]["energy"]["value"]
    verdict = "no better and no worse than"
    if gain["low"] > 0:
        verdict = "better than"
    if gain["high"] < 0:
        verdict = "worse than"
    return [
        (
            f"It called {found['called_fake']:.0%} of these forgeries fake{_told(found)}. Where it "
            f"showed a map, {energy:.0%} of the map lay inside the forged region, which covers "
            f"{found['region']:.0%} of the picture; a blob at the centre gets {centre:.0%}. "
            f"As a pointer to the forgery the map is {verdict} that blob."
        )
    ]


def _told(found: dict[str, Any]) -> str:
    if "auc" not in found:
        return ""  # results of an earlier evaluation
    return (
        f", and told them from the faces they were made from with AUC {found['auc']['value']:.2f}"
    )


def _faithful(subject: dict[str, Any]) -> list[str]:
    part = subject["faithfulness"]["original"]
    gains = [part[test]["gain"] for test in ("deletion", "insertion")]
    if all(gain["low"] > 0 for gain in gains):
        text = "What the map marks matters: undoing the forgery there moves the output faster than"
    elif any(gain["high"] < 0 for gain in gains):
        text = "What the map marks does not decide: undoing it moves the output more slowly than"
    else:
        text = "Undoing the forgery where the map is high moves the output not clearly faster than"
    return [f"{text} undoing it at random places."]


def _depends(subject: dict[str, Any]) -> str:
    found = subject["randomisation"]["similarity"]
    alike, everything = found["other pictures"]["ssim"], found["everything"]["ssim"]
    if alike > _NEARLY_SAME:
        return "Its maps of different pictures are nearly the same: they say little of a picture."
    if everything <= alike + 0.05:
        return (
            "With random weights the map is no more like the real one than the map of another "
            "picture: it depends on what the network has learned."
        )
    return (
        "With random weights the map is still more like the real one than the map of another "
        "picture: part of it shows the picture, not what was learned."
    )


def _plots(results: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"roc": {}, "reliability": {}, "localisation": {}, "replacement": {}}
    for name, subject in results.get("figures", {}).get("subjects", {}).items():
        if subject["curves"]:
            found["roc"][name] = plots.roc(_without_double(subject["curves"]))
        if subject["reliability"]:
            found["reliability"][name] = plots.reliability(_reliability(subject))
    if "robustness" in results:
        found["robustness"] = plots.robustness(results["robustness"]["subjects"])
    for name, subject in results.get("explanations", {}).get("subjects", {}).items():
        part = subject["localisation"]["shown"]
        part = part if part["images"] else subject["localisation"]["all"]
        found["localisation"][name] = plots.localisation(part)
        if "faithfulness" in subject:
            found["replacement"][name] = plots.replacement(subject["faithfulness"]["original"])
    if "adversarial" in results:
        found["attacks"] = plots.attacks(results["adversarial"]["subjects"])
    return found


def _without_double(curves: dict[str, Any]) -> dict[str, Any]:
    """Puts the whole last, and leaves it out where there is one source only."""
    found = {name: curve for name, curve in curves.items() if name != "all"}
    return {**found, "all": curves["all"]} if len(found) > 1 else found


def _reliability(subject: dict[str, Any]) -> dict[str, Any]:
    if "calibration" not in subject:
        return {"combined": subject["reliability"]}
    calibration = subject["calibration"]
    return {
        "before calibration": calibration["before"]["reliability"],
        "after calibration": calibration["after"]["reliability"],
    }


def _rows(section: str, subject: dict[str, Any]) -> list[list[str]]:
    """Gives the table of a section and subject, the heading first."""
    makers = {
        "figures": tables.figure_rows,
        "robustness": tables.robustness_rows,
        "explanations": tables.localisation_rows,
        "adversarial": tables.adversarial_rows,
    }
    return list(makers[section](subject))


def _picture(path: str) -> str:
    """Gives a JPEG file as a ``data:`` address; empty where it is gone."""
    file = Path(path)
    if not file.is_file():
        return ""
    return "data:image/jpeg;base64," + base64.b64encode(file.read_bytes()).decode("ascii")


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description="Renders the report of an evaluation anew.")
    parser.add_argument("results", type=Path, help="build/evaluation/<split>.json")
    path = parser.parse_args().results
    if not path.is_file():
        parser.exit(2, f"no evaluation at {path}; make one first: make evaluate\n")
    write_report(json.loads(path.read_text(encoding="utf-8")), path.with_suffix(".html"))
    print(path.with_suffix(".html"))


if __name__ == "__main__":
    main()
