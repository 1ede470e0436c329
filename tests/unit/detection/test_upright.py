"""Pictures of every kind become upright RGB."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageCms, ImageOps

from detection.image import BACKGROUND, decode_image
from tests.support.pictures import mean_difference

UInt8Array = npt.NDArray[np.uint8]
Encode = Callable[..., bytes]


@pytest.mark.parametrize(
    ("file_format", "mode", "options", "tolerance"),
    [
        ("JPEG", "RGB", {"quality": 95}, 4),
        ("JPEG", "RGB", {"quality": 95, "progressive": True}, 4),
        ("JPEG", "CMYK", {"quality": 95}, 6),
        ("PNG", "RGB", {}, 0),
        ("PNG", "RGBA", {}, 0),
        ("PNG", "RGB", {"interlace": 1}, 0),
        ("PNG", "P", {}, 12),
        ("GIF", "P", {}, 12),
        ("WEBP", "RGB", {"quality": 95}, 5),
        ("WEBP", "RGB", {"lossless": True}, 0),
        ("WEBP", "RGBA", {"lossless": True}, 0),
        ("BMP", "RGB", {}, 0),
        ("BMP", "P", {}, 12),
        ("TIFF", "RGB", {}, 0),
        ("TIFF", "RGB", {"compression": "tiff_lzw"}, 0),
        ("TIFF", "RGB", {"compression": "tiff_deflate"}, 0),
        ("TIFF", "RGB", {"compression": "jpeg", "quality": 95}, 4),
        ("TIFF", "CMYK", {}, 1),
        ("TIFF", "LAB", {}, 6),
        ("TIFF", "YCbCr", {}, 3),
        ("MPO", "RGB", {"quality": 95}, 4),
    ],
)
def test_colour_of_every_kind(
    portrait: UInt8Array,
    encode: Encode,
    file_format: str,
    mode: str,
    options: dict[str, Any],
    tolerance: float,
) -> None:
    picture = Image.fromarray(portrait)
    if mode == "LAB":
        srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        converted = ImageCms.profileToProfile(picture, srgb, lab, outputMode="LAB")
        assert converted is not None
        picture = converted
    elif mode == "P":
        picture = picture.quantize(256)
    else:
        picture = picture.convert(mode)
    image = decode_image(encode(picture, file_format, **options))
    assert image.format == ("JPEG" if file_format == "MPO" else file_format)
    assert mean_difference(image.pixels, portrait) <= tolerance


def test_large_picture_is_converted_in_strips_without_seams(encode: Encode) -> None:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (1500, 1200, 4), dtype=np.uint8)  # more than one strip
    pixels[..., 3] = 255
    assert np.array_equal(decode_image(encode(pixels, "PNG")).pixels, pixels[..., :3])


@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_16_bit_grey_is_scaled_not_clipped(encode: Encode, byte_order: str) -> None:
    ramp = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(byte_order + "u2")
    for file_format in ("PNG", "TIFF"):
        image = decode_image(encode(Image.fromarray(ramp), file_format))
        expected = np.round(ramp.astype(float) / 257)[..., None].repeat(3, axis=2)
        assert np.abs(image.pixels - expected).max() <= 1
        assert image.pixels.shape == (64, 64, 3)


@pytest.mark.parametrize("extension", [".png", ".tiff"])
def test_16_bit_colour_is_scaled_not_clipped(portrait: UInt8Array, extension: str) -> None:
    deep = cv2.cvtColor(portrait, cv2.COLOR_RGB2BGR).astype(np.uint16) * 257
    _, data = cv2.imencode(extension, deep)
    assert mean_difference(decode_image(data.tobytes()).pixels, portrait) <= 1


@pytest.mark.parametrize("white", [1.0, 255.0, 65535.0])
def test_floating_point_tiff_is_scaled_by_its_range(encode: Encode, white: float) -> None:
    ramp = np.linspace(0, 1, 64 * 64, dtype=np.float32).reshape(64, 64)
    image = decode_image(encode(Image.fromarray(ramp * np.float32(white)), "TIFF"))
    assert np.abs(image.pixels[..., 0] - np.round(ramp * 255)).max() <= 1


def test_floating_point_tiff_with_values_that_are_no_numbers(encode: Encode) -> None:
    ramp = np.linspace(0, 1, 64 * 64, dtype=np.float32).reshape(64, 64)
    ramp[0, :3] = np.nan, np.inf, -np.inf
    assert decode_image(encode(Image.fromarray(ramp), "TIFF")).pixels.shape == (64, 64, 3)


def test_32_bit_integer_tiff(encode: Encode) -> None:
    ramp = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.int32)
    image = decode_image(encode(Image.fromarray(ramp), "TIFF"))
    assert np.abs(image.pixels[..., 1] - np.round(ramp / 257)).max() <= 1


def test_grey_and_black_and_white(portrait: UInt8Array, encode: Encode) -> None:
    grey = Image.fromarray(portrait).convert("L")
    for mode in ("L", "LA", "1"):
        pixels = decode_image(encode(grey.convert(mode), "PNG")).pixels
        assert np.array_equal(pixels, np.asarray(grey.convert(mode).convert("RGB")))


def test_transparency_is_flattened_on_neutral_grey(encode: Encode) -> None:
    clear = np.zeros((64, 64, 4), np.uint8)
    half = np.full((64, 64, 4), 255, np.uint8)
    half[..., 3] = 128
    for file_format, options in (("PNG", {}), ("WEBP", {"lossless": True, "exact": True})):
        assert (decode_image(encode(clear, file_format, **options)).pixels == BACKGROUND).all()
        blended = decode_image(encode(half, file_format, **options)).pixels
        assert np.abs(blended.astype(int) - 192).max() <= 1


def test_transparent_palette_and_colour_key(encode: Encode) -> None:
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, 32:] = 1
    palette = Image.fromarray(stripes).convert("L")
    palette.putpalette([0, 0, 0, 250, 20, 20])
    for file_format in ("PNG", "GIF"):
        pixels = decode_image(encode(palette, file_format, transparency=0)).pixels
        assert tuple(pixels[0, 0]) == BACKGROUND
        assert tuple(pixels[0, 63]) == (250, 20, 20)
    keyed = Image.fromarray(np.full((64, 64, 3), 9, np.uint8))
    pixels = decode_image(encode(keyed, "PNG", transparency=(9, 9, 9))).pixels
    assert (pixels == BACKGROUND).all()


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(
    portrait: UInt8Array, encode: Encode, file_format: str, orientation: int
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if file_format == "WEBP" else {}
    data = encode(portrait[:200, :300], file_format, exif=exif, **options)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    image = decode_image(data)
    assert np.array_equal(image.pixels, expected)
    assert (image.width, image.height) == ((300, 200) if orientation < 5 else (200, 300))
    assert image.pixels.flags.c_contiguous


def test_nonsense_exif_counts_as_upright(portrait: UInt8Array, encode: Encode) -> None:
    data = encode(portrait, "JPEG", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\x7fgarbage")
    assert decode_image(data).width == 512
    exif = Image.Exif()
    exif[0x0112] = 77
    assert decode_image(encode(portrait, "PNG", exif=exif)).width == 512
