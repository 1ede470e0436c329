"""Files that were pictures: small pictures of every accepted kind, and how they are damaged."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

UInt8Array = npt.NDArray[np.uint8]

EDGES = (b"\x00" * 4, b"\xff" * 4, b"\x7f\xff\xff\xff", b"\x80\x00\x00\x00", b"\x00\x01\x00\x00")

_TWO_FRAMES = {"save_all": True}
SEEDS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "jpeg": ("JPEG", "RGB", {"exif": b"Exif\x00\x00II*\x00\x08\x00\x00\x00\x00\x00"}),
    "jpeg progressive": ("JPEG", "RGB", {"progressive": True}),
    "jpeg cmyk": ("JPEG", "CMYK", {}),
    "mpo": ("MPO", "RGB", _TWO_FRAMES),
    "png": ("PNG", "RGBA", {}),
    "png palette": ("PNG", "P", {"transparency": 3}),
    "png 16 bit": ("PNG", "I;16", {}),
    "png animated": ("PNG", "RGB", _TWO_FRAMES),
    "webp": ("WEBP", "RGB", {}),
    "webp lossless": ("WEBP", "RGBA", {"lossless": True}),
    "webp animated": ("WEBP", "RGB", _TWO_FRAMES),
    "gif": ("GIF", "P", _TWO_FRAMES),
    "bmp": ("BMP", "RGB", {}),
    "bmp palette": ("BMP", "P", {}),
    "tiff": ("TIFF", "RGB", {}),
    "tiff lzw": ("TIFF", "RGB", {"compression": "tiff_lzw"}),
    "tiff jpeg": ("TIFF", "RGB", {"compression": "jpeg"}),
    "tiff group 4": ("TIFF", "1", {"compression": "group4"}),
    "tiff float": ("TIFF", "F", {}),
}
"""Name of a kind of file -> Pillow's format, mode and options."""


def seed_file(pixels: UInt8Array, name: str) -> bytes:
    """An undamaged file of a kind, of the given pixels (uint8 H x W x 3)."""
    file_format, mode, options = SEEDS[name]
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    picture = picture.convert("L").convert(mode) if mode in {"I;16", "F"} else picture.convert(mode)
    more = {"append_images": [Image.new(mode, picture.size)]} if "save_all" in options else {}
    buffer = io.BytesIO()
    picture.save(buffer, file_format, **options, **more)
    return buffer.getvalue()


def mutants(data: bytes, other: bytes, seed: int, count: int) -> Iterator[bytes]:
    """Cuts, flips, overwrites, removes, repeats and splices, with a bias to the header.

    Args:
        data: the undamaged file.
        other: another one, whose parts are spliced in.
        seed: of the random choices; the same gives the same files.
        count: how many.
    """
    pick = random.Random(seed)  # noqa: S311 - reproducible, not secret
    for _ in range(count):
        mutant = bytearray(data)
        for _ in range(pick.randint(1, 4)):
            size = max(1, len(mutant))
            place = pick.randrange(min(size, 96) if pick.random() < 0.5 else size)
            kind = pick.randrange(6)
            if kind == 0:
                del mutant[place:]
            elif kind == 1:
                mutant[place : place + 1] = bytes([pick.randrange(256)])
            elif kind == 2:
                mutant[place : place + 4] = pick.choice(EDGES)
            elif kind == 3:
                del mutant[place : place + pick.randrange(1, 16)]
            elif kind == 4:
                mutant[place:place] = mutant[place : place + pick.randrange(1, 64)]
            else:
                start = pick.randrange(len(other))
                mutant[place : place + 32] = other[start : start + 32]
        yield bytes(mutant)
