"""Draws a Grad-CAM grid as a small transparent PNG to lay over the face; no torch here."""

from __future__ import annotations

import base64
import io
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

FloatArray = npt.NDArray[np.float32]

OVERLAY_SIZE = 224
"""Side of the overlay in pixels; it is stretched over the region that was judged."""

MAX_OPACITY = 0.8
"""Opacity where the map is 1; it falls linearly to 0 where the map is 0."""

_COMPRESSION = 4  # of zlib: within 5 % of the size at its usual 6, in 40 % of the time
_MARGIN = 2  # cells by which a grid is continued on each side

# Viridis (van der Walt and Smith 2015) in 64 steps from low to high: perceptually uniform, grows
# in lightness throughout, and readable with any colour vision deficiency.
_VIRIDIS = (
    "44015446075a470d6047136548186a481d6f482374482878472d7b46327e453781443b84424086404588"
    "3e49893d4e8a3a538b38588c365c8d34608d32648e31688e2f6c8e2d708e2c738e2a778e297b8e277f8e"
    "26828e24868e238a8d218e8d20928c1f968b1f9a8a1f9e891fa18721a58523a98326ad812ab07f2fb47c"
    "35b7793bbb7542be714ac16d52c5695ac86465cb5e6ece5877d15381d34d8bd64695d840a0da39aadc32"
    "b5de2bc0df25cae11fd5e21adfe318eae51af4e61efde725"
)

COLOURS: tuple[tuple[int, int, int], ...] = tuple(
    (red, green, blue)
    for red, green, blue in np.frombuffer(bytes.fromhex(_VIRIDIS), np.uint8).reshape(-1, 3).tolist()
)
"""The colour map from low to high, for the overlay and its legend."""

_ALPHAS = bytes(
    round(255 * MAX_OPACITY * step / (len(COLOURS) - 1)) for step in range(len(COLOURS))
)


@dataclass(frozen=True)
class Cells:
    """Where the cells of a grid look; see `geometry`.

    Attributes:
        first: Centre of the first row, as a share of the side of the region that was judged.
        step: Distance between the centres of neighbours, in the same unit.
        first_column: Centre of the first column, in the same unit; without it that of the first
            row.
    """

    first: float
    step: float
    first_column: float | None = None

    @classmethod
    def tiling(cls, count: int) -> Cells:
        """Gives cells that tile the region as equal squares, `count` in a row."""
        return cls(0.5 / count, 1 / count)

    def box(self, count: int) -> tuple[float, float, float, float]:
        """Gives where the region lies, in cells from the outer edges of the first ones.

        Returns:
            Left, top, right, bottom.

        Raises:
            ValueError: The region reaches more than two cells beyond the `count` cells.
        """
        column = self.first if self.first_column is None else self.first_column
        left, right = self._span(column, count)
        top, bottom = self._span(self.first, count)
        return left, top, right, bottom

    def _span(self, first: float, count: int) -> tuple[float, float]:
        if not (math.isfinite(first) and 0 < self.step < math.inf):
            raise ValueError("cells have no place")
        begin = 0.5 - first / self.step
        end = begin + 1 / self.step
        if not -_MARGIN <= begin < end <= count + _MARGIN:
            raise ValueError("cells do not cover the region")
        return begin, end


def enlarge(grid: FloatArray, size: int = OVERLAY_SIZE, cells: Cells | None = None) -> FloatArray:
    """Scales a grid up smoothly (bicubic), each cell drawn where it looks.

    Args:
        grid: float32 n x n in [0, 1], rows top to bottom.
        size: Side of the result in pixels.
        cells: Where the cells look; without it they tile the region as equal squares. Beyond the
            outermost centres the values go on unchanged.

    Returns:
        float32 size x size in [0, 1].

    Raises:
        ValueError: The cells do not cover the region.
    """
    count = grid.shape[0]
    left, top, right, bottom = (cells or Cells.tiling(count)).box(count)
    padded = np.pad(grid.astype(np.float32, copy=False), _MARGIN, mode="edge")
    box = (left + _MARGIN, top + _MARGIN, right + _MARGIN, bottom + _MARGIN)
    smooth = Image.fromarray(padded).resize((size, size), Image.Resampling.BICUBIC, box)
    enlarged: FloatArray = np.clip(np.asarray(smooth), 0, 1)
    return enlarged


def render_png(grid: FloatArray, cells: Cells | None = None) -> bytes:
    """Draws a grid as a palette PNG with transparency, about 5 kB.

    Args:
        grid: float32 n x n in [0, 1], rows top to bottom.
        cells: Where the cells look, see `enlarge`.

    Returns:
        A PNG of 224 x 224 pixels: fully transparent where the map is 0, ever more opaque and
        lighter up to 1.
    """
    steps = np.rint(enlarge(grid, cells=cells) * (len(COLOURS) - 1)).astype(np.uint8)
    picture = Image.fromarray(steps).convert("L")
    picture.putpalette([channel for colour in COLOURS for channel in colour])
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", transparency=_ALPHAS, compress_level=_COMPRESSION)
    return buffer.getvalue()


def render_data_uri(grid: FloatArray, cells: Cells | None = None) -> str:
    """Draws a grid, see `render_png`, as a ``data:`` address for use in a page."""
    return "data:image/png;base64," + base64.b64encode(render_png(grid, cells)).decode("ascii")
