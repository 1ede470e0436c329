from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from detection.evidence import cell_contrast, has_content, map_contrast, shown_grids
from detection.faces import crop_face

UInt8Array = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float32]


def blank(level: int) -> UInt8Array:
    return np.full((224, 224, 3), level, np.uint8)


def framed(level: int, border: int, width: int) -> UInt8Array:
    picture = np.full((512, 512, 3), border, np.uint8)
    picture[width:-width, width:-width] = level
    return crop_face(picture, (0, 0, 512, 512))


def hot_spot(row: int = 3, column: int = 5) -> FloatArray:
    grid = np.full((1, 7, 7), 0.1, np.float32)
    grid[0, row, column] = 4
    return grid


@pytest.mark.parametrize("level", [0, 1, 127, 128, 254, 255])
def test_constant_picture_has_no_content(level: int) -> None:
    assert not has_content(blank(level)[None])[0]


@pytest.mark.parametrize("border", [0, 255])
@pytest.mark.parametrize("width", [1, 20, 64, 90, 150])
def test_blank_picture_with_a_frame_has_no_content(border: int, width: int) -> None:
    assert not has_content(framed(128, border, width)[None])[0]


def test_letterbox_stripes_and_coloured_halves_have_no_content() -> None:
    letterbox = blank(200)
    letterbox[:40] = letterbox[-40:] = 0
    halves = blank(30)
    halves[:, 112:] = (250, 10, 10)
    assert not has_content(np.stack([letterbox, halves])).any()


def test_sensor_noise_on_a_blank_wall_is_no_content() -> None:
    noise = np.random.default_rng(0).normal(128, 1.2, (1, 224, 224, 3))
    assert not has_content(noise.round().clip(0, 255).astype(np.uint8))[0]


def test_faces_have_content_also_when_small_dark_or_soft(portrait: UInt8Array) -> None:
    face = crop_face(portrait, (160, 40, 300, 180))
    dark = (face * 0.25).astype(np.uint8)
    soft = crop_face(portrait[::8, ::8], (20, 5, 38, 23))
    assert has_content(np.stack([face, dark, soft])).all()


def test_cell_contrast_sees_each_channel() -> None:
    crops = blank(0)[None].repeat(3, axis=0)
    for channel in range(3):
        crops[channel, ::2, :, channel] = 200
    assert np.allclose(cell_contrast(crops), 100)
    assert cell_contrast(crops).shape == (3, 8, 8)


def test_map_contrast() -> None:
    flat = np.full((1, 7, 7), 3.0, np.float32)
    against = -hot_spot()
    nothing = np.zeros((1, 7, 7), np.float32)
    rounding = np.full((1, 7, 7), -1.0, np.float32)
    rounding[0, 0, 0] = 1e-9
    contrasts = map_contrast(np.concatenate([flat, against, nothing, rounding, hot_spot()]))
    assert contrasts[:4] == pytest.approx(0, abs=1e-6)
    assert contrasts[4] > 0.9


def test_map_contrast_does_not_depend_on_the_scale() -> None:
    assert map_contrast(hot_spot() * 1000) == pytest.approx(map_contrast(hot_spot()))


def test_shown_grid_keeps_proportions(portrait: UInt8Array) -> None:
    face = crop_face(portrait, (160, 40, 300, 180))[None]
    maps = np.full((1, 7, 7), 1.0, np.float32)
    maps[0, 2, 2], maps[0, 0, 0] = 4, -9
    grids, localised = shown_grids(maps, face)
    assert localised[0]
    assert grids[0, 2, 2] == 1
    assert grids[0, 0, 0] == 0
    assert grids[0, 5, 5] == 0.25  # not stretched to 0
    assert grids.dtype == np.float32


def test_nothing_localised_shows_no_hot_spot(portrait: UInt8Array) -> None:
    face = crop_face(portrait, (160, 40, 300, 180))
    flat = np.full((1, 7, 7), 3.0, np.float32)
    maps = np.concatenate([hot_spot(), flat, hot_spot()])
    grids, localised = shown_grids(maps, np.stack([blank(90), face, face]))
    assert localised.tolist() == [False, False, True]
    assert not grids[:2].any()
    assert grids[2].max() == 1


@pytest.mark.dataset
def test_real_crops_have_content(data_root: Path) -> None:
    """Dark, soft and blurred faces included: the darkest have a cell contrast near 4."""
    paths = sorted((data_root / "deepfake" / "validation" / "Real").glob("*"))[::10]
    crops = [Image.open(path).convert("RGB").resize((224, 224)) for path in paths]
    assert len(crops) >= 50
    assert has_content(np.stack([np.asarray(crop) for crop in crops])).all()
