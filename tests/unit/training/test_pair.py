import cv2
import numpy as np
import pytest

from training.augment import AugmentConfig, jpeg
from training.face_mask import known_or_typical
from training.pair import (
    UNKNOWN,
    Pair,
    augmented,
    changed_pixels,
    cutmix,
    match_colours,
    match_detail,
    mixup,
    partly,
    shared_masks,
)


def test_changed_pixels_are_found_between_aligned_crops(portrait: np.ndarray) -> None:
    fake = portrait.copy()
    fake[60:120, 50:110] = 255 - fake[60:120, 50:110]
    mask = changed_pixels(fake, portrait)
    assert mask[70:110, 60:100].mean() > 0.9
    assert mask[:30].max() < 0.1
    assert (changed_pixels(jpeg(portrait, 95), portrait) == UNKNOWN).all()


def test_matched_detail_leaves_sharpness_equal_and_changes_either_side(
    portrait: np.ndarray,
) -> None:
    soft = np.asarray(cv2.GaussianBlur(portrait[:, ::-1], (0, 0), 0.7), np.uint8)

    def energy(picture: np.ndarray) -> float:
        return float(cv2.Laplacian(picture, cv2.CV_32F).std())

    before = abs(energy(portrait) - energy(soft))
    changed = set()
    for seed in range(8):
        fake, real = match_detail(soft, portrait, np.random.default_rng(seed))
        assert abs(energy(fake) - energy(real)) < 0.6 * before
        changed.add(np.array_equal(fake, soft))
    assert changed == {True, False}


def test_matched_colours_leave_light_and_palette_equal_and_change_either_side() -> None:
    rng = np.random.default_rng(0)
    dark = rng.integers(0, 80, (32, 32, 3), dtype=np.uint8)
    bright = rng.integers(120, 250, (32, 32, 3), dtype=np.uint8)
    changed = set()
    for seed in range(8):
        fake, real = match_colours(dark, bright, np.random.default_rng(seed))
        assert np.allclose(fake.mean(axis=(0, 1)), real.mean(axis=(0, 1)), atol=6)
        changed.add(np.array_equal(fake, dark))
    assert changed == {True, False}


def test_pictures_augmented_by_the_same_draws_differ_by_the_forgery_alone(
    portrait: np.ndarray,
) -> None:
    fake = portrait.copy()
    fake[60:120, 50:110] = 255 - fake[60:120, 50:110]
    mask = np.zeros(portrait.shape[:2], np.float32)
    mask[60:120, 50:110] = 1
    pair, config = Pair(fake, portrait, mask), AugmentConfig(p_noise=1.0, p_jpeg=0.0, p_blur=0.0)
    for seed in range(8):
        (made, changed), (shot, unchanged) = augmented(
            pair, config, 1.0, np.random.default_rng(seed)
        )
        assert not np.array_equal(shot, portrait)
        difference = np.abs(made.astype(int) - shot).max(axis=-1)
        outside = cv2.dilate(changed, np.ones((21, 21))) == 0  # a change of contrast reaches all
        assert difference[changed == 1].mean() > 5 * difference[outside].mean()
        assert not unchanged.any()
    (made, _), (shot, _) = augmented(
        Pair(portrait, portrait, mask), config, 0.0, np.random.default_rng(0)
    )
    assert not np.array_equal(made, shot)


def test_mixup_puts_some_of_either_picture_into_the_other() -> None:
    rng = np.random.default_rng(0)
    fake, real = np.full((2, 8, 8, 3), [[[[200]]], [[[100]]]], np.uint8)
    shares = set()
    for _ in range(20):
        mixed = mixup(Pair(fake, real, np.ones((8, 8), np.float32)), rng)
        assert 0.5 <= mixed.share <= 1
        assert np.abs(mixed.fake - (100 + 100 * mixed.share)).max() <= 1
        assert np.abs(mixed.real - (200 - 100 * mixed.share)).max() <= 1
        shares.add(round(mixed.share, 2))
    assert len(shares) > 5


def test_masks_say_how_much_of_each_pixel_is_fake_once_mixed() -> None:
    whole, unknown = np.ones((2, 2), np.float32), np.full((2, 2), UNKNOWN, np.float32)
    crop = np.zeros((2, 2, 3), np.uint8)
    of_fake, of_real = shared_masks(Pair(crop, crop, whole, 0.75))
    assert (of_fake == 0.75).all()
    assert (of_real == 0.25).all()
    assert all((mask == UNKNOWN).all() for mask in shared_masks(Pair(crop, crop, unknown, 0.75)))
    of_fake, of_real = shared_masks(Pair(crop, crop, unknown))
    assert (of_fake == UNKNOWN).all()
    assert (of_real == 0).all()


def test_cutmix_swaps_one_rectangle_and_the_masks_say_which() -> None:
    fake, real = np.full((2, 40, 40, 3), [[[[200]]], [[[100]]]], np.uint8)
    mask = np.ones((40, 40), np.float32)
    corners = set()
    for seed in range(20):
        swapped = cutmix(Pair(fake, real, mask), np.random.default_rng(seed))
        of_fake, of_real = shared_masks(swapped)
        assert np.array_equal(of_fake == 1, swapped.fake[..., 0] == 200)
        assert np.array_equal(of_real == 1, swapped.real[..., 0] == 200)
        assert (of_fake + of_real == 1).all()
        rows, columns = np.nonzero(of_real)
        assert len(rows) == (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
        assert swapped.share == pytest.approx(of_fake.mean())
        assert 0.45 <= swapped.share <= 0.95
        corners.add((rows.min(), columns.min()))
    assert len(corners) > 10
    unknown = np.full((40, 40), UNKNOWN, np.float32)
    swapped = cutmix(Pair(fake, real, unknown), np.random.default_rng(0))
    assert all((each == UNKNOWN).all() for each in shared_masks(swapped))


def test_a_part_of_a_fake_stays_and_the_mask_says_which(portrait: np.ndarray) -> None:
    fake = 255 - portrait
    mask = np.zeros(portrait.shape[:2], np.float32)
    mask[40:200] = 1
    points = known_or_typical(np.zeros((0, 2), np.float32), portrait.shape[:2])
    sizes = set()
    for seed in range(8):
        pair = partly(Pair(fake, portrait, mask), points, np.random.default_rng(seed))
        assert np.array_equal(pair.real, portrait)
        changed = (pair.fake != portrait).any(axis=-1)
        assert not pair.mask[:40].any()
        assert changed[pair.mask > 0].mean() > 0.9
        outside = cv2.dilate((pair.mask > 0).astype(np.uint8), np.ones((61, 61))) == 0
        assert not changed[40:200][outside[40:200]].any()
        sizes.add(round(float(pair.mask.mean()), 2))
    assert len(sizes) > 4
    assert max(sizes) < mask.mean()


@pytest.mark.parametrize("value", [0.0, UNKNOWN])
def test_a_fake_of_which_no_known_part_would_stay_is_left_whole(
    portrait: np.ndarray, value: float
) -> None:
    pair = Pair(255 - portrait, portrait, np.full(portrait.shape[:2], value, np.float32))
    points = known_or_typical(np.zeros((0, 2), np.float32), portrait.shape[:2])
    assert partly(pair, points, np.random.default_rng(0)) is pair
