"""Decodes an upload into upright RGB pixels, whatever its bytes; no torch here."""

from __future__ import annotations

import hashlib
import io
import logging
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from detection import limits
from detection.errors import InputError
from detection.jpeg import count_scans, estimate_quality
from detection.quiet import quiet_stderr
from detection.sniff import accepted_signature, describe

UInt8Array = npt.NDArray[np.uint8]

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
_log = logging.getLogger(__name__)
logging.getLogger("PIL").setLevel(logging.CRITICAL)  # its remarks on hostile files fill the log


@dataclass(frozen=True)
class DecodedImage:
    """An upload as pixels, and what its file says about itself.

    Attributes:
        pixels: uint8 height x width x 3, RGB, upright, contiguous.
        width: Width of the upright picture in pixels.
        height: Height of the upright picture in pixels.
        format: One of `limits.FORMATS`.
        sha256: Hash of the file's bytes, in hexadecimal.
        byte_size: Length of the file in bytes.
        animated: Whether the file holds further frames or pages; only the first is in `pixels`.
        jpeg_quality: Estimated quality, 1 to 100, where the file is a JPEG.
    """

    pixels: UInt8Array
    width: int
    height: int
    format: str
    sha256: str
    byte_size: int
    animated: bool
    jpeg_quality: int | None


def decode_image(data: bytes | bytearray | memoryview) -> DecodedImage:
    """Decodes a picture and turns it into upright RGB.

    EXIF orientation is applied, transparency is flattened on `BACKGROUND`, CMYK, palette, grey
    and deeper than 8-bit pixels are converted to RGB over their full range, and of several frames
    the first is taken. Colour profiles are ignored, as in training.

    Args:
        data: The file's bytes. The format is told from them alone.

    Returns:
        The picture. Peak memory besides the file is about 7 bytes a pixel (progressive JPEG 13,
        WebP 16).

    Raises:
        InputError: The bytes are no picture that is accepted (codes 400, 413, 415, 422). Nothing
            else is ever raised, whatever the bytes.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's remarks on odd files; errors still come
            return _decode(bytes(data))
    except InputError:
        raise
    except Exception as error:  # decoders raise anything on hostile bytes
        _log.info("cannot decode an upload: %s", type(error).__name__)
        raise _damaged() from error


def _decode(data: bytes) -> DecodedImage:
    _check_size_in_bytes(len(data))
    with _open(data) as image:
        name = "JPEG" if image.format == "MPO" else str(image.format)
        _check_shape(*image.size)
        if image.info.get("progressive") and count_scans(data) > limits.MAX_SCANS:
            raise _damaged("it has far more scans than any encoder writes")
        quality = estimate_quality(getattr(image, "quantization", {})) if name == "JPEG" else None
        with quiet_stderr() if name == "TIFF" else nullcontext():
            image.load()
        pixels = _to_upright_rgb(image)
        return DecodedImage(
            pixels=pixels,
            width=pixels.shape[1],
            height=pixels.shape[0],
            format=name,
            sha256=hashlib.sha256(data).hexdigest(),
            byte_size=len(data),
            animated=image.format != "MPO" and _is_animated(image),
            jpeg_quality=quality,
        )


def _check_size_in_bytes(size: int) -> None:
    if size == 0:
        raise InputError(400, "empty_file", f"The file is empty. Send a {limits.ACCEPTED} picture.")
    if size > limits.MAX_UPLOAD_BYTES:
        raise InputError(
            413,
            "file_too_large",
            f"The file is larger than the {limits.MAX_UPLOAD_BYTES >> 20} MiB that are accepted.",
        )


def _open(data: bytes) -> Image.Image:
    """Reads the header alone; formats outside the allow-list are never tried."""
    try:
        return Image.open(io.BytesIO(data), formats=limits.FORMATS)
    except Image.DecompressionBombError as error:
        raise InputError(
            413,
            "too_many_pixels",
            f"The picture has far more pixels than the {limits.MAX_PIXELS // 10**6} megapixels "
            "that are accepted.",
        ) from error
    except Exception:
        if accepted_signature(data):
            raise
    raise InputError(
        415,
        "unsupported_format",
        f"The file is {describe(data)}. Accepted are {limits.ACCEPTED} pictures.",
    )


def _check_shape(width: int, height: int) -> None:
    """Refuses sizes that cannot or must not be decoded, before any pixel is."""
    shape = f"The picture is {width} x {height} pixels"
    if width * height > limits.MAX_PIXELS:
        megapixels = limits.MAX_PIXELS // 10**6
        raise InputError(
            413,
            "too_many_pixels",
            f"{shape}, {width * height / 1e6:.0f} megapixels; at most {megapixels} are accepted.",
        )
    short, long = sorted((width, height))
    if short < limits.MIN_SIDE:
        raise InputError(
            422,
            "picture_too_small",
            f"{shape}; each side must have at least {limits.MIN_SIDE}.",
        )
    if long > limits.MAX_ASPECT * short:
        raise InputError(
            422,
            "extreme_shape",
            f"{shape}; the longer side may be at most {limits.MAX_ASPECT} times the shorter.",
        )


def _damaged(detail: str = "it is truncated, damaged or of an unusual kind") -> InputError:
    return InputError(
        422,
        "damaged_picture",
        f"The picture cannot be decoded: {detail}. Accepted are whole {limits.ACCEPTED} files.",
    )


def _to_upright_rgb(image: Image.Image) -> UInt8Array:
    """Converts a loaded picture strip by strip, straight into its upright place."""
    width, height = image.size
    orientation = _orientation(image)
    turned = orientation in (5, 6, 7, 8)
    upright: UInt8Array = np.empty(
        (width, height, 3) if turned else (height, width, 3), dtype=np.uint8
    )
    stored = _STORED_VIEW[orientation](upright)  # height x width x 3, a view
    white = _white_level(image) if image.mode in _SCALED_MODES else 255.0
    rows = max(1, _STRIP_PIXELS // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        whole = top == 0 and bottom == height
        strip = image if whole else image.crop((0, top, width, bottom))
        stored[top:bottom] = _strip_to_rgb(strip, white)
    return upright


def _orientation(image: Image.Image) -> int:
    """Reads the EXIF orientation, 1 to 8; damaged EXIF data count as upright."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 (the picture is fine, its description is not)
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _white_level(image: Image.Image) -> float:
    """Gives the pixel value of white in a grey picture deeper than 8 bits.

    16-bit files use their whole range. Floating-point and 32-bit files do not say their range:
    it is the smallest usual one (1, 8 bits, 16 bits) that holds the brightest pixel.
    """
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


def _is_animated(image: Image.Image) -> bool:
    try:
        return bool(getattr(image, "is_animated", False))
    except Exception:  # noqa: BLE001 (a damaged later frame does not spoil the first)
        return False
