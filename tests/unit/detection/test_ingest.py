from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from detection.errors import InputError
from detection.faces import SEARCH_SIDE, Face, FaceFinder, crop_face, whole_image_region
from detection.image import decode_image
from detection.ingest import ingest
from detection.judge import Judge
from detection.limits import MAX_FACES
from detection.reasons import Reason
from detection.records import FaceCrops
from detection.version import serving_versions, version_folder

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

    def find(
        self,
        pixels: UInt8Array,  # noqa: ARG002
        size: tuple[int, int] | None = None,  # noqa: ARG002
    ) -> list[Face]:
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


# Large pictures are decoded no larger than their faces need.

_STORE = Path(__file__).resolve().parents[3] / "model_store"


@pytest.fixture(scope="module")
def judges(model_store: Path) -> list[Judge]:
    """The models that serve, or untrained ones where a new architecture is in the making."""
    store = _STORE if (_STORE / "serving.json").is_file() else model_store
    return [
        Judge(version_folder(store, name, version), "cpu")
        for name, version in serving_versions(store).items()
    ]


def enlarged(portrait: UInt8Array, side: int) -> UInt8Array:
    return np.asarray(Image.fromarray(portrait).resize((side, side), Image.Resampling.BICUBIC))


@pytest.mark.parametrize("side", [2048, 2999, 4096])
@pytest.mark.parametrize("quality", [75, 92])
def test_reduced_decoding_hardly_changes_the_figures(
    portrait: UInt8Array, encode: Encode, finder: FaceFinder, judges: list[Judge],
    side: int, quality: int,
) -> None:  # fmt: skip
    data = encode(enlarged(portrait, side), "JPEG", quality=quality)
    assert decode_image(data, SEARCH_SIDE).reduction > 1
    crops = FaceCrops.from_bytes(ingest(data, finder))
    assert (crops.subject.image.width, crops.subject.image.height) == (side, side)
    (region,) = crops.subject.regions.tolist()
    (unreduced,) = finder.find(decode_image(data).pixels)
    assert region == pytest.approx(list(unreduced.region), abs=side / 500)
    full = crop_face(decode_image(data).pixels, tuple(region))[np.newaxis]
    difference = np.abs(crops.faces.astype(int) - full)
    assert difference.mean() < 0.7, "grey levels of 255"
    # How much a network makes of half a grey level differs from version to version, and is most in
    # the middle of its scale, where it says `uncertain` either way.
    for judge in judges:
        assert judge.judge(crops.faces).probabilities == pytest.approx(
            judge.judge(full).probabilities, abs=0.1
        )


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_small_face_is_cropped_from_the_picture_at_full_size(
    portrait: UInt8Array, encode: Encode, finder: FaceFinder, orientation: int
) -> None:
    picture = np.full((2100, 3001, 3), 90, np.uint8)
    picture[300:812, 400:912] = portrait
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = (
        Image.fromarray(picture).transpose(_STORED_AS[orientation])
        if (orientation > 1)
        else Image.fromarray(picture)
    )
    data = encode(stored, "JPEG", quality=95, exif=exif)
    crops = FaceCrops.from_bytes(ingest(data, finder))
    subject = crops.subject
    assert (subject.image.width, subject.image.height) == (3001, 2100)
    (region,) = subject.regions.tolist()
    assert 400 < region[0] < region[2] < 912
    assert 300 < region[1] < region[3] < 812
    expected = crop_face(decode_image(data).pixels, tuple(region))
    assert np.array_equal(crops.faces[0], expected)


_STORED_AS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def test_a_truncated_large_picture_is_refused(
    portrait: UInt8Array, encode: Encode, finder: FaceFinder
) -> None:
    data = encode(enlarged(portrait, 2048), "JPEG", quality=90)
    with pytest.raises(InputError, match="cannot be decoded"):
        FaceCrops.from_bytes(ingest(data[: len(data) // 2], finder))
