"""Compares recipes by short runs that differ in one thing: `python -m training.study STUDY.toml`.

A study file names a configuration to start from, what all runs share, and the variants. Each runs
in ``build/studies/<study>/<variant>`` and is judged on the validation split after its last step,
so no step is chosen by the figure it is judged by. The table goes to ``<study>.md`` beside the
study file. An interrupted study goes on where it stopped.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from detection.scaling import Scaling
from training.calibration import fit_temperature, probability_fake
from training.checkpoint import write_json
from training.config import TrainConfig, parse_config, read_toml
from training.distributed import join_group
from training.face_loader import FaceLoader
from training.figures import Judged, parts_by_source, with_intervals
from training.manifest import Sample, in_split, load_samples
from training.publish import load_run
from training.regions import DEFAULT_PATH, load_regions
from training.scoring import score
from training.train import RunSettings, Trainer

Values = dict[str, Any]


@dataclass(frozen=True)
class Variant:
    """One run of a study.

    Attributes:
        name: What the run tries.
        config: Its configuration.
        held_out: Source whose AUC stands for forgeries never met; empty without one.
    """

    name: str
    config: TrainConfig
    held_out: str


@dataclass(frozen=True)
class Study:
    """Runs that are compared.

    Attributes:
        name: Name of the file.
        title: What is asked.
        variants: The runs, in order.
        keep_photos: Whether a source that is held out gives its photos to training all the same,
            so that its forgery alone is new to the run.
    """

    name: str
    title: str
    variants: tuple[Variant, ...]
    keep_photos: bool = False


_SETTINGS = {"title", "base", "shared", "hold_out", "keep_photos", "variants"}


def load_study(path: Path) -> Study:
    """Reads a study file.

    Raises:
        FileNotFoundError: The file, or the configuration it starts from, is not there.
        ValueError: It is malformed; the message names what.
    """
    values = read_toml(path)
    if unknown := set(values) - _SETTINGS:
        raise ValueError(f"{path}: unknown setting {min(unknown)!r}")
    try:
        base = read_toml(path.parent / values["base"])
        held_out = values.get("hold_out", [""])
        keep_photos = bool(values.get("keep_photos", False))
        left_out = "unseen" if keep_photos else "exclude"
        base = merged(base, values.get("shared", {}))
        variants = [
            _variant(name, merged(base, change), source, left_out)
            for source in held_out
            for name, change in values["variants"].items()
        ]
        return Study(path.stem, values["title"], tuple(variants), keep_photos)
    except KeyError as error:
        raise ValueError(f"{path}: {error} is missing") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _variant(name: str, values: Values, held_out: str, left_out: str) -> Variant:
    if held_out:
        values = merged(values, {"mixture": {left_out: [held_out]}})
        name = f"{name}, without {held_out}"
    config = parse_config(values)
    # Judged once, at the end: the best of several validations would flatter.
    config = dataclasses.replace(config, validate_every=config.steps)
    return Variant(name, config, held_out)


def merged(values: Values, change: Values) -> Values:
    """Gives values with a change put over them; a table is merged, unless it holds ``only``.

    Args:
        values: What to start from; it stays as it is.
        change: What to put over; ``{"only": {...}}`` replaces a table instead of adding to it.
    """
    result = copy.deepcopy(values)
    for key, value in change.items():
        if isinstance(value, dict) and set(value) == {"only"}:
            result[key] = copy.deepcopy(value["only"])
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result[key] = copy.deepcopy(value)
    return result


@dataclass(frozen=True)
class Material:
    """What all runs of a study share.

    Attributes:
        samples: All images.
        loader: Reads crops.
        folder: Where the runs stand.
        workers: Processes that prepare items; None for as many as suit the device.
    """

    samples: list[Sample]
    loader: FaceLoader
    folder: Path
    workers: int | None

    def known(self, variant: Variant) -> Values | None:
        """Gives the figures of a variant that ran as it is now, or None."""
        path = self._folder(variant) / "figures.json"
        if not path.is_file():
            return None
        found: Values = json.loads(path.read_text(encoding="utf-8"))
        # Compared as parsed: what was added since, at its default, changes no run.
        return found if parse_config(found["config"]) == variant.config else None

    def figures(self, variant: Variant) -> Values | None:
        """Trains a variant and judges it on the validation split.

        Returns:
            Figures by source, or None when interrupted.
        """
        if known := self.known(variant):
            return known
        folder = self._folder(variant)
        settings = RunSettings(folder, self.workers, 200)
        with join_group() as group:
            trainer = Trainer(variant.config, settings, self.samples, self.loader, group)
            if not trainer.run():
                return None
        config = json.loads(json.dumps(dataclasses.asdict(variant.config)))
        found = {"config": config, "sources": self._judge(folder)}
        write_json(folder / "figures.json", found)
        return found

    def _folder(self, variant: Variant) -> Path:
        return self.folder / re.sub(r"[^\w.=-]+", "-", variant.name)

    def _judge(self, folder: Path) -> Values:
        """Gives the figures of a run's weights on the validation split, by source."""
        validation = in_split(self.samples, "validation")
        logits = score(
            load_run(folder).detector,
            validation,
            self.loader,
            workers=1 if self.workers is None else self.workers,
            title="judging",
        )
        labels = np.array([sample.label for sample in validation])
        probability = probability_fake(logits, Scaling(fit_temperature(logits, labels)))
        verdicts = ["fake" if value >= 0.5 else "real" for value in probability]
        judged = Judged.of(validation, probability, verdicts)
        return {
            name: {key: figure.as_dict() for key, figure in with_intervals(part, 200).items()}
            for name, part in parts_by_source(judged).items()
        }


