"""Makes the page's two sample pictures: a real photo, and a self-blended fake made from it.

Usage: `python -m ui.make_samples` (needs scikit-image, which ships the NASA photo)

The fake is the idea of Shiohara and Yamasaki, 2022 (arXiv 2204.08376), in a few lines: an altered
copy of the face (resolution, size, place, colour) is blended into the photo inside a soft ellipse.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter
from skimage import data

OUT = Path(__file__).parent / "static" / "samples"
CUT = (24, 0, 424, 400)
"""Part of the photo that is shown: left, top, right, bottom in pixels."""
FACE = (150, 68, 244, 186)
"""Ellipse around the inner face, in pixels of that part."""
RESOLUTION = 0.15
"""Resolution of the copy over that of the photo: face generators work coarsely."""
ENLARGEMENT = 1.02
QUALITY = 92
THUMB = (124, 40, 264, 180)
"""What the buttons show, in pixels of that part."""
THUMB_SIDE = 80


def _altered(photo: Image.Image) -> Image.Image:
    """Change resolution, size, place and colour of the whole photo, as a forger's tool would."""
    width, height = photo.size
    small = (round(width * RESOLUTION), round(height * RESOLUTION))
    larger = (round(width * ENLARGEMENT), round(height * ENLARGEMENT))
    coarse = photo.resize(small, Image.Resampling.BICUBIC).resize(larger, Image.Resampling.BICUBIC)
    left, top = round(width * (ENLARGEMENT - 1) / 2) + 1, round(height * (ENLARGEMENT - 1) / 3)
    moved = coarse.crop((left, top, left + width, top + height))
    return ImageEnhance.Brightness(ImageEnhance.Color(moved).enhance(0.85)).enhance(1.05)


def _mask(size: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Draw a soft ellipse over the inner face: H x W x 1 in [0, 1]."""
    mask = Image.new("L", size, 0)
    ImageDraw.Draw(mask).ellipse(FACE, fill=255)
    soft = mask.filter(ImageFilter.GaussianBlur(4))
    return np.asarray(soft, dtype=np.float32)[..., None] / np.float32(255)


def self_blend(photo: Image.Image) -> Image.Image:
    """Blend an altered copy of a photo into it, inside an ellipse over the face."""
    mask = _mask(photo.size)
    own = np.asarray(photo, dtype=np.float32)
    other = np.asarray(_altered(photo), dtype=np.float32)
    return Image.fromarray((own * (1 - mask) + other * mask).round().astype(np.uint8))


def main() -> None:
    """Write both samples, and their thumbnails."""
    photo = Image.fromarray(data.astronaut()).crop(CUT)
    OUT.mkdir(parents=True, exist_ok=True)
    for kind, picture in (("real", photo), ("fake", self_blend(photo))):
        picture.save(OUT / f"sample-{kind}.jpg", quality=QUALITY)
        thumb = picture.crop(THUMB).resize((THUMB_SIDE, THUMB_SIDE), Image.Resampling.LANCZOS)
        thumb.save(OUT / f"thumb-{kind}.jpg", quality=85)


if __name__ == "__main__":
    main()
