"""Draws a Grad-CAM grid as a small transparent PNG to lay over the face; no torch here."""

from __future__ import annotations

import base64
import io

import numpy as np
import numpy.typing as npt
from PIL import Image

FloatArray = npt.NDArray[np.float32]

OVERLAY_SIZE = 224
"""Side of the overlay in pixels; it is stretched over the region that was judged."""

MAX_OPACITY = 0.8
"""Opacity where the map is 1; it falls linearly to 0 where the map is 0."""

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


def enlarge(grid: FloatArray, size: int = OVERLAY_SIZE) -> FloatArray:
    """Scales a grid up smoothly (bicubic); cells are squares of equal size, as in Grad-CAM.

    Args:
        grid: float32 h x w in [0, 1], rows top to bottom.
        size: Side of the result in pixels.

    Returns:
        float32 size x size in [0, 1].
    """
    cells = Image.fromarray(np.ascontiguousarray(grid, dtype=np.float32))
    smooth = cells.resize((size, size), Image.Resampling.BICUBIC)
    enlarged: FloatArray = np.clip(np.asarray(smooth), 0, 1)
    return enlarged


def render_png(grid: FloatArray) -> bytes:
    """Draws a grid as a palette PNG with transparency, about 5 kB.

    Args:
        grid: float32 h x w in [0, 1], rows top to bottom.

    Returns:
        A PNG of 224 x 224 pixels: fully transparent where the map is 0, ever more opaque and
        lighter up to 1.
    """
    steps = np.rint(enlarge(grid) * (len(COLOURS) - 1)).astype(np.uint8)
    picture = Image.fromarray(steps).convert("L")
    picture.putpalette([channel for colour in COLOURS for channel in colour])
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", transparency=_ALPHAS)
    return buffer.getvalue()


def render_data_uri(grid: FloatArray) -> str:
    """Draws a grid, see `render_png`, as a ``data:`` address for use in a page."""
    return "data:image/png;base64," + base64.b64encode(render_png(grid)).decode("ascii")
