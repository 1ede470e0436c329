"""Redraws with the real network, in processes of its own, as `make upscaled` does."""

from pathlib import Path

import numpy as np
import pytest

from training.face_loader import FaceLoader
from training.manifest import REAL, Sample, in_split
from training.upscaled import UpscaledFaces, chosen, make_upscaled


def _photos(samples: list[Sample]) -> list[Sample]:
    return chosen(in_split(samples, "train"), {"alpha": 1, "beta": 2})


@pytest.fixture(scope="module")
def root(
    tmp_path_factory: pytest.TempPathFactory, tiny_samples: list[Sample], tiny_loader: FaceLoader
) -> Path:
    folder = tmp_path_factory.mktemp("upscaled")
    make_upscaled(folder, _photos(tiny_samples), tiny_loader, workers=1)
    return folder


def test_a_redrawn_face_shows_the_same_scene_in_other_detail(
    root: Path, tiny_samples: list[Sample], tiny_loader: FaceLoader
) -> None:
    faces = UpscaledFaces(root)
    for seed, photo in enumerate(_photos(tiny_samples)):
        made, original = faces.pair(photo, tiny_loader, np.random.default_rng(seed))
        assert made.shape == original.shape
        assert np.array_equal(original, tiny_loader.patch(photo))
        difference = made.astype(int) - original
        assert np.abs(difference).mean() < 20, "the same scene"
        assert np.abs(difference).mean() > 2, "other detail"
        assert np.abs(difference.mean(axis=(0, 1))).max() < 4, "the same light"


def test_only_real_faces_are_redrawn_and_always_the_same_ones(tiny_samples: list[Sample]) -> None:
    photos = _photos(tiny_samples)
    assert [photo.source for photo in photos] == ["alpha", "beta", "beta"]
    assert all(photo.label == REAL and photo.split == "train" for photo in photos)
    assert chosen(in_split(tiny_samples, "train")[::-1], {"alpha": 1, "beta": 2}) == photos


def test_an_interrupted_run_redraws_only_what_is_missing(
    root: Path, tiny_samples: list[Sample], tiny_loader: FaceLoader
) -> None:
    photos = _photos(tiny_samples)
    first, other = (root / f"{photo.path}.png" for photo in photos[:2])
    before, pixels = first.stat().st_mtime_ns, other.read_bytes()
    other.unlink()
    make_upscaled(root, photos, tiny_loader, workers=1)
    assert first.stat().st_mtime_ns == before
    assert other.read_bytes() == pixels, "the same photo gives the same face"
    assert UpscaledFaces(root).paths == {photo.path for photo in photos}
    assert not list(root.rglob(".*"))


def test_without_faces_it_says_how_to_make_them(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="make upscaled"):
        UpscaledFaces(tmp_path)
