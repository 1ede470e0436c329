"""Writing a model version: weights, what serving must know of them, figures and card."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from architectures import Detector, build
from architectures.detector import CLASSES, linear_layer
from architectures.efficientnet import options_for
from architectures.weights import load_weights, save_weights
from detection.scaling import Scaling
from detection.version import WEIGHTS
from training.calibration import Thresholds
from training.card import render_card
from training.checkpoint import write_json
from training.manifest import FAKE, REAL


@dataclass(frozen=True)
class Run:
    """A training run whose best weights can be shipped.

    Attributes:
        detector: The network with the best weights, rounded to half precision and back.
        options: What `architectures.build` must be given to build it.
        config: The run's configuration, as plain values.
        step: Optimiser step of the best weights.
        name: Name of the run's folder, which is its configuration's.
        averaged_with: Version of the store whose weights are averaged in; empty without one.
        average_share: Part of the run's own weights in that average, in (0, 1).
        threads: CPU threads that it was trained with; 0 where that is not known or says nothing.
        device: Name of the GPU that it was trained on; empty for a CPU.
    """

    detector: Detector
    options: dict[str, Any]
    config: dict[str, Any]
    step: int
    name: str
    averaged_with: str = ""
    average_share: float = 0.5
    threads: int = 0
    device: str = ""


@dataclass(frozen=True)
class Calibration:
    """What calibration found on the validation split.

    Attributes:
        scaling: What calibrates the logits.
        intercept: What was added to the margin of Fake over Real, in the last layer's bias.
        thresholds: For the verdicts.
        error_rates: ``false_fake``: most real images of any source called fake; ``false_real``:
            most fakes called real; both as shares of the validation split.
        ece_before: Expected calibration error, both classes counting the same, as trained.
        ece_after: The same with intercept and scaling.
        auc: Area under the ROC curve by source.
        images: Images of the validation split.
    """

    scaling: Scaling
    intercept: float
    thresholds: Thresholds
    error_rates: dict[str, float]
    ece_before: float
    ece_after: float
    auc: dict[str, float]
    images: int

    def as_dict(self) -> dict[str, Any]:
        """Gives the values in plain JSON types."""
        values = dataclasses.asdict(self)
        del values["scaling"]
        return {**self.scaling.as_dict(), **values}


def load_run(folder: Path, size: int | None = None, *, mirrored: bool = False) -> Run:
    """Loads the best weights of a run, as they will be shipped.

    Args:
        folder: The run's folder.
        size: Side of the input in pixels, if another than in training.
        mirrored: Whether the network is to look at mirror images too, see `InputPreset`.

    Raises:
        FileNotFoundError: The folder holds no validated run.
        ValueError: Its weights do not fit its configuration.
    """
    best = folder / "best.json"
    if not best.is_file():
        raise FileNotFoundError(f"no validated run in {folder}; train one first: make train MODEL=")
    record = json.loads(best.read_text(encoding="utf-8"))
    config = record["config"]
    options = dict(config["options"])
    if config["model"] == "efficientnet":
        options = {**options_for(config["initialisation"]), **options}
    if size is not None:
        options["size"] = size
    detector = build(config["model"], **options)
    detector.preset = dataclasses.replace(detector.preset, mirrored=mirrored)
    load_weights(detector, folder / "best.safetensors")
    centre_head(detector)
    detector.half().float()  # the precision that is shipped, so that its figures are measured
    if not all(torch.isfinite(value).all() for value in detector.state_dict().values()):
        raise ValueError(f"the weights of {folder} are not finite in half precision")
    return Run(
        detector.eval(),
        options,
        config,
        int(record["step"]),
        folder.name,
        threads=0 if record.get("device") else int(record.get("threads", 0)),
        device=str(record.get("device", "")),
    )


def average_with(run: Run, folder: Path, share: float = 0.5) -> Run:
    """Gives a run with the average of its weights and those of a version of the store.

    The mean of weights that come from the same ones and learnt from different mixtures is often
    better than either (Wortsman et al., "Model soups", ICML 2022, arXiv 2203.05482); which share of
    each is best is chosen on validation, as in Wortsman et al., "Robust fine-tuning of zero-shot
    models", CVPR 2022, arXiv 2109.01903.

    Args:
        run: The run.
        folder: The version's, ``<store>/<model>/<version>``.
        share: Part of the run's weights, in (0, 1).

    Raises:
        FileNotFoundError: There is no such version.
        ValueError: Its weights do not fit the run's network, or the share is not in (0, 1).
    """
    if not 0 < share < 1:
        raise ValueError(f"the run's share of an average must lie between 0 and 1, not be {share}")
    if not (folder / WEIGHTS).is_file():
        raise FileNotFoundError(f"no version at {folder} to average with")
    detector, other = copy.deepcopy(run.detector), copy.deepcopy(run.detector)
    load_weights(other, folder / WEIGHTS)
    with torch.no_grad():
        pairs = zip(detector.state_dict().values(), other.state_dict().values(), strict=True)
        for mine, theirs in pairs:
            if mine.is_floating_point():
                mine.copy_(share * mine + (1 - share) * theirs)
    detector.half().float()
    return dataclasses.replace(
        run, detector=detector, averaged_with=folder.name, average_share=share
    )


def centre_head(detector: Detector) -> None:
    """Takes out of the last layer what both classes share, in place.

    Probabilities depend on the difference of the logits alone, so training leaves the shared part
    of the two rows as it was drawn at random. Grad-CAM weighs feature maps by one row, though: as
    long as the shared part stands there, that much of every map is noise.

    Args:
        detector: The network; its last layer's weights and biases are opposite for the classes
            afterwards.

    Raises:
        ValueError: Its head is no pooled linear head.
    """
    linear = linear_layer(detector)
    with torch.no_grad():
        for parameter in (linear.weight, linear.bias):
            parameter.sub_(parameter.mean(dim=0, keepdim=True))


def shift_margin(detector: Detector, intercept: float) -> float:
    """Adds to the logit of Fake over that of Real, in the last layer's bias, in place.

    Args:
        detector: The network; its bias stays a number that half precision holds.
        intercept: What to add to the margin, in logits.

    Returns:
        What was added, after rounding.
    """
    bias = linear_layer(detector).bias.data
    before = float(bias[FAKE] - bias[REAL])
    bias[FAKE] += intercept
    bias.copy_(bias.half().float())
    return float(bias[FAKE] - bias[REAL]) - before


def publish(run: Run, calibration: Calibration, folder: Path) -> None:
    """Writes a version's folder; it is whole or as it was before.

    Args:
        run: What was trained.
        calibration: What was fitted.
        folder: ``<store>/<model>/<version>``; replaced if it exists.
    """
    staging = folder.with_name(f".{folder.name}.{os.getpid()}")
    staging.mkdir(parents=True)
    try:
        save_weights(run.detector, staging / "weights.safetensors", half=True)
        digest = hashlib.sha256((staging / "weights.safetensors").read_bytes()).hexdigest()
        write_json(staging / "model.json", _description(run, calibration, folder, digest))
        write_json(staging / "metrics.json", {"calibration": calibration.as_dict()})
        render_card(staging)
        if folder.exists():
            shutil.rmtree(folder)
        staging.rename(folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _description(run: Run, calibration: Calibration, folder: Path, digest: str) -> dict[str, Any]:
    model = run.config["model"]
    return {
        "name": model,
        "version": folder.name,
        "architecture": model,
        "options": run.options,
        "preset": run.detector.preset.as_dict(),
        "classes": list(CLASSES),
        **calibration.scaling.as_dict(),
        "intercept": calibration.intercept,
        "thresholds": dataclasses.asdict(calibration.thresholds),
        "error_rates": calibration.error_rates,
        "weights_sha256": digest,
        "initialisation": run.config["initialisation"],
        "initial_version": _version_of(run.config.get("initial_weights", "")),
        "averaged_with": run.averaged_with,
        **({"average_share": run.average_share} if run.averaged_with else {}),
        "parameters": sum(value.numel() for value in run.detector.parameters()),
        "step": run.step,
        **({"trained_on": run.device} if run.device else {}),
        "command": _command(run, folder.name),
        "created": datetime.now(UTC).date().isoformat(),
        "training": run.config,
    }


def _command(run: Run, version: str) -> str:
    """Gives the command line that makes the version anew, with a stage before it that it needs.

    Weights of an earlier version stand in the model store, so they need not be made again.
    """
    model, size = run.config["model"], run.options.get("size")
    earlier = str(run.config.get("initial_weights", ""))
    unshipped = earlier and not _version_of(earlier)
    first = f"make train {_stage(model, Path(earlier).parent.name)} && " if unshipped else ""
    command = f"{first}make train calibrate {_stage(model, run.name)} VERSION={version}"
    if run.averaged_with:
        command += f" AVERAGE_WITH={run.averaged_with}"
        if run.average_share != 0.5:
            command += f" AVERAGE_SHARE={run.average_share}"
    if size != run.config["options"].get("size"):
        command += f" SIZE={size}"
    if run.detector.preset.mirrored:
        command += " MIRRORED=1"
    # The same figures to the last digit need the same order of sums.
    return f'{command} ARGS="--threads {run.threads}"' if run.threads else command


def _version_of(weights: str) -> str:
    """Gives the version whose weights a path names, or nothing if they are a run's."""
    path = Path(weights)
    return path.parent.name if path.name == WEIGHTS else ""


def _stage(model: str, configuration: str) -> str:
    named = f"MODEL={model}"
    return named if configuration == model else f"{named} CONFIG={configuration}"
