from collections.abc import Callable

import numpy as np
import pytest

from training import augment as augmentation
from training.augment import AugmentConfig, Crop, augment, augment_with_mask, jpeg

STEPS: list[Callable[..., Crop]] = [
    augmentation.change_colours,
    augmentation.remove_colour,
    augmentation.blur,
    augmentation.rescale,
    augmentation.add_noise,
    augmentation.compress,
]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
def test_every_step_changes_the_picture_but_not_its_form(
    step: Callable[..., Crop], portrait: np.ndarray
) -> None:
    before = portrait.copy()
    after = step(portrait, AugmentConfig(), np.random.default_rng(3))
    assert after.shape == portrait.shape
    assert after.dtype == np.uint8
    assert not np.array_equal(after, portrait)
    assert np.array_equal(before, portrait), "the input must not be written to"
    assert np.corrcoef(after.ravel(), portrait.ravel())[0, 1] > 0.7


def test_the_seed_alone_decides(portrait: np.ndarray) -> None:
    first, again, other = (
        augment(portrait, AugmentConfig(), np.random.default_rng(seed)) for seed in (5, 5, 6)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_jpeg_loses_more_at_lower_quality(portrait: np.ndarray) -> None:
    losses = [
        np.abs(jpeg(portrait, quality).astype(int) - portrait).mean() for quality in (95, 60, 20)
    ]
    assert losses == sorted(losses)
    assert losses[0] > 0


def test_a_mask_moves_with_its_pixels(portrait: np.ndarray) -> None:
    crop = np.zeros_like(portrait)
    crop[40:90, 30:80] = 255
    mask = (crop[..., 0] / 255).astype(np.float32)
    only_geometry = AugmentConfig(
        p_geometry=1, p_colour=0, p_grey=0, p_blur=0, p_noise=0, p_rescale=0, p_jpeg=0
    )
    for seed in range(6):
        rng = np.random.default_rng(seed)
        moved, moved_mask = augment_with_mask(crop, mask, only_geometry, rng)
        assert not np.array_equal(moved, crop)
        assert np.abs(moved[..., 0] / 255 - moved_mask).mean() < 0.01
