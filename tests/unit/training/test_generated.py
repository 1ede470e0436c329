"""Draws with the real generator; `make env-dev` installs it.

Always in processes of its own, as `make generated` does: beside the other libraries that the tests
load, OpenVINO has brought the whole run down.
"""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.generated import (
    GeneratedFaces,
    compressed_as,
    make_faces,
    samples_of,
)
from training.manifest import Sample, load_samples
from training.regions import load_regions


def _drawn(root: Path, samples: list[Sample]) -> list[np.ndarray]:
    make_faces(root, samples, workers=1)
    return [np.asarray(Image.open(root / sample.path), np.int16) for sample in samples]


def test_a_number_gives_the_same_face_always_and_another_number_another(tmp_path: Path) -> None:
    samples = samples_of({"train": 2, "validation": 0})
    first, other = _drawn(tmp_path / "first", samples)
    (again,) = _drawn(tmp_path / "again", samples[:1])
    assert first.shape == (512, 512, 3)
    assert np.abs(first - again).max() <= 1
    assert np.abs(first - other).mean() > 10


def test_splits_share_no_face() -> None:
    samples = samples_of({"train": 50, "validation": 20})
    assert len({Path(sample.path).stem for sample in samples}) == 70


def test_an_interrupted_run_draws_only_what_is_missing(tmp_path: Path) -> None:
    samples = samples_of({"train": 2, "validation": 1})
    make_faces(tmp_path, samples[:1], workers=1)
    before = (tmp_path / samples[0].path).stat().st_mtime_ns
    make_faces(tmp_path, samples, workers=1)
    assert (tmp_path / samples[0].path).stat().st_mtime_ns == before
    assert load_samples(tmp_path) == samples
    regions = load_regions(tmp_path / "regions.jsonl")
    for sample in samples:
        left, _, right, _ = regions[sample.path].region
        assert 150 < right - left < 450, "the face fills about half of the picture"
        assert len(regions[sample.path].landmarks) == 5
    assert not list(tmp_path.rglob(".*"))


def test_faces_take_size_and_compression_of_the_photo_beside_them(
    tmp_path: Path, portrait: np.ndarray
) -> None:
    make_faces(tmp_path, samples_of({"train": 1, "validation": 1}), workers=1)
    faces = GeneratedFaces(tmp_path)
    for name, quality in (("good.jpg", 95), ("bad.jpg", 10)):
        Image.fromarray(portrait).resize((256, 256)).save(tmp_path / name, quality=quality)
    good, bad = (
        faces.like(tmp_path / name, np.random.default_rng(0)) for name in ("good.jpg", "bad.jpg")
    )
    assert good.shape == bad.shape == (224, 224, 3)
    difference = np.abs(good.astype(int) - bad)
    assert 2 < difference.mean() < 20, "the same face, compressed more"


def test_a_picture_takes_the_tables_of_another(portrait: np.ndarray) -> None:
    data = io.BytesIO()
    Image.fromarray(portrait).save(data, "JPEG", quality=30)
    picture = Image.fromarray(np.ascontiguousarray(portrait[::-1]))
    with Image.open(data) as model:
        assert not np.array_equal(np.asarray(compressed_as(picture, model)), np.asarray(picture))
    # Not a JPEG file: nothing is compressed.
    assert compressed_as(picture, picture) is picture


def test_missing_faces_are_named_with_the_command_that_makes_them(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="make generated"):
        GeneratedFaces(tmp_path)
