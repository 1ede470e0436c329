"""Decodes an upload into upright RGB pixels, whatever its bytes; no torch here."""

from __future__ import annotations

import hashlib
import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from detection import limits
from detection.errors import InputError
from detection.jpeg import count_scans, estimate_quality
from detection.quiet import quiet_stderr
from detection.sniff import accepted_signature, describe
from detection.upright import (
    BACKGROUND,
    STORED_BOX,
    TURNED,
    Region,
    orientation,
    to_upright_rgb,
    white_level,
)

__all__ = ["BACKGROUND", "DecodedImage", "Part", "decode_image", "decode_regions"]

UInt8Array = npt.NDArray[np.uint8]

_JPEG_SCALES = (1, 2, 4, 8)  # libjpeg decodes at 1/1, 1/2, 1/4 and 1/8 for less
_log = logging.getLogger(__name__)
logging.getLogger("PIL").setLevel(logging.CRITICAL)  # its remarks on hostile files fill the log


class Part(NamedTuple):
    """A part of a picture.

    Attributes:
        pixels: uint8 h x w x 3, RGB, upright.
        left: Where it begins, in pixels of the unreduced upright picture.
        top: Likewise.
        reduction: How many times smaller `pixels` is.
    """

    pixels: UInt8Array
    left: int
    top: int
    reduction: int


@dataclass(frozen=True)
class DecodedImage:
    """An upload as pixels, and what its file says about itself.

    Attributes:
        pixels: uint8 height x width x 3, RGB, upright, contiguous; `reduction` times smaller,
            rounded up, where that is not 1.
        width: Width of the upright picture in pixels, unreduced.
        height: Height of the upright picture in pixels, unreduced.
        format: One of `limits.FORMATS`.
        sha256: Hash of the file's bytes, in hexadecimal.
        byte_size: Length of the file in bytes.
        animated: Whether the file holds further frames or pages; only the first is in `pixels`.
        jpeg_quality: Estimated quality, 1 to 100, where the file is a JPEG.
        reduction: How many times smaller `pixels` is than the picture: 1, 2, 4 or 8.
    """

    pixels: UInt8Array
    width: int
    height: int
    format: str
    sha256: str
    byte_size: int
    animated: bool
    jpeg_quality: int | None
    reduction: int = 1


def decode_image(
    data: bytes | bytearray | memoryview, least_side: int | None = None
) -> DecodedImage:
    """Decodes a picture and turns it into upright RGB.

    EXIF orientation is applied, transparency is flattened on `BACKGROUND`, CMYK, palette, grey
    and deeper than 8-bit pixels are converted to RGB over their full range, and of several frames
    the first is taken. Colour profiles are ignored, as in training.

    Args:
        data: The file's bytes. The format is told from them alone.
        least_side: Pixels that the long side must keep. A JPEG is then decoded at the smallest of
            1/1, 1/2, 1/4 and 1/8 of its size that leaves them, for a fraction of the time; other
            formats at full size, as everything is without this.

    Returns:
        The picture. Peak memory besides the file is about 7 bytes a pixel (progressive JPEG 13,
        WebP 16).

    Raises:
        InputError: The bytes are no picture that is accepted (codes 400, 413, 415, 422). Nothing
            else is ever raised, whatever the bytes.
    """
    with _only_input_errors():
        return _decode(bytes(data), least_side)


def decode_regions(
    data: bytes | bytearray | memoryview, regions: Sequence[Region], reduction: int = 1
) -> list[Part]:
    """Decodes a picture again and gives parts of it; the rest of it is not converted.

    Args:
        data: The bytes of a file that `decode_image` has decoded.
        regions: Left, top, right, bottom of each part, in pixels of the unreduced upright
            picture, inside it.
        reduction: How many times smaller they may be; a JPEG is decoded at the smallest scale
            that this allows.

    Returns:
        One part a region, in their order.

    Raises:
        InputError: As for `decode_image`.
    """
    with _only_input_errors(), _open(bytes(data)) as image:
        reduced = _reduce(image, reduction)
        with quiet_stderr() if image.format == "TIFF" else nullcontext():
            image.load()
        return [_part(image, region, reduced) for region in regions]


@contextmanager
def _only_input_errors() -> Iterator[None]:
    """Turns whatever a decoder raises into an `InputError`, and silences its remarks."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's remarks on odd files; errors still come
            yield
    except InputError:
        raise
    except Exception as error:  # decoders raise anything on hostile bytes
        _log.info("cannot decode an upload: %s", type(error).__name__)
        raise _damaged() from error


def _decode(data: bytes, least_side: int | None) -> DecodedImage:
    _check_size_in_bytes(len(data))
    with _open(data) as image:
        name = "JPEG" if image.format == "MPO" else str(image.format)
        _check_shape(*image.size)
        if image.info.get("progressive"):
            _check_scans(count_scans(data), image.width * image.height)
        quality = estimate_quality(getattr(image, "quantization", {})) if name == "JPEG" else None
        stored_size = image.size
        reduced = _reduce(image, max(image.size) // least_side if least_side else 1)
        with quiet_stderr() if name == "TIFF" else nullcontext():
            image.load()
        turn = orientation(image)  # not before: of a TIFF, loading applies it
        pixels = to_upright_rgb(image, turn, white_level(image))
        upright_size = stored_size[::-1] if turn in TURNED else stored_size
        return DecodedImage(
            pixels=pixels,
            width=upright_size[0] if reduced > 1 else pixels.shape[1],
            height=upright_size[1] if reduced > 1 else pixels.shape[0],
            format=name,
            sha256=hashlib.sha256(data).hexdigest(),
            byte_size=len(data),
            animated=image.format != "MPO" and _is_animated(image),
            jpeg_quality=quality,
            reduction=reduced,
        )


def _reduce(image: Image.Image, reduction: int) -> int:
    """Has a JPEG that is not loaded yet decoded at reduced size; gives how many times smaller."""
    times = max(scale for scale in _JPEG_SCALES if scale <= max(1, reduction))
    full = image.size
    if times > 1:
        image.draft(None, (full[0] // times, full[1] // times))
    return times if image.size != full else 1


def _part(image: Image.Image, region: Region, reduction: int) -> Part:
    left, top = region[0] // reduction, region[1] // reduction
    right, bottom = -(-region[2] // reduction), -(-region[3] // reduction)
    turn = orientation(image)
    stored = STORED_BOX[turn]((left, top, right, bottom), *image.size)
    pixels = to_upright_rgb(image.crop(stored), turn, white_level(image))
    return Part(pixels, left * reduction, top * reduction, reduction)


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


def _check_scans(scans: int, pixels: int) -> None:
    if scans > limits.MAX_SCANS or scans * pixels > limits.MAX_SCANNED_PIXELS:
        raise _damaged("it has far more scans than any encoder writes")


def _damaged(detail: str = "it is truncated, damaged or of an unusual kind") -> InputError:
    return InputError(
        422,
        "damaged_picture",
        f"The picture cannot be decoded: {detail}. Accepted are whole {limits.ACCEPTED} files.",
    )


def _is_animated(image: Image.Image) -> bool:
    try:
        return bool(getattr(image, "is_animated", False))
    except Exception:  # noqa: BLE001 (a damaged later frame does not spoil the first)
        return False
