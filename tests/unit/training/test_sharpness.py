import cv2
import numpy as np
import pytest

from training.sharpness import BANDS, bands, with_detail_of


def test_bands_and_the_rest_sum_to_the_picture(portrait: np.ndarray) -> None:
    pixels = portrait.astype(np.float32)
    detail, rest = bands(pixels)
    assert len(detail) == len(BANDS)
    assert np.allclose(np.sum(detail, axis=0) + rest, pixels, atol=1e-3)


def test_a_soft_copy_gets_much_of_the_original_s_sharpness(portrait: np.ndarray) -> None:
    soft = np.asarray(cv2.GaussianBlur(portrait, (0, 0), 0.8), np.uint8)
    matched = with_detail_of(soft, portrait, [1.0] * len(BANDS))

    def energy(picture: np.ndarray) -> float:
        return float(bands(picture.astype(np.float32))[0][0].std())

    # Not all: a band that was filtered out reaches into its neighbours when it is amplified.
    assert energy(soft) < 0.5 * energy(portrait)
    assert energy(matched) == pytest.approx(energy(portrait), rel=0.4)
    assert abs(energy(matched) - energy(portrait)) < 0.6 * abs(energy(soft) - energy(portrait))


def test_a_picture_with_its_own_detail_stays_as_it_is(portrait: np.ndarray) -> None:
    same = with_detail_of(portrait, portrait, [1.0] * len(BANDS))
    assert np.abs(same.astype(int) - portrait).max() <= 2


def test_gains_make_sharper_or_softer(portrait: np.ndarray) -> None:
    softer, sharper = (
        with_detail_of(portrait, portrait, [gain] * len(BANDS)) for gain in (0.5, 1.5)
    )
    assert softer.astype(float).std() < sharper.astype(float).std()


def test_a_flat_picture_stays_flat() -> None:
    flat = np.full((40, 40, 3), 90, np.uint8)
    assert np.abs(with_detail_of(flat, flat, [1.0] * len(BANDS)).astype(int) - 90).max() <= 1
