"""Makes the page's two sample pictures: a real photo, and a self-blended fake made from it.

Usage: `python -m ui.make_samples` (needs scikit-image, which ships the NASA photo)

The fake is the idea of Shiohara and Yamasaki, 2022 (arXiv 2204.08376), in a few lines: an altered
copy of the face (colour, sharpness, size, place) is blended into the photo inside a soft ellipse.
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
QUALITY = 92
THUMB = (124, 40, 264, 180)
"""What the buttons show, in pixels of that part."""
THUMB_SIDE = 80


def _altered(photo: Image.Image) -> Image.Image:
    """Change colour, sharpness, size and place of the whole photo, as a forger's tool would."""
    width, height = photo.size
    larger = photo.resize((round(width * 1.05), round(height * 1.05)), Image.Resampling.BICUBIC)
    shift = (round(width * 0.028), round(height * 0.016))
    moved = larger.crop((shift[0], shift[1], shift[0] + width, shift[1] + height))
    coloured = ImageEnhance.Color(moved).enhance(0.72)
    brighter = ImageEnhance.Brightness(coloured).enhance(1.07)
    return brighter.filter(ImageFilter.GaussianBlur(0.9))


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
