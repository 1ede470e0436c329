from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from detection import limits
from detection.errors import InputError
from detection.image import decode_image, decode_regions
from tests.support.pictures import mean_difference

UInt8Array = npt.NDArray[np.uint8]
Encode = Callable[..., bytes]


def refusal(data: bytes) -> InputError:
    with pytest.raises(InputError) as caught:
        decode_image(data)
    return caught.value


def test_lossless_picture_comes_back_exactly(portrait: UInt8Array, encode: Encode) -> None:
    data = encode(portrait, "PNG")
    image = decode_image(data)
    assert np.array_equal(image.pixels, portrait)
    assert image.pixels.flags.c_contiguous
    assert (image.width, image.height, image.format) == (512, 512, "PNG")
    assert image.sha256 == hashlib.sha256(data).hexdigest()
    assert image.byte_size == len(data)
    assert not image.animated
    assert image.jpeg_quality is None


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_kind_of_bytes(portrait_jpeg: bytes, kind: type) -> None:
    assert decode_image(kind(portrait_jpeg)).width == 512


@pytest.mark.parametrize("file_format", ["GIF", "WEBP", "PNG", "TIFF"])
def test_first_frame_of_several(portrait: UInt8Array, encode: Encode, file_format: str) -> None:
    first, second = Image.fromarray(portrait), Image.fromarray(255 - portrait)
    options = {"lossless": True} if file_format == "WEBP" else {}
    data = encode(first, file_format, save_all=True, append_images=[second, first], **options)
    image = decode_image(data)
    assert image.animated
    assert mean_difference(image.pixels, portrait) < 20


def test_phone_photo_with_previews_is_no_animation(portrait: UInt8Array, encode: Encode) -> None:
    first, second = Image.fromarray(portrait), Image.fromarray(255 - portrait)
    image = decode_image(encode(first, "MPO", save_all=True, append_images=[second]))
    assert image.format == "JPEG"
    assert not image.animated


@pytest.mark.parametrize(("quality", "least", "most"), [(20, 20, 20), (50, 50, 50), (95, 95, 95)])
def test_jpeg_quality(
    portrait: UInt8Array, encode: Encode, quality: int, least: int, most: int
) -> None:
    found = decode_image(encode(portrait, "JPEG", quality=quality)).jpeg_quality
    assert found is not None
    assert least <= found <= most


# What is refused, and in which words.


def test_empty() -> None:
    error = refusal(b"")
    assert (error.code, error.type) == (400, "empty_file")
    assert "JPEG" in error.message


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"just a note to say hello", "text"),
        (b"BMW is a maker of cars, and this is a text that begins like a bitmap", "text"),
        ("Grüße aus Köln".encode(), "text"),
        (b"\xff\xfeh\x00i\x00", "text"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "web page"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b'<?xml version="1.0"?>\n<!-- x -->\n<svg width="9" height="9"></svg>', "SVG"),
        (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(64), "HEIC"),
        (b"\x00\x00\x00\x1cftypmif1\x00\x00\x00\x00mif1heic" + bytes(64), "HEIC"),
        (b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00isommp42" + bytes(64), "video"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3", "PDF"),
        (b"PK\x03\x04" + bytes(64), "ZIP"),
        (b"RIFF\x00\x00\x00\x00AVI LIST", "AVI"),
        (b"\x00" * 5000, "no picture"),
        (bytes(range(256)) * 16, "no picture"),
    ],
)
def test_what_is_no_picture_is_named(data: bytes, word: str) -> None:
    error = refusal(data)
    assert (error.code, error.type) == (415, "unsupported_format")
    assert word in error.message
    assert limits.ACCEPTED in error.message


@pytest.mark.parametrize("file_format", ["AVIF", "JPEG2000", "ICO", "PPM", "TGA", "PCX", "EPS"])
def test_formats_outside_the_list_are_refused_though_pillow_knows_them(
    portrait: UInt8Array, encode: Encode, file_format: str
) -> None:
    error = refusal(encode(portrait[:128, :128], file_format))
    assert (error.code, error.type) == (415, "unsupported_format")


