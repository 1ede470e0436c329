"""A tiny data root in the manifest layout, made from one public-domain portrait."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from training.face_loader import FaceLoader
from training.manifest import Sample, load_samples
from training.regions import find_regions, load_regions


@pytest.fixture(scope="session")
def portrait() -> np.ndarray:
    """The head of NASA's astronaut picture, uint8 200 x 200 x 3."""
    return np.ascontiguousarray(astronaut()[20:220, 120:320])


@pytest.fixture(scope="session")
def tiny_root(tmp_path_factory: pytest.TempPathFactory, portrait: np.ndarray) -> Path:
    """Two sources, six images a class and split; fakes have a tinted centre."""
    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    rows = []
    for split in ("train", "validation", "test"):
        for source in ("alpha", "beta"):
            for number in range(6):
                real = np.clip(portrait + rng.normal(0, 6, portrait.shape), 0, 255)
                fake = real.copy()
                fake[60:140, 60:140, 0] = 255 - fake[60:140, 60:140, 0]
                names = {}
                for label, pixels in (("Real", real), ("Fake", fake)):
                    path = Path(split) / label / f"{source}{number}.png"
                    (root / path).parent.mkdir(parents=True, exist_ok=True)
                    Image.fromarray(pixels.astype(np.uint8)).save(root / path)
                    names[label] = path.as_posix()
                group = f"{split}{source}{number}"
                pair = names["Real"] if source == "alpha" else ""
                rows.append([names["Real"], split, "Real", source, "none", group, group, ""])
                rows.append([names["Fake"], split, "Fake", source, "tint", group, group, pair])
    with (root / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "split", "label", "source", "kind", "group", "identity", "pair"])
        writer.writerows(rows)
    return root


@pytest.fixture(scope="session")
def tiny_samples(tiny_root: Path) -> list[Sample]:
    return load_samples(tiny_root)


@pytest.fixture(scope="session")
def tiny_regions(tiny_root: Path, tiny_samples: list[Sample]) -> Path:
    path = tiny_root / "regions.jsonl"
    find_regions(tiny_root, tiny_samples, path, workers=1)
    return path


@pytest.fixture(scope="session")
def tiny_loader(tiny_root: Path, tiny_regions: Path) -> FaceLoader:
    return FaceLoader(tiny_root, load_regions(tiny_regions))
