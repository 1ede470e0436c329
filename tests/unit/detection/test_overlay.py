from __future__ import annotations

import base64
import io
import math

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from skimage.color import rgb2lab

from detection.overlay import COLOURS, MAX_OPACITY, Cells, enlarge, render_data_uri, render_png


def blob(row: int = 2, column: int = 5, side: int = 7) -> npt.NDArray[np.float32]:
    y, x = np.mgrid[:side, :side]
    grid: npt.NDArray[np.float32] = np.exp(-((y - row) ** 2 + (x - column) ** 2) / 3).astype(
        np.float32
    )
    return grid


def test_overlay_is_a_small_transparent_png() -> None:
    png = render_png(blob())
    assert len(png) <= 10_000
    with Image.open(io.BytesIO(png)) as image:
        assert (image.format, image.mode, image.size) == ("PNG", "P", (224, 224))
        pixels = np.asarray(image.convert("RGBA"))
    alpha = pixels[..., 3].astype(int)
    assert alpha.max() == round(255 * MAX_OPACITY)
    assert alpha.min() == 0
    row, column = np.unravel_index(alpha.argmax(), alpha.shape)
    assert abs(row - 2.5 * 32) <= 16
    assert abs(column - 5.5 * 32) <= 16


def test_worst_case_is_small_too() -> None:
    noise = np.random.default_rng(0).random((8, 8), dtype=np.float32)
    assert len(render_png(noise)) <= 14_000


def test_opacity_grows_with_the_map() -> None:
    ramp = np.tile(np.linspace(0, 1, 16, dtype=np.float32), (16, 1))
    with Image.open(io.BytesIO(render_png(ramp))) as image:
        alpha = np.asarray(image.convert("RGBA"))[100, :, 3].astype(int)
    assert (np.diff(alpha) >= 0).all()
    assert alpha[0] <= 4
    assert alpha[-1] >= 200


def test_nothing_localised_is_fully_transparent() -> None:
    with Image.open(io.BytesIO(render_png(np.zeros((7, 7), np.float32)))) as image:
        assert np.asarray(image.convert("RGBA"))[..., 3].max() == 0


def test_overlay_turns_with_the_grid() -> None:
    one = enlarge(blob())
    assert np.allclose(enlarge(blob()[:, ::-1]), one[:, ::-1], atol=1e-5)
    assert np.allclose(enlarge(blob().T), one.T, atol=1e-5)
    assert one.min() >= 0
    assert one.max() <= 1


@pytest.mark.parametrize("side", [1, 4, 7, 8, 14])
def test_grids_of_any_size(side: int) -> None:
    assert enlarge(np.full((side, side), 0.5, np.float32)) == pytest.approx(0.5, abs=1e-6)


def test_data_uri() -> None:
    head, _, body = render_data_uri(blob()).partition(",")
    assert head == "data:image/png;base64"
    assert base64.b64decode(body, validate=True).startswith(b"\x89PNG")


def test_colour_map_is_perceptually_even() -> None:
    lab = rgb2lab(np.array(COLOURS, dtype=np.uint8)[None])[0]
    lightness = lab[:, 0]
    assert (np.diff(lightness) > 0).all()  # readable without any colour at all
    steps = np.diff(lightness)
    assert steps.max() < 3 * steps.mean()


def test_cells_are_drawn_where_they_look() -> None:
    grid = np.zeros((4, 4), np.float32)
    grid[1, 2] = 1
    for cells in (
        Cells.tiling(4),
        Cells(0.004, 0.25),
        Cells(0.0, 1 / 3),
        Cells(0.05, 0.25, first_column=0.125),
    ):
        first_column = cells.first if cells.first_column is None else cells.first_column
        drawn = enlarge(grid, 256, cells)
        row, column = np.unravel_index(drawn.argmax(), drawn.shape)
        assert (row + 0.5) / 256 == pytest.approx(cells.first + cells.step, abs=0.01)
        assert (column + 0.5) / 256 == pytest.approx(first_column + 2 * cells.step, abs=0.01)


def test_values_go_on_beyond_the_outermost_cells() -> None:
    grid = np.tile(np.array([0, 0, 0, 1], np.float32), (4, 1))
    assert enlarge(grid, 64, Cells(0.004, 0.25))[:, -8:] == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    "cells",
    [
        Cells(0.1, 0.0),
        Cells(0.1, -0.2),
        Cells(0.1, 1e-9),
        Cells(9, 0.25),
        Cells(math.nan, 0.25),
        Cells(0.1, 0.25, 9),
        Cells(0.1, 0.25, math.nan),
    ],
)
def test_cells_that_do_not_cover_the_region(cells: Cells) -> None:
    with pytest.raises(ValueError, match="cells"):
        enlarge(blob(), cells=cells)
