"""The pictures that are measured, made from the reference portrait; the same bytes every time."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
from PIL import Image

from ops.reference import reference_picture

_GRAIN = 4.0  # standard deviation of sensor noise: without it photos compress too well
# Left, top and width of each face of the photo, in pixels: a group at some distance.
_GROUP = (
    (150, 700, 700),
    (900, 500, 620),
    (1650, 900, 560),
    (2350, 450, 660),
    (3150, 800, 720),
)
_FACE = (120, 40, 380, 340)  # head and hair in the reference portrait, 512 x 600


@cache
def files() -> dict[str, bytes]:
    """The three pictures of the benchmark as JPEG files."""
    portrait = _portrait()
    return {
        "crop, 256 px": _jpeg(portrait.crop((150, 80, 350, 280)).resize((256, 256))),
        "portrait, 2 MP": _jpeg(portrait.resize((1306, 1531))),
        "photo, 12 MP, 5 faces": _jpeg(_photo()),
    }


@cache
def crowd(faces: int) -> bytes:
    """A picture of 1600 x 1600 pixels with so many faces, 1 to 16, of about 200 pixels."""
    canvas = _background(1600, 1600)
    face = _portrait().crop(_FACE).resize((300, 346))
    for index in range(faces):
        canvas.paste(face, (50 + 390 * (index % 4), 27 + 390 * (index // 4)))
    return _jpeg(canvas)


def _portrait() -> Image.Image:
    picture = Image.open(io.BytesIO(reference_picture())).convert("RGB")
    return picture.resize((512, 600), Image.Resampling.BICUBIC)


def _photo() -> Image.Image:
    canvas = _background(4000, 3000)
    face = _portrait().crop(_FACE)
    for left, top, width in _GROUP:
        height = round(width * face.height / face.width)
        canvas.paste(face.resize((width, height), Image.Resampling.BICUBIC), (left, top))
    return canvas


def _background(width: int, height: int) -> Image.Image:
    gradient = Image.linear_gradient("L").resize((width, height))
    return Image.merge("RGB", [gradient.point(lambda v, b=b: b + v // 4) for b in (70, 90, 110)])


def _jpeg(image: Image.Image) -> bytes:
    random = np.random.default_rng(0)
    pixels = np.asarray(image, np.float32)
    noisy = pixels + random.normal(0, _GRAIN, pixels.shape).astype(np.float32)
    buffer = io.BytesIO()
    Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
