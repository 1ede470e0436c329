"""First step: a file's bytes become the crops of the faces in it; no torch here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from detection import limits
from detection.errors import as_input_error
from detection.faces import (
    SEARCH_SIDE,
    Face,
    Region,
    crop_face,
    crop_reduction,
    whole_image_region,
)
from detection.image import DecodedImage, decode_image, decode_regions
from detection.message import pack_error
from detection.reasons import Reason
from detection.records import FaceCrops, ImageFacts, Subject

UInt8Array = npt.NDArray[np.uint8]


class Finder(Protocol):
    """What finds faces: `faces.FaceFinder`."""

    def find(self, pixels: UInt8Array, size: tuple[int, int] | None = None) -> Sequence[Face]:
        """Finds the faces of a picture, see `FaceFinder.find`."""
        ...


def ingest(data: bytes | bytearray | memoryview, finder: Finder) -> bytes:
    """Decodes a file, finds the faces and crops them. Never raises.

    Args:
        data: The file's bytes.
        finder: Finds the faces.

    Returns:
        A message: `FaceCrops`, or the error that says why the file cannot be judged.
    """
    try:
        return crop_faces(data, finder).to_bytes()
    except Exception as error:  # noqa: BLE001 (a node that raises fails its whole batch)
        return pack_error(as_input_error(error, "ingest"))


def crop_faces(data: bytes | bytearray | memoryview, finder: Finder) -> FaceCrops:
    """Finds the faces of a picture and crops them; without any, the whole picture is the crop.

    A large picture is searched in a reduced copy. Where a face has fewer pixels in there than its
    crop wants, the file is decoded again, as large as the smallest face needs it and no larger.

    Args:
        data: The file's bytes.
        finder: Finds the faces.

    Returns:
        The crops, and the reasons for doubt that the picture itself gives.

    Raises:
        InputError: The file is no picture that is accepted.
    """
    image = decode_image(data, SEARCH_SIDE)
    found = list(finder.find(image.pixels, (image.width, image.height)))[: limits.MAX_FACES]
    whole = whole_image_region(image.width, image.height)
    regions = [face.region for face in found] or [whole]
    subject = Subject(
        image=ImageFacts(image.width, image.height, image.format, image.sha256),
        face_found=bool(found),
        boxes=np.array([face.box for face in found] or [whole], dtype=np.int32),
        regions=np.array(regions, dtype=np.int32),
        reasons=tuple(_reasons(image, len(found))),
    )
    return FaceCrops(subject, np.stack(_crops(data, image, regions)))


def _crops(
    data: bytes | bytearray | memoryview, image: DecodedImage, regions: Sequence[Region]
) -> list[UInt8Array]:
    enough = min(crop_reduction(region) for region in regions)
    if image.reduction <= enough:
        return [crop_face(image.pixels, region, image.reduction) for region in regions]
    crops = []
    for region, part in zip(regions, decode_regions(data, regions, enough), strict=True):
        x, y = part.left, part.top
        inside = (region[0] - x, region[1] - y, region[2] - x, region[3] - y)
        crops.append(crop_face(part.pixels, inside, part.reduction))
    return crops


def _reasons(image: DecodedImage, faces: int) -> list[Reason]:
    """Collects the doubts that concern the whole picture."""
    doubts = {
        Reason.NO_FACE_FOUND: faces == 0,
        Reason.TOO_MANY_FACES: faces >= limits.MAX_FACES,
        Reason.STRONG_COMPRESSION: (image.jpeg_quality or 100) < limits.LOW_JPEG_QUALITY,
        Reason.ANIMATION_FIRST_FRAME_ONLY: image.animated,
    }
    return [reason for reason, applies in doubts.items() if applies]
