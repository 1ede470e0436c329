"""Pictures for tests, made from the reference portrait: usual, unusual but valid, and bad ones."""

from __future__ import annotations

import io
import random
import struct
import zlib
from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import Image

from ops.reference import reference_picture


@cache
def portrait() -> Image.Image:
    """The reference portrait, RGB, 256 x 300 pixels, with one face."""
    return Image.open(io.BytesIO(reference_picture())).convert("RGB").resize((256, 300))


def encode(image: Image.Image, file_format: str, **options: object) -> bytes:
    """A picture as a file's bytes."""
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def mean_difference(one: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8]) -> float:
    """How far two pictures of one shape are apart on average, in grey levels."""
    return float(np.abs(one.astype(int) - other.astype(int)).mean())


@cache
def jpeg() -> bytes:
    """The portrait as a JPEG."""
    return encode(portrait(), "JPEG", quality=92)


def valid() -> dict[str, bytes]:
    """Pictures that must be judged, by what is unusual about them; the same face in each."""
    image = portrait()
    wide = np.asarray(image.convert("L")).astype(np.uint16) * 257
    transparent = image.convert("RGBA")
    transparent.putalpha(
        Image.linear_gradient("L").resize(image.size).point(lambda a: 128 + a // 2)
    )
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    other = Image.new("RGB", image.size, "white")
    return {
        "plain JPEG": jpeg(),
        "progressive JPEG": encode(image, "JPEG", progressive=True),
        "CMYK JPEG": encode(image.convert("CMYK"), "JPEG"),
        "grey JPEG": encode(image.convert("L"), "JPEG"),
        "JPEG turned by EXIF": encode(image.rotate(90, expand=True), "JPEG", exif=exif),
        "16-bit PNG": encode(Image.fromarray(wide), "PNG"),
        "palette PNG": encode(image.quantize(64), "PNG"),
        "transparent PNG": encode(transparent, "PNG"),
        "animated GIF": encode(image, "GIF", save_all=True, append_images=[other]),
        "animated WebP": encode(image, "WEBP", save_all=True, append_images=[other]),
        "BMP": encode(image, "BMP"),
        "TIFF": encode(image, "TIFF"),
    }


def bad() -> dict[str, tuple[bytes, int]]:
    """Uploads that cannot be judged, by what they are: bytes and the HTTP status they must get."""
    image = portrait()
    noise = random.Random(0).randbytes(4096)  # noqa: S311 - not for cryptography
    return {
        "empty": (b"", 400),
        "text": (b"this is not a picture\n", 415),
        "HTML": (b"<!doctype html><html><body>no</body></html>", 415),
        "noise": (noise, 415),
        "truncated JPEG": (jpeg()[: len(jpeg()) // 2], 422),
        "only a JPEG's first bytes": (b"\xff\xd8\xff\xe0\x00\x10JFIF", 422),
        "100-megapixel PNG": (png_of_zeros(10_000, 10_000), 413),
        "SVG": (b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>', 415),
        "HEIC": (struct.pack(">I", 24) + b"ftypheic\x00\x00\x00\x00mif1heic" + noise, 415),
        "1x1 PNG": (encode(image.resize((1, 1)), "PNG"), 422),
        "extreme shape": (encode(image.resize((1600, 40)), "PNG"), 422),
        "a message between nodes": (b"\x93DFMSG\x01\n" + struct.pack("<I", 2) + b"{}", 415),
    }


def png_of_zeros(width: int, height: int) -> bytes:
    """A grey PNG that takes little space and decodes to `width` x `height` pixels."""

    def chunk(name: bytes, content: bytes) -> bytes:
        checked = name + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    packer = zlib.compressobj(1)
    rows = b"".join(packer.compress(bytes(width + 1)) for _ in range(height)) + packer.flush()
    signature = b"\x89PNG\r\n\x1a\n"
    return signature + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
