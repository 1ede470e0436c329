from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from detection.jpeg import count_scans, estimate_quality


def jpeg(**options: object) -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "JPEG", **options)
    return buffer.getvalue()


@pytest.mark.parametrize("quality", [1, 5, 10, 25, 49, 50, 51, 75, 90, 99, 100])
def test_quality_of_the_usual_library_is_exact(quality: int) -> None:
    with Image.open(io.BytesIO(jpeg(quality=quality))) as image:
        assert estimate_quality(image.quantization) == quality  # type: ignore[attr-defined]


@pytest.mark.parametrize("tables", [{}, {1: [1] * 64}, {0: [1] * 63}, {0: []}])
def test_no_usable_table(tables: dict[int, list[int]]) -> None:
    assert estimate_quality(tables) is None


def test_tables_beyond_any_quality() -> None:
    assert estimate_quality({0: [65535] * 64}) == 1
    assert estimate_quality({0: [0] * 64}) == 100


def test_scans() -> None:
    assert count_scans(jpeg()) == 1
    progressive = jpeg(progressive=True)
    scans = count_scans(progressive)
    assert 6 <= scans <= 12
    last = progressive.rindex(b"\xff\xda")
    assert count_scans(progressive[:last] + progressive[last:-2] * 7) == scans + 6


def test_scans_of_previews_and_appended_files_do_not_count() -> None:
    preview = jpeg()[:60_000]
    exif = b"Exif\x00\x00" + preview[: 65_000 - 6]
    assert count_scans(jpeg(exif=exif)) == 1
    assert count_scans(jpeg() + b"\xff\xda\x00\x02" * 500) == 1


@pytest.mark.parametrize("data", [b"", b"\xff\xd8", b"\xff\xd8" + b"\xff" * 99, bytes(99)])
def test_scans_of_nonsense(data: bytes) -> None:
    assert count_scans(data) == 0
