import pickle

import numpy as np
import numpy.typing as npt
import pytest
from skimage.data import astronaut

from training.augment import Crop
from training.figures import Judged
from training.manifest import FAKE, REAL, Sample
from training.robustness import CHANGES, LABELS, UNCHANGED, measure, spread


@pytest.fixture(scope="module")
def crop() -> Crop:
    return np.ascontiguousarray(astronaut()[:224, 100:324])


@pytest.mark.parametrize("name", CHANGES)
def test_changes_keep_the_form_and_do_the_same_again(crop: Crop, name: str) -> None:
    before = crop.copy()
    changed = CHANGES[name](crop)
    assert changed.shape == crop.shape
    assert changed.dtype == np.uint8
    assert not np.array_equal(changed, crop)
    assert np.array_equal(changed, pickle.loads(pickle.dumps(CHANGES[name]))(crop))  # noqa: S301
    assert np.array_equal(before, crop)
    assert name in LABELS


@pytest.mark.parametrize(
    "family",
    [
        ["jpeg-90", "jpeg-70", "jpeg-50", "jpeg-30"],
        ["blur-1", "blur-2", "blur-3"],
        ["resize-112", "resize-64"],
        ["noise-0.01", "noise-0.05", "noise-0.1"],
    ],
)
def test_changes_grow_along_the_grid(crop: Crop, family: list[str]) -> None:
    errors = [np.abs(CHANGES[name](crop).astype(int) - crop).mean() for name in family]
    assert errors == sorted(errors)
    assert errors[0] > 0


def test_noise_has_the_stated_deviation() -> None:
    grey = np.full((224, 224, 3), 128, np.uint8)
    assert CHANGES["noise-0.05"](grey).std() == pytest.approx(0.05 * 255, rel=0.03)


def test_the_grid_is_the_one_that_was_asked_for() -> None:
    assert len(CHANGES) == 12
    assert set(LABELS) == {*CHANGES, UNCHANGED}


def samples(counts: dict[tuple[str, int], int]) -> list[Sample]:
    return [
        Sample(f"{source}-{label}-{index}.jpg", "test", label, source)
        for (source, label), count in counts.items()
        for index in range(count)
    ]


def test_spread_is_even_and_gives_what_small_strata_leave_to_large_ones() -> None:
    images = samples({("a", FAKE): 500, ("a", REAL): 300, ("b", FAKE): 20, ("b", REAL): 90})
    drawn = spread(images, 200)
    counts = {
        key: sum((sample.source, sample.label) == key for sample in drawn)
        for key in [("a", FAKE), ("a", REAL), ("b", FAKE), ("b", REAL)]
    }
    assert counts == {("a", FAKE): 60, ("a", REAL): 60, ("b", FAKE): 20, ("b", REAL): 60}
    assert drawn == spread(images, 200)
    assert drawn == sorted(drawn, key=images.index)
    assert spread(images, 10_000) == images


def judged(probability: npt.NDArray[np.float64]) -> Judged:
    count = len(probability)
    fake = np.arange(count) % 2 == 0
    source = np.where(np.arange(count) < count // 2, "a", "b")
    return Judged(
        fake,
        np.asarray(probability),
        np.where(np.asarray(probability) > 0.5, "fake", "real"),
        source,
        np.where(fake, "x", "none"),
        np.arange(count).astype(str),
    )


def test_measure_tells_the_fall_of_each_source() -> None:
    rng = np.random.default_rng(0)
    fake = np.arange(2000) % 2 == 0
    good = np.where(fake, 0.8, 0.2) + rng.uniform(-0.1, 0.1, 2000)
    bad = np.where(np.arange(2000) < 1000, good, rng.random(2000))  # source b is lost
    found = measure({UNCHANGED: judged(good), "blur-3": judged(bad)}, resampled=50)
    assert found[UNCHANGED]["a"]["fall"]["value"] == 0
    assert found["blur-3"]["a"]["fall"]["value"] == 0
    assert found["blur-3"]["b"]["auc"]["value"] == pytest.approx(0.5, abs=0.08)
    assert found["blur-3"]["b"]["fall"]["low"] > 0.3
    assert found["blur-3"]["b"]["real_called_fake"] == pytest.approx(0.5, abs=0.08)


def test_measure_leaves_the_auc_of_a_single_class_out() -> None:
    only = judged(np.full(10, 0.9)).take(np.array([1, 3, 7, 9]))
    found = measure({UNCHANGED: only}, resampled=5)
    assert found[UNCHANGED]["a"] == {"real_called_fake": 1.0}
