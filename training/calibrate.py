"""Makes a model version of a training run: `python -m training.calibrate MODEL --version 1.0`.

Takes the run's best weights, rounds them to half precision, fits intercept, scaling and
thresholds on the validation split with the rounded weights, and writes
``model_store/<model>/<version>/``.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import numpy as np
import torch

from architectures import NAMES
from training.calibration import (
    Thresholds,
    choose_thresholds,
    expected_calibration_error,
    fit_intercept,
    fit_scaling,
    probability_fake,
)
from training.face_loader import FaceLoader
from training.figures import cluster_of
from training.manifest import FAKE, Sample, in_split, load_samples
from training.publish import Calibration, Run, average_with, load_run, publish, shift_margin
from training.regions import DEFAULT_PATH, load_regions
from training.scoring import auc_by_source, score

FALSE_FAKE_RATE = 0.05
"""Share of the real validation images of any source that may be called fake."""
FALSE_REAL_RATE = 0.10
"""Share of the fake validation images that may be called real."""


def calibrate(run: Run, samples: list[Sample], loader: FaceLoader, workers: int) -> Calibration:
    """Fits intercept, scaling and thresholds of a run's network.

    Args:
        run: The run; the intercept goes into the weights that will be shipped.
        samples: The validation split.
        loader: Reads crops.
        workers: Processes that read.

    Returns:
        Scaling, thresholds and the figures that led to them.
    """
    logits = score(run.detector, samples, loader, workers=workers, title="scoring validation")
    labels = np.array([sample.label for sample in samples])
    before = expected_calibration_error(probability_fake(logits), labels)
    intercept = shift_margin(run.detector, fit_intercept(logits, labels))
    logits[:, FAKE] += intercept
    scaling = fit_scaling(logits, labels, [cluster_of(sample) for sample in samples])
    probabilities = probability_fake(logits, scaling)
    thresholds: Thresholds = choose_thresholds(
        probabilities, samples, FALSE_FAKE_RATE, FALSE_REAL_RATE
    )
    return Calibration(
        scaling=scaling,
        intercept=intercept,
        thresholds=thresholds,
        error_rates={"false_fake": FALSE_FAKE_RATE, "false_real": FALSE_REAL_RATE},
        ece_before=before,
        ece_after=expected_calibration_error(probabilities, labels),
        auc={figure.source: figure.auc for figure in auc_by_source(samples, probabilities)},
        images=len(samples),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", choices=NAMES)
    parser.add_argument("--version", default="1.0", help="version to write (default: 1.0)")
    parser.add_argument("--run-dir", type=Path, help="the run's folder (build/training/<model>)")
    parser.add_argument(
        "--size",
        type=int,
        help="side of the input in pixels, if another than in training; 32 k + 1 (129, 161) keeps "
        "strided convolutions mirror-symmetric, so that maps flip with the face",
    )
    parser.add_argument(
        "--average-with", metavar="VERSION", help="version whose weights are averaged in"
    )
    parser.add_argument(
        "--average-share",
        type=float,
        default=0.5,
        metavar="SHARE",
        help="part of the run's own weights in that average, between 0 and 1 (default: 0.5)",
    )
    parser.add_argument(
        "--mirrored",
        action="store_true",
        help="judge every face together with its mirror image: twice the time a face",
    )
    parser.add_argument("--store", type=Path, default=Path("model_store"))
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="data root")
    parser.add_argument("--regions", type=Path, default=DEFAULT_PATH, help="table of faces")
    parser.add_argument("--replace", action="store_true", help="overwrite the version if it exists")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (default: all cores)")
    parser.add_argument("--workers", type=int, default=1, help="processes that read images")
    return parser


def main() -> None:
    """Runs the command line."""
    parser = _parser()
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads or os.cpu_count() or 1)
    folder = arguments.store / arguments.model / arguments.version
    if folder.exists() and not arguments.replace:
        parser.exit(2, f"{folder} exists; choose another --version, or --replace it\n")
    try:
        run = load_run(
            arguments.run_dir or Path("build/training") / arguments.model,
            arguments.size,
            mirrored=arguments.mirrored,
        )
        if arguments.average_with:
            other = arguments.store / arguments.model / arguments.average_with
            run = average_with(run, other, arguments.average_share)
        loader = FaceLoader(arguments.data, load_regions(arguments.regions))
        validation = in_split(load_samples(arguments.data), "validation")
        calibration = calibrate(run, validation, loader, arguments.workers)
        publish(run, calibration, folder)
    except (FileNotFoundError, ValueError) as error:
        parser.exit(2, f"{error}\n")
    print(json.dumps({"version": str(folder), **calibration.as_dict()}, indent=2))


if __name__ == "__main__":
    main()
