"""Where the face is in every training image: the service's own search, done once and kept.

`python -m training.regions` writes one JSON line an image to ``build/regions.jsonl``; it can be
interrupted and continues where it stopped.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps
from tqdm import tqdm

from detection.faces import Face, FaceFinder, Region, whole_image_region
from training.manifest import Sample, load_samples

DEFAULT_PATH = Path("build/regions.jsonl")


@dataclass(frozen=True)
class FaceRegion:
    """The face of one training image; coordinates in pixels of the upright image.

    Attributes:
        region: Left, top, right, bottom of the crop the service would judge.
        landmarks: Five (x, y) points as in `detection.faces.Face`; empty when no face was found.
    """

    region: Region
    landmarks: tuple[tuple[float, float], ...]


def read_image(path: Path) -> npt.NDArray[np.uint8]:
    """Reads a training image as upright RGB, uint8 H x W x 3."""
    with Image.open(path) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


def load_regions(path: Path) -> dict[str, FaceRegion]:
    """Reads the table: an image's path to its face. Half-written lines are left out.

    Raises:
        FileNotFoundError: There is no such table.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no face table at {path}; make it with: make regions")
    table: dict[str, FaceRegion] = {}
    with path.open(encoding="utf-8") as file:
        for line in file:
            try:
                row = json.loads(line)
            except json.JSONDecodeError:
                continue  # the line that an interruption cut off; it is made anew
            left, top, right, bottom = row["region"]
            marks = tuple((float(x), float(y)) for x, y in row["landmarks"])
            table[row["path"]] = FaceRegion((left, top, right, bottom), marks)
    return table


def find_regions(root: Path, samples: Iterable[Sample], path: Path, workers: int) -> None:
    """Searches the face of every sample that the table lacks, and appends it.

    Args:
        root: The data root.
        samples: The images.
        path: The table, made if missing.
        workers: Processes that search.
    """
    known = load_regions(path) if path.is_file() else {}
    missing = [sample.path for sample in samples if sample.path not in known]
    if not missing:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        path.open("a", encoding="utf-8") as file,
        multiprocessing.get_context("spawn").Pool(workers, _start, (root,)) as pool,
    ):
        if path.stat().st_size:
            file.write("\n")  # ends a line that an interruption may have cut off
        for row in tqdm(
            pool.imap(_search, missing, chunksize=8),
            total=len(missing),
            desc="finding faces",
            unit="image",
        ):
            file.write(json.dumps(row) + "\n")


_finder: FaceFinder
_root: Path


def _start(root: Path) -> None:
    global _finder, _root
    cv2.setNumThreads(1)
    _finder, _root = FaceFinder(threads=1), root


def _search(path: str) -> dict[str, object]:
    pixels = read_image(_root / path)
    faces: list[Face] = _finder.find(pixels)
    if not faces:
        height, width = pixels.shape[:2]
        return {"path": path, "region": whole_image_region(width, height), "landmarks": []}
    marks = [[round(x, 1), round(y, 1)] for x, y in faces[0].landmarks]
    return {"path": path, "region": faces[0].region, "landmarks": marks}


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="data root")
    parser.add_argument("--out", type=Path, default=DEFAULT_PATH, help="the table to write")
    parser.add_argument("--workers", type=int, default=2, help="processes (default: 2)")
    arguments = parser.parse_args()
    try:
        samples = load_samples(arguments.data)
        find_regions(arguments.data, samples, arguments.out, arguments.workers)
    except (FileNotFoundError, ValueError) as error:
        parser.exit(2, f"{error}\n")
    except KeyboardInterrupt:
        parser.exit(130, "interrupted; what was found is kept, run the command again to go on\n")


if __name__ == "__main__":
    main()
