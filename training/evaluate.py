"""Evaluates the serving models and the workflow: `python -m training.evaluate`.

Writes ``build/evaluation/<split>.json`` and ``<split>.html``, and prints the figures. It can be
interrupted: scores are kept, and the same command goes on. ``--record`` also puts the figures
into the versions' folders (``metrics.json`` and the model card).
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from detection.version import ModelVersion
from training.checkpoint import write_json
from training.face_loader import FaceLoader
from training.manifest import REAL, SPLITS, Sample, in_split, load_samples
from training.recording import record
from training.regions import DEFAULT_PATH, find_regions, load_regions
from training.report import write_report
from training.robustness import spread
from training.sections import (
    Material,
    adversarial_section,
    explanations_section,
    figures_section,
    robustness_section,
)
from training.subjects import Scorer, load_versions
from training.tables import as_text

FORMAT = 1
"""Number of the layout of the JSON file; it grows when old files can no longer be read."""


@dataclass(frozen=True)
class Sizes:
    """How much is measured; the defaults take about 15 minutes on two cores.

    Attributes:
        figures: Most images of the figures; 0 for all.
        robustness: Images of the robustness grid.
        explanations: Forgeries whose maps are compared with the blended region.
        faithfulness: Forgeries of the deletion, insertion and randomisation tests.
        adversarial: Images that are attacked.
        resamples: Bootstrap resamples of the intervals.
    """

    figures: int = 0
    robustness: int = 600
    explanations: int = 200
    faithfulness: int = 32
    adversarial: int = 200
    resamples: int = 500


QUICK = Sizes(150, 60, 16, 4, 16, 50)

_SECTIONS: dict[str, Callable[[Material, Sizes], dict[str, Any]]] = {
    "figures": lambda material, sizes: figures_section(material, sizes.resamples),
    "robustness": lambda material, sizes: robustness_section(
        material, sizes.robustness, min(200, sizes.resamples)
    ),
    "explanations": lambda material, sizes: explanations_section(
        material, sizes.faithfulness, sizes.resamples
    ),
    "adversarial": lambda material, sizes: adversarial_section(
        material, sizes.adversarial, min(200, sizes.resamples)
    ),
}


def evaluate(
    material: Material, sizes: Sizes, sections: list[str], path: Path, heading: dict[str, Any]
) -> dict[str, Any]:
    """Measures the chosen sections and writes them as JSON after each.

    Args:
        material: What is evaluated, on what.
        sizes: How much is measured.
        sections: Of ``figures``, ``robustness``, ``explanations``, ``adversarial``.
        path: The JSON file; sections it already has stay if they are of the same weights.
        heading: What was run, when.

    Returns:
        What the file holds.
    """
    results = {**_earlier(path, material.versions), **heading, "format": FORMAT}
    results["versions"] = {v.facts.name: _description(v) for v in material.versions}
    path.parent.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(sections, 1):
        print(f"{number}/{len(sections)} {name}", file=sys.stderr)
        found = _SECTIONS[name](material, sizes)
        results[name] = {**found, "command": heading["command"], "sizes": asdict(sizes)}
        write_json(path, results)
    return results


def _description(version: ModelVersion) -> dict[str, Any]:
    return {**version.facts.as_dict(), **version.scaling.as_dict()}


def _earlier(path: Path, versions: list[ModelVersion]) -> dict[str, Any]:
    """Reads the sections of an earlier evaluation of the same versions."""
    if not path.is_file():
        return {}
    results: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    same = results.get("versions") == {v.facts.name: _description(v) for v in versions}
    if not same or results.get("format") != FORMAT:
        return {}
    return {name: results[name] for name in _SECTIONS if name in results}


def _material(arguments: argparse.Namespace, sizes: Sizes) -> Material:
    versions = load_versions(arguments.model, arguments.store)
    samples = load_samples(arguments.data)
    chosen = in_split(samples, arguments.split)
    if not chosen:
        raise ValueError(f"no images of the split {arguments.split!r} under {arguments.data}")
    if sizes.figures:
        chosen = spread(chosen, sizes.figures)
    known = [s for s in in_split(samples, "validation") or chosen if s.label == REAL]
    known = spread(known, sizes.explanations)
    regions = _regions(arguments, [*chosen, *known])
    loader = FaceLoader(arguments.data, regions)
    scorer = Scorer(loader, regions, arguments.out / "scores", arguments.workers)
    return Material(versions, chosen, known, scorer, arguments.out / f"{arguments.split}-pictures")


def _regions(arguments: argparse.Namespace, samples: list[Sample]) -> dict[str, Any]:
    """Reads the table of faces, after searching the faces that it lacks."""
    path = arguments.regions
    known = load_regions(path) if path.is_file() else {}
    missing = [sample for sample in dict.fromkeys(samples) if sample.path not in known]
    if missing:
        find_regions(arguments.data, missing, path, arguments.workers)
        return load_regions(path)
    return known


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "model",
        nargs="*",
        help="cnn, efficientnet, a version such as cnn/1.1, or a version's folder "
        "(default: all that serve)",
    )
    parser.add_argument("--split", choices=SPLITS, default="test")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="data root")
    parser.add_argument("--store", type=Path, default=Path("model_store"))
    parser.add_argument("--out", type=Path, default=Path("build/evaluation"))
    parser.add_argument("--regions", type=Path, default=DEFAULT_PATH, help="table of faces")
    parser.add_argument("--sections", nargs="+", choices=_SECTIONS, default=list(_SECTIONS))
    parser.add_argument("--quick", action="store_true", help="few images: a check, no figures")
    parser.add_argument("--record", action="store_true", help="write into the versions' folders")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (default: all cores)")
    parser.add_argument("--workers", type=int, default=1, help="processes that read images")
    for name, value in asdict(Sizes()).items():
        parser.add_argument(f"--{name}", type=int, metavar="N", help=f"see Sizes ({value})")
    return parser


def _sizes(arguments: argparse.Namespace) -> Sizes:
    base = asdict(QUICK if arguments.quick else Sizes())
    given = {name: getattr(arguments, name) for name in base}
    return Sizes(**{**base, **{name: value for name, value in given.items() if value is not None}})


def main() -> None:
    """Runs the command line."""
    parser = _parser()
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads or os.cpu_count() or 1)
    if arguments.quick and arguments.record:
        parser.error("--quick is a check: its figures are not worth recording")
    name = f"{arguments.split}-quick" if arguments.quick else arguments.split
    path = arguments.out / f"{name}.json"
    heading = {
        "split": arguments.split,
        "quick": arguments.quick,
        "date": datetime.now(UTC).date().isoformat(),
        "command": shlex.join(["python", "-m", "training.evaluate", *sys.argv[1:]]),
    }
    try:
        sizes = _sizes(arguments)
        material = _material(arguments, sizes)
        results = evaluate(material, sizes, arguments.sections, path, heading)
        write_report(results, path.with_suffix(".html"))
        if arguments.record:
            for version in material.versions:
                record(results, arguments.store / version.facts.name / version.facts.version)
    except (FileNotFoundError, ValueError) as error:
        parser.exit(2, f"{error}\n")
    except KeyboardInterrupt:
        parser.exit(130, "interrupted; scores are kept, run the same command to go on\n")
    print(as_text(results))
    print(f"\nreport: {path.with_suffix('.html')}\nfigures: {path}")


if __name__ == "__main__":
    main()
