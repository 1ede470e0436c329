"""Turns what Pillow has loaded, of whatever kind, into upright RGB pixels; no torch here."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image

UInt8Array = npt.NDArray[np.uint8]
Region = tuple[int, int, int, int]

BACKGROUND = (128, 128, 128)
"""Colour behind transparent pixels: mid grey favours neither light nor dark edges."""

_STRIP_PIXELS = 1 << 20  # converted at a time, so that conversion needs no second whole picture
_ORIENTATION = 0x0112  # EXIF tag
_SCALED_MODES = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")

# For each EXIF orientation: shows the upright array the way the file stores it, as a view.
_STORED_VIEW: dict[int, Callable[[UInt8Array], UInt8Array]] = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.swapaxes(0, 1),
    6: lambda upright: np.rot90(upright, 1),
    7: lambda upright: np.rot90(upright.swapaxes(0, 1), 2),
    8: lambda upright: np.rot90(upright, -1),
}
# ... and gives where a part of the upright picture lies in the stored one, of width w and height h.
STORED_BOX: dict[int, Callable[[Region, int, int], Region]] = {
    1: lambda box, _w, _h: box,
    2: lambda box, w, _h: (w - box[2], box[1], w - box[0], box[3]),
    3: lambda box, w, h: (w - box[2], h - box[3], w - box[0], h - box[1]),
    4: lambda box, _w, h: (box[0], h - box[3], box[2], h - box[1]),
    5: lambda box, _w, _h: (box[1], box[0], box[3], box[2]),
    6: lambda box, _w, h: (box[1], h - box[2], box[3], h - box[0]),
    7: lambda box, w, h: (w - box[3], h - box[2], w - box[1], h - box[0]),
    8: lambda box, w, _h: (w - box[3], box[0], w - box[1], box[2]),
}
TURNED = (5, 6, 7, 8)  # orientations in which width and height change places


def to_upright_rgb(image: Image.Image, turn: int, white: float) -> UInt8Array:
    """Converts a loaded picture strip by strip, straight into its upright place.

    Args:
        image: The picture, or a part of it.
        turn: Its EXIF orientation, see `orientation`.
        white: Its white, see `white_level`; that of the whole picture for a part.

    Returns:
        uint8 h x w x 3, RGB, upright, contiguous.
    """
    width, height = image.size
    turned = turn in TURNED
    upright: UInt8Array = np.empty(
        (width, height, 3) if turned else (height, width, 3), dtype=np.uint8
    )
    stored = _STORED_VIEW[turn](upright)  # height x width x 3, a view
    rows = max(1, _STRIP_PIXELS // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        whole = top == 0 and bottom == height
        strip = image if whole else image.crop((0, top, width, bottom))
        stored[top:bottom] = _strip_to_rgb(strip, white)
    return upright


def orientation(image: Image.Image) -> int:
    """Reads the EXIF orientation, 1 to 8; damaged EXIF data count as upright."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 (the picture is fine, its description is not)
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def white_level(image: Image.Image) -> float:
    """Gives the pixel value of white: 255 but in a grey picture deeper than 8 bits.

    16-bit files use their whole range. Floating-point and 32-bit files do not say their range:
    it is the smallest usual one (1, 8 bits, 16 bits) that holds the brightest pixel.
    """
    if image.mode not in _SCALED_MODES:
        return 255.0
    if image.mode.startswith("I;16"):
        return 65535.0
    brightest = float(image.getextrema()[1])  # type: ignore[arg-type]
    if not np.isfinite(brightest):
        return 255.0
    usual = (1.0, 255.0, 65535.0) if image.mode == "F" else (255.0, 65535.0)
    return next((white for white in usual if brightest <= white), brightest)


def _strip_to_rgb(strip: Image.Image, white: float) -> UInt8Array:
    """Converts a strip of any mode to h x w x 3 (or h x w x 1 for deep grey)."""
    if strip.mode in _SCALED_MODES:
        values = np.nan_to_num(np.asarray(strip, dtype=np.float32), posinf=white)
        grey: UInt8Array = np.clip(values * (255 / white) + 0.5, 0, 255).astype(np.uint8)
        return np.expand_dims(grey, 2)
    if strip.has_transparency_data:
        layer = strip.convert("RGBA")
        flat = Image.new("RGB", strip.size, BACKGROUND)
        flat.paste(layer, mask=layer.getchannel("A"))
        return np.asarray(flat)
    return np.asarray(strip if strip.mode == "RGB" else strip.convert("RGB"))
