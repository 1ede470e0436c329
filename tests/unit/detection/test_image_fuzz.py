"""Whatever the bytes, decoding gives a picture or an `InputError`, and nothing else."""

from __future__ import annotations

import random

import numpy as np
import numpy.typing as npt
import pytest

from detection.errors import ERROR_TYPES, InputError
from detection.image import decode_image
from tests.support.mutants import SEEDS, mutants, seed_file

UInt8Array = npt.NDArray[np.uint8]

MUTANTS = 350  # of each seed file


@pytest.mark.parametrize("name", SEEDS)
def test_mutated_files(portrait: UInt8Array, name: str, recwarn: pytest.WarningsRecorder) -> None:
    names = list(SEEDS)
    pixels = portrait[100:140, 200:240]
    data = seed_file(pixels, name)
    other = seed_file(pixels, names[names.index(name) - 1])
    assert decode_image(data).pixels.shape == (40, 40, 3)
    outcomes: dict[str, int] = {}
    for mutant in mutants(data, other, seed=names.index(name), count=MUTANTS):
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