def as_markdown(study: Study, results: dict[str, Values], command: str) -> str:
    """Writes the table of a study: AUC by source, and the share of real faces beyond 0.5."""
    sources = sorted({name for result in results.values() for name in result["sources"]})
    with_auc = [s for s in sources if any("auc" in r["sources"][s] for r in results.values())]
    only_real = [source for source in sources if source not in with_auc]
    heads = [*(f"AUC {source}" for source in with_auc), "mean AUC"]
    heads += [f"{source} called fake" for source in only_real]
    lines = [f"# {study.title}", "", f"Validation split, by `{command}`.", ""]
    lines += [f"| run | {' | '.join(heads)} |", f"|---|{'---|' * len(heads)}"]
    for variant in study.variants:
        if variant.name in results:
            found = results[variant.name]["sources"]
            cells = [_auc(found[source], source == variant.held_out) for source in with_auc]
            cells.append(f"{np.mean([found[s]['auc']['value'] for s in with_auc]):.3f}")
            shares = [found[source]["real_called_fake"]["value"] for source in only_real]
            cells += [f"{100 * share:.0f} %" for share in shares]
            lines.append(f"| {variant.name} | {' | '.join(cells)} |")
    photos = "its photos were not" if study.keep_photos else "and its photos too"
    lines += ["", _NOTE.format(photos=photos)]
    return "\n".join(lines) + "\n"


_NOTE = (
    "In brackets: 95 % intervals, resampled by person. Bold: the source's fakes were left out of "
    "training, {photos}. `called fake`: real faces beyond a probability of 0.5."
)


def _auc(figures: Values, held_out: bool) -> str:
    auc = figures["auc"]
    text = f"{auc['value']:.3f} ({auc['low']:.3f} to {auc['high']:.3f})"
    return f"**{text}**" if held_out else text


def main() -> None:
    """Runs the command line; exit status 130 when interrupted."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", type=Path, help="such as training/studies/choices.toml")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="data root")
    parser.add_argument("--regions", type=Path, default=DEFAULT_PATH, help="table of faces")
    parser.add_argument("--out", type=Path, default=Path("build/studies"), help="the runs' folder")
    parser.add_argument("--only", help="train only variants whose name holds this text")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (default: all cores)")
    parser.add_argument(
        "--workers", type=int, help="processes that prepare items (default: 1; GPU: cores less one)"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads or os.cpu_count() or 1)
    results: dict[str, Values] = {}
    try:
        study = load_study(arguments.study)
        material = Material(
            load_samples(arguments.data),
            FaceLoader(arguments.data, load_regions(arguments.regions)),
            arguments.out / study.name,
            arguments.workers,
        )
        only: str = arguments.only or ""
        if not any(only in variant.name for variant in study.variants):
            parser.exit(2, f"no run of {arguments.study} has {only!r} in its name\n")
        for variant in study.variants:
            # What ran before stays in the table.
            if only not in variant.name and material.known(variant) is None:
                continue
            print(f"{study.name}: {variant.name}")
            figures = material.figures(variant)
            if figures is None:
                parser.exit(130, "interrupted; run the same command to go on\n")
            results[variant.name] = figures
            command = f"make study STUDY={study.name}"
            table = as_markdown(study, results, command)
            arguments.study.with_suffix(".md").write_text(table, encoding="utf-8")
    except (FileNotFoundError, ValueError) as error:
        parser.exit(2, f"{error}\n")
    print(table)


if __name__ == "__main__":
    main()
