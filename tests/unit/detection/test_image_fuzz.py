"""Whatever the bytes, decoding gives a picture or an `InputError`, and nothing else."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from detection.errors import ERROR_TYPES, InputError
from detection.image import decode_image

UInt8Array = npt.NDArray[np.uint8]
Encode = Callable[..., bytes]

MUTANTS = 350  # of each seed file
EDGES = (b"\x00" * 4, b"\xff" * 4, b"\x7f\xff\xff\xff", b"\x80\x00\x00\x00", b"\x00\x01\x00\x00")

SEEDS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "jpeg": ("JPEG", "RGB", {"exif": b"Exif\x00\x00II*\x00\x08\x00\x00\x00\x00\x00"}),
    "jpeg progressive": ("JPEG", "RGB", {"progressive": True}),
    "jpeg cmyk": ("JPEG", "CMYK", {}),
    "mpo": ("MPO", "RGB", {"save_all": True, "append_images": [Image.new("RGB", (40, 40))]}),
    "png": ("PNG", "RGBA", {}),
    "png palette": ("PNG", "P", {"transparency": 3}),
    "png 16 bit": ("PNG", "I;16", {}),
    "png animated": (
        "PNG",
        "RGB",
        {"save_all": True, "append_images": [Image.new("RGB", (40, 40))]},
    ),
    "webp": ("WEBP", "RGB", {}),
    "webp lossless": ("WEBP", "RGBA", {"lossless": True}),
    "webp animated": (
        "WEBP",
        "RGB",
        {"save_all": True, "append_images": [Image.new("RGB", (40, 40))]},
    ),
    "gif": ("GIF", "P", {"save_all": True, "append_images": [Image.new("P", (40, 40))]}),
    "bmp": ("BMP", "RGB", {}),
    "bmp palette": ("BMP", "P", {}),
    "tiff": ("TIFF", "RGB", {}),
    "tiff lzw": ("TIFF", "RGB", {"compression": "tiff_lzw"}),
    "tiff jpeg": ("TIFF", "RGB", {"compression": "jpeg"}),
    "tiff group 4": ("TIFF", "1", {"compression": "group4"}),
    "tiff float": ("TIFF", "F", {}),
}


def mutants(data: bytes, other: bytes, seed: int) -> Iterator[bytes]:
    """Cuts, flips, overwrites, removes, repeats and splices, with a bias to the header."""
    pick = random.Random(seed)  # noqa: S311 (reproducible, not secret)
    for _ in range(MUTANTS):
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


def seed_file(portrait: UInt8Array, name: str) -> bytes:
    file_format, mode, options = SEEDS[name]
    picture = Image.fromarray(np.ascontiguousarray(portrait[100:140, 200:240]))
    picture = picture.convert("L").convert(mode) if mode in {"I;16", "F"} else picture.convert(mode)
    buffer = io.BytesIO()
    picture.save(buffer, file_format, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("name", SEEDS)
def test_mutated_files(portrait: UInt8Array, name: str, recwarn: pytest.WarningsRecorder) -> None:
    names = list(SEEDS)
    data = seed_file(portrait, name)
    other = seed_file(portrait, names[names.index(name) - 1])
    assert decode_image(data).pixels.shape == (40, 40, 3)
    outcomes: dict[str, int] = {}
    for mutant in mutants(data, other, seed=names.index(name)):
        try:
            image = decode_image(mutant)
        except InputError as error:
            outcomes[error.type] = outcomes.get(error.type, 0) + 1
        else:
            assert image.pixels.shape == (image.height, image.width, 3)
            assert image.pixels.dtype == np.uint8
            outcomes["judged"] = outcomes.get("judged", 0) + 1
    assert sum(outcomes.values()) == MUTANTS
    assert outcomes.keys() <= {*ERROR_TYPES, "judged"} - {"internal_error"}
    assert outcomes.get("damaged_picture", 0) > 0
    assert not list(recwarn)


def test_random_bytes_behind_every_signature() -> None:
    pick = random.Random(1)  # noqa: S311 (reproducible, not secret)
    starts = (b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"RIFF\x99\x00\x00\x00WEBPVP8 ", b"GIF89a")
    for start in (*starts, b"BM", b"II*\x00\x08\x00\x00\x00", b"MM\x00*\x00\x00\x00\x08", b""):
        for _ in range(150):
            with pytest.raises(InputError):
                decode_image(start + pick.randbytes(pick.randrange(1, 400)))
