from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from detection.faces import FaceFinder
from ui import make_samples
from ui.texts import SAMPLES

FOLDER = make_samples.OUT


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"), dtype=np.float32)


def test_real_sample_is_the_photo() -> None:
    left, top, right, bottom = make_samples.CUT
    photo = data.astronaut()[top:bottom, left:right].astype(np.float32)
    assert np.abs(pixels(FOLDER / "sample-real.jpg") - photo).mean() < 3


def test_fake_sample_differs_from_it_in_the_face_alone() -> None:
    change = np.abs(pixels(FOLDER / "sample-fake.jpg") - pixels(FOLDER / "sample-real.jpg"))
    left, top, right, bottom = make_samples.FACE
    face = np.zeros(change.shape[:2], dtype=bool)
    face[top:bottom, left:right] = True
    around = np.zeros_like(face)
    around[top - 16 : bottom + 16, left - 16 : right + 16] = True
    assert change[face].mean() > 4
    assert change[~around].mean() < 0.5


def test_committed_fake_is_what_the_script_makes() -> None:
    photo = Image.fromarray(data.astronaut()).crop(make_samples.CUT)
    made = np.asarray(make_samples.self_blend(photo), dtype=np.float32)
    assert np.abs(pixels(FOLDER / "sample-fake.jpg") - made).mean() < 3


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample["file"])
def test_samples_show_one_face_and_are_small(sample: dict[str, str]) -> None:
    path = FOLDER / sample["file"]
    assert path.stat().st_size < 80_000
    faces = FaceFinder().find(pixels(path).astype(np.uint8))
    assert len(faces) == 1
    assert faces[0].box == pytest.approx(make_samples.FACE, abs=14)
    assert (FOLDER / sample["thumb"]).stat().st_size < 6_000
