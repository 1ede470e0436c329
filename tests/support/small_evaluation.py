"""Two tiny model versions and a small data set, made from one public photo."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image
from skimage.data import astronaut
from torch import nn

from architectures import Detector, build
from detection.scaling import Scaling
from training.calibration import Thresholds
from training.face_loader import FaceLoader
from training.manifest import Sample, load_samples
from training.publish import Calibration, Run, publish
from training.regions import FaceRegion, load_regions
from training.self_blend import self_blend

_OPTIONS: dict[str, dict[str, Any]] = {
    "cnn": {"size": 32, "residuals": 2, "widths": (4, 8, 8), "depths": (1, 1)},
    "efficientnet": {"size": 64},
}
_LANDMARKS = [[75.0, 90.0], [145.0, 90.0], [112.0, 128.0], [82.0, 165.0], [142.0, 165.0]]


def _settle(detector: Detector, face: npt.NDArray[np.uint8]) -> None:
    """Fits the batch norms to faces, so that the untrained network reacts to its input."""
    rng = np.random.default_rng(1)
    faces = [
        np.clip(np.roll(face, int(rng.integers(-20, 20)), 1) * rng.uniform(0.5, 1.3), 0, 255)
        for _ in range(16)
    ]
    batch = detector.preset.to_input(np.stack(faces).astype(np.uint8))
    for module in detector.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        detector.train()(batch)
    detector.eval()


@dataclass(frozen=True)
class SmallData:
    """A data set: `a` has fakes and real faces, `b` real faces only; one image has no face."""

    root: Path
    regions_path: Path
    samples: list[Sample]
    regions: dict[str, FaceRegion]
    loader: FaceLoader


@pytest.fixture(scope="session")
def face() -> npt.NDArray[np.uint8]:
    """A face, uint8 224 x 224 x 3."""
    return np.ascontiguousarray(astronaut()[:224, 112:336])


@pytest.fixture(scope="session")
def small_data(tmp_path_factory: pytest.TempPathFactory, face: npt.NDArray[np.uint8]) -> SmallData:
    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    columns = ("path", "split", "label", "source", "kind", "group", "identity", "pair")
    rows, regions = [], []
    for index in range(28):
        label = "Fake" if index < 10 else "Real"
        source = "a" if index < 20 else "b"
        pixels = np.clip(face * rng.uniform(0.6, 1.2) + rng.uniform(-20, 20, 3), 0, 255)
        crop = np.roll(pixels.astype(np.uint8), int(rng.integers(-9, 9)), axis=1)
        if label == "Fake":
            crop = self_blend(crop, np.array(_LANDMARKS, np.float32), rng).fake
        path = f"{label}/{index}.png"
        (root / label).mkdir(exist_ok=True)
        Image.fromarray(crop).save(root / path)
        kind = "blend" if label == "Fake" else "none"
        rows.append((path, "validation", label, source, kind, f"g{index}", f"p{index % 7}", ""))
        marks = [] if index == 19 else _LANDMARKS
        regions.append({"path": path, "region": [0, 0, 224, 224], "landmarks": marks})
    with (root / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns, *rows])
    regions_path = root / "regions.jsonl"
    regions_path.write_text("\n".join(json.dumps(row) for row in regions) + "\n", encoding="utf-8")
    table = load_regions(regions_path)
    return SmallData(root, regions_path, load_samples(root), table, FaceLoader(root, table))


@pytest.fixture(scope="session")
def small_store(tmp_path_factory: pytest.TempPathFactory, face: npt.NDArray[np.uint8]) -> Path:
    """A store with untrained version 1.0 of both networks, for input of 32 px."""
    store = tmp_path_factory.mktemp("store")
    torch.manual_seed(0)
    for name, options in _OPTIONS.items():
        config = {
            "model": name,
            "initialisation": "random",
            "options": options,
            "seed": 1,
            "steps": 1,
            "mixture": {"sources": {"a": 1.0}, "self_blended": 0.5},
        }
        detector = build(name, **options)
        _settle(detector, face)
        detector.half().float()
        calibration = Calibration(
            scaling=Scaling(0.5),
            intercept=0.0,
            thresholds=Thresholds(fake=0.55, real=0.45),
            error_rates={"false_fake": 0.05, "false_real": 0.1},
            ece_before=0.1,
            ece_after=0.05,
            auc={"a": 0.5},
            images=28,
        )
        publish(Run(detector, options, config, 1, name), calibration, store / name / "1.0")
    serving = dict.fromkeys(_OPTIONS, "1.0")
    (store / "serving.json").write_text(json.dumps(serving), encoding="utf-8")
    return store
