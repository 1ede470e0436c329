"""Which images there are, and in which split: read, never drawn at random.

A data root holds either a ``manifest.csv`` (columns path, split, label, source, kind, group,
identity, pair) or just folders ``<split>/<label>/`` as the Kaggle set
``manjilkarki/deepfake-and-real-images`` has them.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
FAKE, REAL = 0, 1

_LABELS = {"fake": FAKE, "real": REAL}
_SPLIT_NAMES: dict[str, Split] = {
    "train": "train",
    "validation": "validation",
    "valid": "validation",
    "test": "test",
}
_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}


@dataclass(frozen=True)
class Sample:
    """One labelled image.

    Attributes:
        path: Relative to the data root, with forward slashes.
        split: ``train``, ``validation`` or ``test``.
        label: 0 for fake, 1 for real.
        source: Where the image comes from; figures are reported by it.
        kind: How the fake was made; ``none`` for real images.
        group: Ties an image to its twins; empty when it has none.
        identity: The person, where known; empty otherwise.
        pair: Path of the real image a fake was made from; empty when unknown.
    """

    path: str
    split: Split
    label: int
    source: str
    kind: str = "none"
    group: str = ""
    identity: str = ""
    pair: str = ""


def load_samples(root: Path) -> list[Sample]:
    """Reads all samples of a data root.

    Args:
        root: The folder with ``manifest.csv``, or with ``<split>/<label>/`` folders.

    Returns:
        The samples in a stable order.

    Raises:
        FileNotFoundError: The folder is not there or holds neither layout.
        ValueError: A row of the manifest is not understood; the message gives its line.
    """
    manifest = root / "manifest.csv"
    samples = _from_manifest(manifest) if manifest.is_file() else list(_from_folders(root))
    if not samples:
        raise FileNotFoundError(
            f"no images under {root}: expected manifest.csv, or folders "
            "<train|validation|test>/<Fake|Real>/ with pictures"
        )
    return samples


def in_split(samples: Iterable[Sample], split: Split) -> list[Sample]:
    """Picks the samples of one split."""
    return [sample for sample in samples if sample.split == split]


def _from_manifest(path: Path) -> list[Sample]:
    with path.open(newline="", encoding="utf-8") as file:
        return [_from_row(row, path, line) for line, row in enumerate(csv.DictReader(file), 2)]


def _from_row(row: dict[str, str], path: Path, line: int) -> Sample:
    split: Split | None = _SPLIT_NAMES.get(row.get("split", "").lower())
    label = _LABELS.get(row.get("label", "").lower())
    if split is None or label is None or not row.get("path"):
        raise ValueError(
            f"{path}, line {line}: needs path, split (train, validation or test) "
            "and label (Fake or Real)"
        )
    return Sample(
        path=row["path"],
        split=split,
        label=label,
        source=row.get("source") or "unknown",
        kind=row.get("kind") or "none",
        group=row.get("group") or "",
        identity=row.get("identity") or "",
        pair=row.get("pair") or "",
    )


def _from_folders(root: Path) -> Iterable[Sample]:
    for split_folder in sorted(path for path in root.glob("*") if path.is_dir()):
        split: Split | None = _SPLIT_NAMES.get(split_folder.name.lower())
        for label_folder in sorted(path for path in split_folder.glob("*") if path.is_dir()):
            label = _LABELS.get(label_folder.name.lower())
            if split is None or label is None:
                continue
            for path in sorted(label_folder.rglob("*")):
                if path.suffix.lower() in _SUFFIXES:
                    yield Sample(path.relative_to(root).as_posix(), split, label, root.name)


def spaced(samples: Sequence[Sample], most: int) -> list[Sample]:
    """Takes at most `most` samples at equal steps of their order by source, label and path."""
    ordered = sorted(samples, key=lambda sample: (sample.source, sample.label, sample.path))
    if len(ordered) <= most:
        return ordered
    return [ordered[int(index)] for index in np.linspace(0, len(ordered) - 1, most)]
