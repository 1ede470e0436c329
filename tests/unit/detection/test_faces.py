from __future__ import annotations

import csv
import itertools
import random
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from skimage import data, transform

from detection import faces as faces_module
from detection.faces import FaceFinder, crop_face, crop_region, whole_image_region
from detection.limits import CROP_SIZE, MAX_FACES

UInt8Array = npt.NDArray[np.uint8]
Box = tuple[int, int, int, int]

ASTRONAUT: Box = (172, 64, 276, 200)  # her face, marked by hand: chin to hairline, ear to ear


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    return FaceFinder()


def overlap(one: Box, other: Box) -> float:
    """Intersection over union."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(0, width) * max(0, height)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return shared / (sum(areas) - shared)


def resized(picture: UInt8Array, scale: float) -> UInt8Array:
    height, width = picture.shape[:2]
    size = (round(width * scale), round(height * scale))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))


def test_finds_the_face(finder: FaceFinder, portrait: UInt8Array) -> None:
    (face,) = finder.find(portrait)
    assert overlap(face.box, ASTRONAUT) > 0.6
    assert 0.5 < face.score <= 1
    left_eye, right_eye, nose, left_mouth, right_mouth = face.landmarks
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_mouth[0] < right_mouth[0]
    assert left_eye[1] < nose[1] < left_mouth[1]
    left, top, right, bottom = face.box
    assert all(left <= x <= right and top <= y <= bottom for x, y in face.landmarks)


def test_region_is_a_square_inside_the_picture(finder: FaceFinder, portrait: UInt8Array) -> None:
    (face,) = finder.find(portrait)
    left, top, right, bottom = face.region
    assert right - left == bottom - top
    assert 0 <= left < right <= 512
    assert 0 <= top < bottom <= 512
    assert all(isinstance(value, int) for value in (*face.box, *face.region))


@pytest.mark.parametrize("scale", [0.25, 0.5, 1.7, 3.0])
def test_finds_the_face_at_any_scale(
    finder: FaceFinder, portrait: UInt8Array, scale: float
) -> None:
    (face,) = finder.find(resized(portrait, scale))
    left, top, right, bottom = (round(value / scale) for value in face.box)
    assert overlap((left, top, right, bottom), ASTRONAUT) > 0.55


def test_finds_the_mirrored_face(finder: FaceFinder, portrait: UInt8Array) -> None:
    (face,) = finder.find(portrait)
    (mirrored,) = finder.find(np.ascontiguousarray(portrait[:, ::-1]))
    left, top, right, bottom = mirrored.box
    assert overlap((512 - right, top, 512 - left, bottom), face.box) > 0.85


def test_finds_a_face_that_fills_the_picture(finder: FaceFinder, portrait: UInt8Array) -> None:
    tight = portrait[70:190, 168:280]
    (face,) = finder.find(tight)
    assert overlap(face.box, (0, 0, 112, 120)) > 0.6


def test_finds_a_dark_and_a_grey_face(finder: FaceFinder, portrait: UInt8Array) -> None:
    grey = portrait.mean(axis=2, keepdims=True).repeat(3, axis=2).astype(np.uint8)
    for picture in ((portrait * 0.35).astype(np.uint8), grey):
        (face,) = finder.find(picture)
        assert overlap(face.box, ASTRONAUT) > 0.55


def test_turned_heads(finder: FaceFinder, portrait: UInt8Array) -> None:
    for angle in (-20, 20):
        turned = transform.rotate(portrait, angle, mode="edge", preserve_range=True)
        assert len(finder.find(turned.astype(np.uint8))) == 1


def test_small_faces_of_a_large_photo(finder: FaceFinder, portrait: UInt8Array) -> None:
    photo = np.full((1500, 2000, 3), 120, np.uint8)
    places = [(100, 100), (900, 300), (1400, 900)]
    for x, y in places:
        photo[y : y + 512, x : x + 512] = portrait
    faces = finder.find(photo)
    assert len(faces) == 3
    for x, y in places:
        left, top, right, bottom = ASTRONAUT
        moved = (left + x, top + y, right + x, bottom + y)
        assert max(overlap(face.box, moved) for face in faces) > 0.5


def test_largest_first_and_not_too_many(finder: FaceFinder, portrait: UInt8Array) -> None:
    head = portrait[20:260, 100:340]
    crowd = np.full((5 * 240, 5 * 240, 3), 100, np.uint8)
    for row, column in itertools.product(range(5), repeat=2):
        scale = 1 - 0.02 * (row * 5 + column)
        small = resized(head, scale)
        side = len(small)
        crowd[row * 240 : row * 240 + side, column * 240 : column * 240 + side] = small
    faces = finder.find(crowd)
    assert len(faces) == MAX_FACES
    sides = [max(f.box[2] - f.box[0], f.box[3] - f.box[1]) for f in faces]
    assert sides == sorted(sides, reverse=True)


@pytest.mark.parametrize("level", [0, 127, 255])
def test_no_face_in_a_blank_picture(finder: FaceFinder, level: int) -> None:
    assert finder.find(np.full((240, 320, 3), level, np.uint8)) == []


def test_no_face_in_things(finder: FaceFinder) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    pictures = [data.coffee(), data.rocket(), data.brick(), data.page(), noise]
    for picture in pictures:
        colour = picture if picture.ndim == 3 else np.stack([picture] * 3, axis=2)
        assert finder.find(np.ascontiguousarray(colour)) == []


@pytest.mark.parametrize("shape", [(32, 32), (32, 320), (320, 32), (33, 47), (1000, 100)])
def test_pictures_of_any_accepted_shape(finder: FaceFinder, shape: tuple[int, int]) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    for face in finder.find(noise):
        crop_face(noise, face.region)


def test_same_picture_gives_the_same_faces(finder: FaceFinder, portrait: UInt8Array) -> None:
    assert finder.find(portrait) == finder.find(portrait) == FaceFinder(threads=2).find(portrait)


def test_crop_region_keeps_to_the_picture() -> None:
    random = np.random.default_rng(0)
    for _ in range(500):
        width, height = (int(value) for value in random.integers(32, 500, 2))
        corners = random.uniform(-100, 600, 4)
        box = (
            float(min(corners[0], corners[2])),
            float(min(corners[1], corners[3])),
            float(max(corners[0], corners[2])),
            float(max(corners[1], corners[3])),
        )
        left, top, right, bottom = crop_region(box, width, height)
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height
        assert right - left == bottom - top


def test_crop_region_is_centred_on_the_face() -> None:
    left, top, right, bottom = crop_region((100, 200, 180, 300), 600, 600)
    assert (left + right) / 2 == pytest.approx(140, abs=1)
    assert (top + bottom) / 2 == pytest.approx(250, abs=1)


def test_crop_face_scales_without_moving(portrait: UInt8Array) -> None:
    same = crop_face(portrait, (100, 50, 100 + CROP_SIZE, 50 + CROP_SIZE))
    assert np.array_equal(same, portrait[50 : 50 + CROP_SIZE, 100 : 100 + CROP_SIZE])
    for side in (60, 448):
        crop = crop_face(portrait, (10, 20, 10 + side, 20 + side))
        assert crop.shape == (CROP_SIZE, CROP_SIZE, 3)
        assert crop.dtype == np.uint8
        mirrored = np.ascontiguousarray(portrait[:, ::-1])
        flipped = crop_face(mirrored, (512 - 10 - side, 20, 512 - 10, 20 + side))
        assert np.abs(flipped[:, ::-1].astype(int) - crop).max() <= 1


def test_whole_image_region() -> None:
    assert whole_image_region(640, 480) == (0, 0, 640, 480)
    crop = crop_face(np.zeros((480, 640, 3), np.uint8), whole_image_region(640, 480))
    assert crop.shape == (CROP_SIZE, CROP_SIZE, 3)


def test_reduced_pixels_give_the_same_faces_in_pixels_of_the_picture(
    finder: FaceFinder, portrait: UInt8Array
) -> None:
    large = np.asarray(Image.fromarray(portrait).resize((2048, 2048), Image.Resampling.BICUBIC))
    small = np.asarray(Image.fromarray(large).reduce(2))
    (full,), (reduced,) = finder.find(large), finder.find(small, (2048, 2048))
    assert reduced.box == pytest.approx(full.box, abs=4)
    assert reduced.landmarks == pytest.approx(np.array(full.landmarks), abs=4)


@pytest.mark.parametrize("reduction", [1, 2, 3])
def test_crop_of_a_reduced_picture_lies_where_the_crop_of_the_picture_does(
    portrait: UInt8Array, reduction: int
) -> None:
    side = 512 * reduction
    large = np.asarray(Image.fromarray(portrait).resize((side, side), Image.Resampling.BICUBIC))
    region = (151 * reduction + 1, 40 * reduction, 400 * reduction + 1, 289 * reduction)
    one, other = crop_face(large, region), crop_face(portrait, region, reduction)
    assert np.abs(one.astype(int) - other).mean() < 3
    shifted = crop_face(portrait[:, 1:], region, reduction)
    assert np.abs(one.astype(int) - shifted).mean() > np.abs(one.astype(int) - other).mean() + 2


def test_a_close_up_is_searched_once(portrait: UInt8Array, monkeypatch: pytest.MonkeyPatch) -> None:
    finder, sides = FaceFinder(), []
    search = FaceFinder._search

    def noted(self: FaceFinder, *arguments: Any) -> npt.NDArray[np.float32]:
        sides.append(arguments[2])
        return search(self, *arguments)

    monkeypatch.setattr(FaceFinder, "_search", noted)
    close_up = np.asarray(Image.fromarray(portrait[40:220, 130:310]).resize((256, 256)))
    assert len(finder.find(close_up)) == 1
    assert sides == [192]
    sides.clear()
    finder.find(portrait)
    assert sides == [192, 512]


@pytest.mark.dataset
def test_searching_close_ups_once_loses_no_face(
    data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (data_root / "manifest.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "validation"]
    chosen = random.Random(0).sample(rows, 150)  # noqa: S311 - not for cryptography
    pictures = [np.asarray(Image.open(data_root / row["path"]).convert("RGB")) for row in chosen]
    finder = FaceFinder()
    once = [len(finder.find(picture)) for picture in pictures]
    monkeypatch.setattr(faces_module, "_CLOSE_UP_SIDE", 0)
    twice = [len(finder.find(picture)) for picture in pictures]
    assert once == twice
    assert sum(once) >= 140
