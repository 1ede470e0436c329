"""Crops are cut near the face where asked, and never outside of the picture."""

from __future__ import annotations

import math

import numpy as np
import pytest

from training.face_loader import FaceLoader, reframe
from training.manifest import Sample


def test_regions_stay_in_the_picture_keep_their_proportions_and_vary_as_far_as_asked() -> None:
    rng = np.random.default_rng(0)
    drawn = np.array([reframe((300, 200, 400, 250), (1000, 800), 0.25, rng) for _ in range(500)])
    left, top, right, bottom = drawn.T
    widths, heights = right - left, bottom - top
    assert np.abs(widths / heights - 2).max() < 0.1
    assert widths.min() == pytest.approx(100 * math.exp(-0.25), abs=2)
    assert widths.max() == pytest.approx(100 * math.exp(0.25), abs=2)
    assert np.abs((left + right) / 2 - 350).max() <= 0.25 * 129
    assert np.abs((top + bottom) / 2 - 225).max() > 0.2 * 50


def test_the_borders_of_the_picture_limit_what_is_drawn() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        left, top, right, bottom = reframe((0, 10, 190, 200), (190, 200), 0.4, rng)
        assert 0 <= left < right <= 190
        assert 0 <= top < bottom <= 200
    assert reframe((3, 4, 30, 40), (50, 50), 0.0, rng) == (3, 4, 30, 40)


def test_landmarks_move_with_the_crop(tiny_samples: list[Sample], tiny_loader: FaceLoader) -> None:
    sample = tiny_samples[0]
    crop, marks = tiny_loader.crop_and_landmarks(sample)
    same, same_marks = tiny_loader.reframed(sample, 0.0, np.random.default_rng(0))
    assert np.array_equal(crop, same)
    assert np.array_equal(marks, same_marks)
    other, moved = tiny_loader.reframed(sample, 0.15, np.random.default_rng(1))
    # The eyes are where they were seen before: around them both crops show the same colours.
    assert not np.array_equal(crop, other)
    for before, after in zip(marks, moved, strict=True):
        (x, y), (u, v) = before.astype(int), after.astype(int)
        shown = crop[y - 6 : y + 7, x - 6 : x + 7].mean(axis=(0, 1))
        assert other[v - 6 : v + 7, u - 6 : u + 7].mean(axis=(0, 1)) == pytest.approx(shown, abs=12)


def test_a_fake_and_its_frame_are_cut_at_one_place(
    tiny_samples: list[Sample], tiny_loader: FaceLoader
) -> None:
    fake = next(sample for sample in tiny_samples if sample.pair)
    frame = next(sample for sample in tiny_samples if sample.path == fake.pair)
    kept = tiny_loader.aligned(fake, frame, 0.0, np.random.default_rng(0))
    moved = tiny_loader.aligned(fake, frame, 0.2, np.random.default_rng(0))
    assert kept is not None
    assert moved is not None
    assert np.array_equal(kept[0], tiny_loader.crop(fake))
    assert not np.array_equal(kept[0], moved[0])
    assert np.array_equal(kept[2], tiny_loader.landmarks(fake))
    assert not np.array_equal(kept[2], moved[2])
    for made, shot, _ in (kept, moved):
        # Only red was changed: crops of two places would differ in every colour.
        assert np.array_equal(made[..., 1:], shot[..., 1:])
        assert not np.array_equal(made[..., 0], shot[..., 0])
