from __future__ import annotations

from detection.faces import FaceFinder
from detection.image import decode_image
from ops.reference import reference_picture


def test_the_reference_picture_has_one_face() -> None:
    image = decode_image(reference_picture())
    assert len(FaceFinder().find(image.pixels)) == 1
