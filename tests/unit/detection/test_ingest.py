from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from detection.errors import InputError
from detection.faces import Face, FaceFinder, crop_face, whole_image_region
from detection.ingest import ingest
from detection.limits import MAX_FACES
from detection.reasons import Reason
from detection.records import FaceCrops

UInt8Array = npt.NDArray[np.uint8]
Encode = Callable[..., bytes]


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    return FaceFinder()


class FixedFinder:
    """Finds the same faces in every picture, or fails."""

    def __init__(self, faces: int = 0, error: Exception | None = None) -> None:
        marks = ((0.0, 0.0),) * 5
        box, region = (40, 50, 100, 120), (35, 50, 105, 120)
        self._faces = [Face(box, region, 0.9, marks)] * faces
        self._error = error

    def find(self, pixels: UInt8Array) -> list[Face]:  # noqa: ARG002
        if self._error:
            raise self._error
        return self._faces


def test_face_is_found_and_cropped(
    portrait: UInt8Array, encode: Encode, finder: FaceFinder
) -> None:
    data = encode(portrait, "PNG")
    crops = FaceCrops.from_bytes(ingest(data, finder))
    subject = crops.subject
    assert len(subject) == 1
    assert subject.face_found
    assert subject.reasons == ()
    assert subject.image.sha256 == hashlib.sha256(data).hexdigest()
    assert (subject.image.width, subject.image.height, subject.image.format) == (512, 512, "PNG")
    (region,) = subject.regions.tolist()
    assert np.array_equal(crops.faces[0], crop_face(portrait, tuple(region)))


def test_without_a_face_the_whole_picture_is_the_crop(encode: Encode, finder: FaceFinder) -> None:
    picture = np.full((300, 200, 3), 90, np.uint8)
    crops = FaceCrops.from_bytes(ingest(encode(picture, "PNG"), finder))
    assert not crops.subject.face_found
    assert crops.subject.reasons == (Reason.NO_FACE_FOUND,)
    assert crops.subject.regions.tolist() == [list(whole_image_region(200, 300))]
    assert crops.faces.shape == (1, 224, 224, 3)


@pytest.mark.parametrize(
    ("faces", "file_format", "options", "reasons"),
    [
        (1, "PNG", {}, ()),
        (1, "JPEG", {"quality": 50}, ()),
        (1, "JPEG", {"quality": 49}, (Reason.STRONG_COMPRESSION,)),
        (MAX_FACES - 1, "PNG", {}, ()),
        (MAX_FACES, "PNG", {}, (Reason.TOO_MANY_FACES,)),
        (MAX_FACES + 5, "PNG", {}, (Reason.TOO_MANY_FACES,)),
        (
            1,
            "PNG",
            {"save_all": True, "append_images": [Image.new("RGB", (512, 512))]},
            (Reason.ANIMATION_FIRST_FRAME_ONLY,),
        ),
    ],
)
def test_doubts_about_the_whole_picture(
    portrait: UInt8Array,
    encode: Encode,
    faces: int,
    file_format: str,
    options: dict[str, Any],
    reasons: tuple[Reason, ...],
) -> None:
    data = encode(portrait, file_format, **options)
    crops = FaceCrops.from_bytes(ingest(data, FixedFinder(faces)))
    assert crops.subject.reasons == reasons
    assert len(crops.subject) == min(faces, MAX_FACES)


@pytest.mark.parametrize(("data", "code"), [(b"", 400), (b"a text", 415), (b"\xff\xd8\xff", 422)])
def test_bad_files_become_error_messages(data: bytes, code: int, finder: FaceFinder) -> None:
    with pytest.raises(InputError) as caught:
        FaceCrops.from_bytes(ingest(data, finder))
    assert caught.value.code == code


@pytest.mark.parametrize("error", [RuntimeError("boom"), MemoryError(), KeyError("x")])
def test_ingest_never_raises(
    portrait_jpeg: bytes, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    message = ingest(portrait_jpeg, FixedFinder(error=error))
    with pytest.raises(InputError) as caught:
        FaceCrops.from_bytes(message)
    assert (caught.value.code, caught.value.type) == (500, "internal_error")
    assert type(error).__name__ in caplog.text
