import numpy as np
import pytest

from training.cross_blend import cross_blend, fit_colours, shape_distance

LANDMARKS = np.array([[75, 80], [120, 80], [98, 105], [80, 130], [115, 130]], np.float32)
NONE_KNOWN = np.zeros((0, 2), np.float32)


def test_the_donor_comes_in_where_the_mask_says(portrait: np.ndarray) -> None:
    donor = np.ascontiguousarray(portrait[:, ::-1])
    changed_inside = []
    for seed in range(30):
        blend = cross_blend(portrait, LANDMARKS, donor, LANDMARKS, np.random.default_rng(seed))
        assert blend.fake.shape == portrait.shape
        assert blend.fake.dtype == np.uint8
        change = np.abs(blend.fake.astype(int) - portrait).max(axis=-1)
        assert change[blend.mask == 0].max(initial=0) == 0
        changed_inside.append(change[blend.mask > 0.5].mean())
    assert np.mean(changed_inside) > 5


def test_the_donor_is_aligned_by_its_landmarks(portrait: np.ndarray) -> None:
    """A donor that is the target itself, moved, comes back to its place."""
    moved = np.roll(portrait, (12, -9), axis=(0, 1))
    there = LANDMARKS + np.array([-9, 12], np.float32)
    differences = [
        np.abs(blend.fake.astype(int) - portrait)[blend.mask > 0.5].mean()
        for blend in (
            cross_blend(portrait, LANDMARKS, moved, there, np.random.default_rng(seed))
            for seed in range(10)
        )
    ]
    assert np.median(differences) < 4


def test_the_seed_alone_decides(portrait: np.ndarray) -> None:
    first, again = (
        cross_blend(portrait, LANDMARKS, portrait, NONE_KNOWN, np.random.default_rng(4))
        for _ in range(2)
    )
    assert np.array_equal(first.fake, again.fake)


def test_shapes_are_compared_whatever_their_place_and_size() -> None:
    assert shape_distance(LANDMARKS, 2 * LANDMARKS + 7) == pytest.approx(0, abs=1e-6)
    other = LANDMARKS.copy()
    other[2] += 30
    assert shape_distance(LANDMARKS, other) > 0.05


def test_colours_are_fitted_inside_the_mask(portrait: np.ndarray) -> None:
    dark = (portrait * 0.6).astype(np.uint8)
    mask = np.zeros(portrait.shape[:2], np.float32)
    mask[60:140, 60:140] = 1
    fitted = fit_colours(dark, portrait, mask)
    inside = mask > 0.5
    assert np.abs(fitted[inside].mean(axis=0) - portrait[inside].mean(axis=0)).max() < 3
    assert fit_colours(dark, portrait, np.zeros_like(mask)) is dark