@pytest.mark.parametrize("file_format", limits.FORMATS)
@pytest.mark.parametrize("share", [0.02, 0.2, 0.5, 0.8])
def test_truncated(portrait: UInt8Array, encode: Encode, file_format: str, share: float) -> None:
    data = encode(portrait, file_format)
    error = refusal(data[: int(share * len(data))])
    assert (error.code, error.type) == (422, "damaged_picture")
    assert "truncated" in error.message


def png_header(width: int, height: int) -> bytes:
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    end = b"IDAT" + zlib.compress(b"")
    chunks = [
        struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in (body, end)
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize("side", [7072, 10_000, 14_000, 60_000, 2**31 - 1])
def test_too_many_pixels_are_refused_from_the_header_alone(side: int) -> None:
    error = refusal(png_header(side, side))  # without pixels: decoding would say "damaged"
    assert (error.code, error.type) == (413, "too_many_pixels")
    assert "50" in error.message


@pytest.mark.parametrize(
    ("file_format", "options"),
    [
        ("PNG", {}),
        ("GIF", {}),
        ("JPEG", {}),
        ("TIFF", {"compression": "group4"}),
        ("WEBP", {"quality": 0, "method": 0}),
    ],
)
def test_bombs_cost_no_memory(
    encode: Encode, tmp_path: Path, file_format: str, options: dict[str, Any]
) -> None:
    mode = "L" if file_format in {"JPEG", "WEBP"} else "1"
    side = 8_000 if file_format == "WEBP" else 10_000  # encoding WebP is slow
    bomb = tmp_path / "bomb"
    bomb.write_bytes(encode(Image.new(mode, (side, side)), file_format, **options))
    code = f"""
import pathlib, resource
from detection.image import decode_image
from detection.errors import InputError
def peak():  # of this process alone, in kB
    lines = open("/proc/self/status").read().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1])
before = peak()
try:
    decode_image(pathlib.Path({str(bomb)!r}).read_bytes())
except InputError as error:
    print(error.type, peak() - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    kind, grown = done.stdout.split()
    assert kind == "too_many_pixels"
    assert int(grown) < 40_000  # decoded it would take 200,000 and more
    assert not done.stderr


@pytest.mark.parametrize("size", [(1, 1), (31, 100), (100, 31)])
def test_too_small(encode: Encode, size: tuple[int, int]) -> None:
    error = refusal(encode(Image.new("RGB", size), "PNG"))
    assert (error.code, error.type) == (422, "picture_too_small")
    assert f"{size[0]} x {size[1]}" in error.message
    assert "32" in error.message


def test_extreme_shape(encode: Encode) -> None:
    assert decode_image(encode(Image.new("RGB", (320, 32)), "PNG")).width == 320
    for size in ((321, 32), (40, 4000)):
        error = refusal(encode(Image.new("RGB", size), "PNG"))
        assert (error.code, error.type) == (422, "extreme_shape")
        assert "10 times" in error.message


def test_too_many_bytes(portrait_jpeg: bytes) -> None:
    padding = bytes(limits.MAX_UPLOAD_BYTES - len(portrait_jpeg))
    assert decode_image(portrait_jpeg + padding).width == 512
    error = refusal(portrait_jpeg + padding + b"\x00")
    assert (error.code, error.type) == (413, "file_too_large")
    assert "20 MiB" in error.message


def test_progressive_jpeg_of_thousands_of_scans(portrait: UInt8Array, encode: Encode) -> None:
    data = encode(portrait[100:200, 200:300], "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    bomb = data[:last] + data[last:-2] * 5000 + data[-2:]
    error = refusal(bomb)
    assert (error.code, error.type) == (422, "damaged_picture")
    assert "scans" in error.message
    assert decode_image(data[:last] + data[last:-2] * 20 + data[-2:]).width == 100


def test_many_scans_of_a_large_picture_are_refused(
    encode: Encode, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = encode(np.zeros((100, 100, 3), np.uint8), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    many = data[:last] + data[last:-2] * 20 + data[-2:]
    assert decode_image(many).width == 100
    monkeypatch.setattr(limits, "MAX_SCANNED_PIXELS", 15 * 100 * 100)
    assert decode_image(data).width == 100
    assert refusal(many).type == "damaged_picture"


def test_pictures_hidden_behind_other_bytes_are_not_searched_for(portrait_jpeg: bytes) -> None:
    assert refusal(b"GIF no more" + portrait_jpeg).type in {"unsupported_format", "damaged_picture"}
    assert refusal(b"\r\n" + portrait_jpeg).code == 415


def test_damaged_tiff_writes_nothing_to_the_log(
    encode: Encode, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    noise = np.random.default_rng(0).integers(0, 2, (200, 200), dtype=np.uint8)
    data = bytearray(
        encode(Image.fromarray(noise * 255).convert("1"), "TIFF", compression="group4")
    )
    data[200:2000] = bytes(reversed(data[200:2000]))
    with contextlib.suppress(InputError):
        decode_image(bytes(data))
    os.write(2, b"still open")
    assert capfd.readouterr().err == "still open"
    assert not [record for record in caplog.records if record.levelno > logging.INFO]


# Reduced decoding and parts.


@pytest.mark.parametrize(
    ("least", "reduction"), [(513, 1), (512, 1), (257, 1), (256, 2), (100, 4), (64, 8), (1, 8)]
)
@pytest.mark.parametrize("file_format", ["JPEG", "MPO"])
def test_jpeg_is_reduced_as_far_as_its_long_side_allows(
    portrait: UInt8Array, encode: Encode, least: int, reduction: int, file_format: str
) -> None:
    image = decode_image(encode(portrait, file_format, quality=95), least)
    assert (image.reduction, image.width, image.height) == (reduction, 512, 512)
    assert image.pixels.shape == (512 // reduction, 512 // reduction, 3)
    expected = Image.fromarray(portrait).reduce(reduction)
    assert mean_difference(image.pixels, np.asarray(expected)) < 4


@pytest.mark.parametrize("mode", ["L", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_of_any_kind_is_reduced(
    portrait: UInt8Array, encode: Encode, mode: str, *, progressive: bool
) -> None:
    picture = Image.fromarray(portrait).convert(mode)
    image = decode_image(encode(picture, "JPEG", quality=95, progressive=progressive), 256)
    assert image.reduction == 2
    expected = np.asarray(picture.convert("RGB").reduce(2))
    assert mean_difference(image.pixels, expected) < 6


@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "BMP", "TIFF", "GIF"])
def test_other_formats_are_never_reduced(
    portrait: UInt8Array, encode: Encode, file_format: str
) -> None:
    image = decode_image(encode(portrait, file_format), 64)
    assert (image.reduction, image.pixels.shape) == (1, (512, 512, 3))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("reduction", [1, 2])
def test_parts_are_those_of_the_whole_picture(
    portrait: UInt8Array, encode: Encode, orientation: int, reduction: int
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(portrait[:300], "JPEG", quality=90, exif=exif)
    whole = decode_image(data, 512 // reduction)
    assert whole.reduction == reduction
    size = (whole.width, whole.height)
    assert size == ((300, 512) if orientation > 4 else (512, 300))
    regions = [(0, 0, *size), (40, 20, 141, 121), (7, 100, 200, 299)]
    for region, part in zip(regions, decode_regions(data, regions, reduction), strict=True):
        left, top = part.left // reduction, part.top // reduction
        height, width = part.pixels.shape[:2]
        assert part.reduction == reduction
        assert part.left <= region[0]
        assert part.top <= region[1]
        assert part.left + width * reduction >= region[2]
        assert part.top + height * reduction >= region[3]
        assert width * reduction < region[2] - region[0] + 2 * reduction
        assert np.array_equal(part.pixels, whole.pixels[top : top + height, left : left + width])


def test_parts_of_a_deep_grey_picture_keep_its_range(encode: Encode) -> None:
    ramp = np.linspace(0, 1, 64 * 64, dtype=np.float32).reshape(64, 64)
    data = encode(Image.fromarray(ramp), "TIFF")
    (part,) = decode_regions(data, [(0, 0, 32, 32)])
    assert np.array_equal(part.pixels, decode_image(data).pixels[:32, :32])


def test_parts_of_bad_files_are_refused(portrait_jpeg: bytes) -> None:
    for data in (b"", b"text", portrait_jpeg[:5000]):
        with pytest.raises(InputError):
            decode_regions(data, [(0, 0, 10, 10)])
