"""What a JPEG file tells about itself: its quality and its number of scans."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

# Luminance quantisation table of the JPEG standard (ITU-T T.81, table K.1); order does not matter.
_STANDARD_LUMINANCE = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55,
    14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
    18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip

_START_OF_SCAN = 0xDA
_END_OF_IMAGE = 0xD9
_ALONE = {0x01, *range(0xD0, 0xD9)}  # markers without a length
_MARKER_IN_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # neither a stuffed FF nor a restart


def _table_sum(quality: int) -> int:
    """Sum of the luminance table that the Independent JPEG Group's library makes of a quality."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return sum(min(max((value * scale + 50) // 100, 1), 255) for value in _STANDARD_LUMINANCE)


_SUMS = [_table_sum(quality) for quality in range(1, 101)]


def estimate_quality(tables: Mapping[int, Sequence[int]]) -> int | None:
    """Estimates the quality a JPEG was saved with from its quantisation tables.

    It is the quality whose luminance table in the Independent JPEG Group's library has the
    nearest sum: exact for files of that library, near for the tables of cameras and editors.

    Args:
        tables: Quantisation tables by number, 64 values each; number 0 is luminance.

    Returns:
        A quality from 1 to 100, or None where there is no such table.
    """
    table = tables.get(0)
    if not table or len(table) != len(_STANDARD_LUMINANCE):
        return None
    total = sum(table)
    return 1 + min(range(100), key=lambda index: (abs(_SUMS[index] - total), -index))


def count_scans(data: bytes) -> int:
    """Counts the scans of a JPEG without decoding it.

    Each scan of a progressive file costs a pass over the whole picture, so a small file with
    thousands of them keeps a decoder busy for minutes.

    Args:
        data: The file from its first byte; what follows the end of the first image is ignored.
    """
    scans = 0
    position = 2
    while position + 4 <= len(data):
        if data[position] != 0xFF:
            position += 1
            continue
        marker = data[position + 1]
        if marker == _END_OF_IMAGE:
            break
        if marker == 0xFF or marker in _ALONE:
            position += 1 if marker == 0xFF else 2
            continue
        position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
        if marker == _START_OF_SCAN:
            scans += 1
            found = _MARKER_IN_SCAN.search(data, position)
            position = found.start() if found else len(data)
    return scans
