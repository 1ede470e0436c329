"""What versions make of a generator's faces: `python -m training.unseen_generator VERSION ...`.

Versions are named as `efficientnet/1.3`. For one that never learnt from the generator
(`training.generated`) this stands for generators to come. Judged are faces that no version learnt
from, each brought to the size and the JPEG tables of a validation photo of the kind that the
generator learnt from, beside those photos.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from detection.version import ModelVersion, VersionError, version_folder
from training.augment import Crop
from training.explanations import probabilities
from training.face_loader import FaceLoader
from training.figures import auc_with_intervals
from training.generated import SOURCE, GeneratedFaces
from training.manifest import FAKE, REAL, Sample, in_split, load_samples
from training.pairs import Mixture
from training.regions import DEFAULT_PATH, load_regions

_SEED = 5


@dataclass(frozen=True)
class Judgement:
    """Photos and a generator's faces, in one order.

    Attributes:
        samples: What each is; all of the source `SOURCE`.
        crops: uint8 N x 224 x 224 x 3, RGB.
    """

    samples: list[Sample]
    crops: Crop


def collect(photos: list[Sample], loader: FaceLoader, faces: GeneratedFaces) -> Judgement:
    """Reads photos and faces; the faces take the photos' sizes and compressions in turn.

    Raises:
        ValueError: There is no photo or no face.
    """
    if not photos or not faces.samples:
        raise ValueError("there is no photo, or no generated face, in the validation split")
    rng = np.random.default_rng(_SEED)
    real = [loader.crop(photo) for photo in photos]
    fake = [
        faces.brought_to(loader.path(photos[index % len(photos)]), face, rng)
        for index, face in enumerate(faces.samples)
    ]
    samples = [
        Sample(photo.path, "validation", REAL, SOURCE, group=photo.group) for photo in photos
    ]
    return Judgement(samples + faces.samples, np.stack(real + fake))


def row(version: ModelVersion, judgement: Judgement) -> str:
    """Judges with a version and gives its row of the table."""
    probability = probabilities(version, judgement.crops)
    auc = auc_with_intervals(judgement.samples, probability)[SOURCE]
    fake = np.array([sample.label == FAKE for sample in judgement.samples])
    called = probability[fake] >= version.facts.fake
    alarms = probability[~fake] >= version.facts.fake
    met = version.description.get("training", {}).get("mixture", {}).get("generated", 0) > 0
    return (
        f"| {version.facts.name} {version.facts.version} | {'yes' if met else 'no'} "
        f"| {auc.value:.3f} ({auc.low:.3f} to {auc.high:.3f}) "
        f"| {100 * called.mean():.0f} % | {100 * alarms.mean():.0f} % |"
    )


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("versions", nargs="+", help="such as efficientnet/1.3")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="data root")
    parser.add_argument("--regions", type=Path, default=DEFAULT_PATH, help="table of faces")
    parser.add_argument("--store", type=Path, default=Path("model_store"), help="the model store")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: 1)")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    try:
        folders = [
            version_folder(arguments.store, *text.partition("/")[::2])
            for text in arguments.versions
        ]
        versions = [ModelVersion.load(folder) for folder in folders]
        sources = Mixture().generated_beside
        photos = [
            sample
            for sample in in_split(load_samples(arguments.data), "validation")
            if sample.label == REAL and sample.source in sources
        ]
        loader = FaceLoader(arguments.data, load_regions(arguments.regions))
        judgement = collect(photos, loader, GeneratedFaces(split="validation"))
    except (FileNotFoundError, ValueError, VersionError) as error:
        parser.exit(2, f"{error}\n")
    counts = np.bincount([sample.label for sample in judgement.samples], minlength=2)
    print(f"{counts[FAKE]} faces of {SOURCE} beside {counts[REAL]} photos, validation split")
    print("\n| version | learnt from it | AUC | called fake | photos called fake |")
    print("|---|---|---|---|---|")
    for version in versions:
        print(row(version, judgement), flush=True)


if __name__ == "__main__":
    main()
