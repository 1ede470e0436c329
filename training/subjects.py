"""What is evaluated: model versions and the workflow's verdict, and what they say of images.

Logits are kept on disk by the weights' hash and the images, so an interrupted evaluation goes on
where it stopped, and a second one of the same weights costs seconds.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from detection.verdict import Opinion, judge_face, rounded
from detection.version import ModelVersion, serving_versions, version_folder
from training.calibration import probability_fake
from training.face_loader import FaceLoader
from training.figures import Judged
from training.manifest import Sample
from training.regions import FaceRegion
from training.scoring import Change, score

Logits = npt.NDArray[np.float32]

WORKFLOW = "workflow"
"""Name under which the figures of the combined verdict stand."""


def load_versions(names: Sequence[str], store: Path) -> list[ModelVersion]:
    """Loads the versions to evaluate.

    Args:
        names: Each a model (``cnn``: the version that serves), a model and a version
            (``cnn/1.1``) or the folder of a version; without any, all that serve.
        store: The folder of all models.

    Returns:
        One version a model.

    Raises:
        VersionError: A version is not there or damaged.
        ValueError: Two versions of one model were asked for.
    """
    folders = [_folder(name, store) for name in names or sorted(serving_versions(store))]
    versions = [ModelVersion.load(folder) for folder in folders]
    models = [version.facts.name for version in versions]
    if len(set(models)) < len(models):
        raise ValueError("the workflow has one version of each model: evaluate others separately")
    return versions


def _folder(name: str, store: Path) -> Path:
    if (Path(name) / "model.json").is_file():
        return Path(name)
    model, _, version = name.partition("/")
    if not version:
        version = serving_versions(store).get(model, "")
        if not version:
            raise ValueError(f"no version of {model!r} serves; give one, such as {model}/1.0")
    return version_folder(store, model, version)


@dataclass(frozen=True)
class Scorer:
    """Scores images with a version, once for each set of weights.

    Attributes:
        loader: Reads crops.
        regions: The table the loader uses.
        folder: Where logits are kept.
        workers: Processes that read images.
    """

    loader: FaceLoader
    regions: Mapping[str, FaceRegion]
    folder: Path
    workers: int = 1

    def logits(
        self,
        version: ModelVersion,
        samples: Sequence[Sample],
        change: Change | None = None,
        change_name: str = "none",
    ) -> Logits:
        """Gives logits N x 2, columns Fake and Real, from disk where they are known.

        Args:
            version: What scores.
            samples: N images.
            change: What is done to every crop first.
            change_name: Stands for the change on disk and beside the progress bar.
        """
        path = self.folder / self._file_name(version, samples, change_name)
        if path.is_file():
            known: Logits = np.load(path, allow_pickle=False)
            return known
        title = f"{version.facts.name}, {change_name}"
        found = score(
            version.detector,
            samples,
            self.loader,
            change=change,
            workers=self.workers,
            title=title,
        )
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.npy")
        np.save(temporary, found, allow_pickle=False)
        temporary.replace(path)
        return found

    def _file_name(self, version: ModelVersion, samples: Sequence[Sample], change_name: str) -> str:
        faces = [self.regions.get(sample.path) for sample in samples]
        images = [
            (sample.path, face.region if face else None)
            for sample, face in zip(samples, faces, strict=True)
        ]
        wanted = [images, version.description["preset"], version.description.get("options")]
        digest = hashlib.sha256(json.dumps(wanted).encode()).hexdigest()
        weights = version.facts.weights_sha256
        return f"{version.facts.name}-{weights[:12]}-{change_name}-{digest[:12]}.npy"


def opinions_of(version: ModelVersion, probabilities: npt.NDArray[np.float64]) -> list[Opinion]:
    """Turns calibrated probabilities into what the service would say of each image."""
    facts = version.facts
    return [Opinion(facts.name, rounded(value), facts.fake, facts.real) for value in probabilities]


def opinions(version: ModelVersion, logits: Logits) -> list[Opinion]:
    """Turns logits into what a version says of each image, as the service would."""
    return opinions_of(version, probability_fake(logits, version.scaling))


def judged_alone(version: ModelVersion, samples: Sequence[Sample], logits: Logits) -> Judged:
    """Gives the verdicts of one version by its own thresholds, as `/predictions` answers."""
    said = opinions(version, logits)
    # Unrounded for the figures: thousands of images beyond 8 decimals would tie.
    probability = probability_fake(logits, version.scaling)
    return Judged.of(samples, probability, [opinion.verdict for opinion in said])


def judged_together(
    versions: Sequence[ModelVersion],
    samples: Sequence[Sample],
    logits: Sequence[Logits],
    regions: Mapping[str, FaceRegion],
) -> Judged:
    """Gives the verdicts of the workflow, by the service's own rule.

    Args:
        versions: One of each model.
        samples: N images.
        logits: N x 2 for each version.
        regions: Where the faces are; an image without one is never more than ``uncertain``.
    """
    each = [opinions(version, values) for version, values in zip(versions, logits, strict=True)]
    verdicts = [
        judge_face(said, is_face=_has_face(regions.get(sample.path)))
        for sample, said in zip(samples, zip(*each, strict=True), strict=True)
    ]
    probability = np.array([verdict.decider.probability_fake for verdict in verdicts], np.float64)
    return Judged.of(samples, probability, [verdict.verdict for verdict in verdicts])


def judge_all(
    versions: Sequence[ModelVersion],
    samples: Sequence[Sample],
    logits: Sequence[Logits],
    regions: Mapping[str, FaceRegion],
) -> dict[str, Judged]:
    """Gives what the workflow, with more than one version, and each version say, by name."""
    said = {}
    if len(versions) > 1:
        said[WORKFLOW] = judged_together(versions, samples, logits, regions)
    for version, values in zip(versions, logits, strict=True):
        said[version.facts.name] = judged_alone(version, samples, values)
    return said


def crops_of(samples: Sequence[Sample], loader: FaceLoader) -> torch.Tensor:
    """Reads crops, uint8 N x 224 x 224 x 3."""
    return torch.from_numpy(np.stack([np.array(loader.crop(sample)) for sample in samples]))


def _has_face(face: FaceRegion | None) -> bool:
    return face is not None and bool(face.landmarks)
