"""First step: a file's bytes become the crops of the faces in it; no torch here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from detection import limits
from detection.errors import as_input_error
from detection.faces import Face, crop_face, whole_image_region
from detection.image import DecodedImage, decode_image
from detection.message import pack_error
from detection.reasons import Reason
from detection.records import FaceCrops, ImageFacts, Subject


class Finder(Protocol):
    """What finds faces: `faces.FaceFinder`."""

    def find(self, pixels: npt.NDArray[np.uint8]) -> Sequence[Face]:
        """Finds the faces of a picture, uint8 H x W x 3, the largest first."""
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
        return crop_faces(decode_image(data), finder).to_bytes()
    except Exception as error:  # noqa: BLE001 (a node that raises fails its whole batch)
        return pack_error(as_input_error(error, "ingest"))


def crop_faces(image: DecodedImage, finder: Finder) -> FaceCrops:
    """Finds the faces of a picture and crops them; without any, the whole picture is the crop.

    Args:
        image: The picture.
        finder: Finds the faces.

    Returns:
        The crops, and the reasons for doubt that the picture itself gives.
    """
    found = list(finder.find(image.pixels))[: limits.MAX_FACES]
    whole = whole_image_region(image.width, image.height)
    regions = [face.region for face in found] or [whole]
    subject = Subject(
        image=ImageFacts(image.width, image.height, image.format, image.sha256),
        face_found=bool(found),
        boxes=np.array([face.box for face in found] or [whole], dtype=np.int32),
        regions=np.array(regions, dtype=np.int32),
        reasons=tuple(_reasons(image, len(found))),
    )
    crops = [crop_face(image.pixels, region) for region in regions]
    return FaceCrops(subject, np.stack(crops))


def _reasons(image: DecodedImage, faces: int) -> list[Reason]:
    """Collects the doubts that concern the whole picture."""
    doubts = {
        Reason.NO_FACE_FOUND: faces == 0,
        Reason.TOO_MANY_FACES: faces >= limits.MAX_FACES,
        Reason.STRONG_COMPRESSION: (image.jpeg_quality or 100) < limits.LOW_JPEG_QUALITY,
        Reason.ANIMATION_FIRST_FRAME_ONLY: image.animated,
    }
    return [reason for reason, applies in doubts.items() if applies]
