"""What the messages mean: the crops that ingest sends, and a model's judgement of them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from detection import limits
from detection.message import Array, Message, facts_as, malformed, pack, unpack
from detection.overlay import Cells
from detection.reasons import Reason

UInt8Array = npt.NDArray[np.uint8]
Int32Array = npt.NDArray[np.int32]
FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

EngineName = Literal["onnxruntime", "torch"]
"""What can run a network."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_MAX_GRID = 64  # cells on a side of a Grad-CAM map


@dataclass(frozen=True)
class ImageFacts:
    """The picture that was judged.

    Attributes:
        width: Width of the upright picture in pixels.
        height: Height of the upright picture in pixels.
        format: One of `limits.FORMATS`.
        sha256: Hash of the file's bytes, in hexadecimal.
    """

    width: int
    height: int
    format: str
    sha256: str


@dataclass(frozen=True)
class Subject:
    """What is judged: the picture, where its faces are, and the doubts known before judging.

    Attributes:
        image: The picture.
        face_found: False where the only region is the whole picture, for want of a face.
        boxes: int32 N x 4, left, top, right, bottom in pixels of the upright picture.
        regions: int32 N x 4, the squares that were cropped, in the same order.
        reasons: Reasons for doubt that concern the whole picture.
    """

    image: ImageFacts
    face_found: bool
    boxes: Int32Array
    regions: Int32Array
    reasons: tuple[Reason, ...]

    def __len__(self) -> int:
        return len(self.boxes)

    def facts(self) -> dict[str, Any]:
        """Gives the part that travels as JSON."""
        return {
            "image": asdict(self.image),
            "face_found": self.face_found,
            "reasons": [reason.value for reason in self.reasons],
        }

    @classmethod
    def read(cls, facts: Mapping[str, Any], arrays: Mapping[str, Array]) -> Subject:
        """Reads the subject of a message; raises `InputError` if it is not one."""
        image = _image_facts(facts.get("image"))
        boxes, regions = arrays.get("boxes"), arrays.get("regions")
        if boxes is None or regions is None or boxes.ndim != 2:
            raise malformed("it does not say where the faces are")
        if not 1 <= len(boxes) <= limits.MAX_FACES:
            raise malformed(f"it must tell of 1 to {limits.MAX_FACES} faces")
        for array in (boxes, regions):
            _check_boxes(array, len(boxes), image)
        face_found, codes = facts.get("face_found"), facts.get("reasons")
        known = {reason.value for reason in Reason}
        if not isinstance(face_found, bool) or not isinstance(codes, list):
            raise malformed("its facts have the wrong form")
        if any(not isinstance(code, str) or code not in known for code in codes):
            raise malformed("it gives an unknown reason")
        return cls(image, face_found, boxes, regions, tuple(Reason(code) for code in codes))


@dataclass(frozen=True)
class FaceCrops:
    """The message of ingest: the crops of one picture's faces.

    Attributes:
        subject: The picture and where its faces are.
        faces: uint8 N x 224 x 224 x 3, RGB, in the order of the subject's boxes.
    """

    subject: Subject
    faces: UInt8Array

    def to_bytes(self) -> bytes:
        """Packs the message; the crops travel losslessly."""
        arrays = {"faces": self.faces, **_places(self.subject)}
        return pack(Message("faces", self.subject.facts(), arrays))

    @classmethod
    def from_bytes(cls, data: bytes | bytearray | memoryview) -> FaceCrops:
        """Reads what `to_bytes` made.

        Raises:
            InputError: The error the message carries, or the bytes are no such message.
        """
        message = unpack(data)
        subject = Subject.read(facts_as(message, "faces"), message.arrays)
        shape = (len(subject), limits.CROP_SIZE, limits.CROP_SIZE, 3)
        return cls(subject, _array(message, "faces", np.uint8, shape))


@dataclass(frozen=True)
class ModelFacts:
    """Which model judged, and where it draws its lines.

    Attributes:
        name: ``cnn`` or ``efficientnet``.
        version: Version of its weights, such as "1.0".
        weights_sha256: Hash of the weights file, in hexadecimal.
        fake: A calibrated probability of Fake from here up means the verdict "fake".
        real: A calibrated probability of Fake from here down means the verdict "real".
        engine: What ran the network: ``onnxruntime`` or ``torch``.
    """

    name: str
    version: str
    weights_sha256: str
    fake: float
    real: float
    engine: EngineName = "torch"

    def as_dict(self) -> dict[str, Any]:
        """Gives the facts in the form of the reply."""
        return {
            "name": self.name,
            "version": self.version,
            "weights_sha256": self.weights_sha256,
            "thresholds": {"fake": self.fake, "real": self.real},
            "engine": self.engine,
        }

    @classmethod
    def read(cls, facts: Any) -> ModelFacts:
        """Reads what `as_dict` made; raises `InputError` if it is something else."""
        try:
            thresholds = facts["thresholds"]
            found = cls(
                facts["name"],
                facts["version"],
                facts["weights_sha256"],
                thresholds["fake"],
                thresholds["real"],
                facts.get("engine", "torch"),  # archives of older code do not say it
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise malformed("it does not say which model judged") from error
        texts = (found.name, found.version, found.weights_sha256)
        if not all(isinstance(text, str) for text in texts):
            raise malformed("its model has the wrong form")
        if not (_NAME.fullmatch(found.name) and _NAME.fullmatch(found.version)):
            raise malformed("its model has the wrong form")
        if not _SHA256.fullmatch(found.weights_sha256):
            raise malformed("its weights have no hash")
        if found.engine not in get_args(EngineName):
            raise malformed("its model ran in an unknown engine")
        if not (_is_probability(found.fake) and _is_probability(found.real)):
            raise malformed("its thresholds are no probabilities")
        return found


@dataclass(frozen=True)
class ModelJudgement:
    """The message of a model: its judgement of one picture's faces.

    It repeats the subject, which is small, so that explain needs no crops.

    Attributes:
        subject: The picture and where its faces are.
        model: Which model judged.
        probabilities: float32 N x 2, calibrated, in the order Fake, Real.
        grids: float32 N x n x n in [0, 1], the Grad-CAM map of the predicted class, rows top to
            bottom; all zero where nothing is localised.
        localised: bool N, whether the map points anywhere in particular.
        cells: Where the cells of the grids look.
    """

    subject: Subject
    model: ModelFacts
    probabilities: FloatArray
    grids: FloatArray
    localised: BoolArray
    cells: Cells

    def to_bytes(self) -> bytes:
        """Packs the message."""
        facts = {**self.subject.facts(), "model": self.model.as_dict(), "cells": asdict(self.cells)}
        arrays = {
            "probabilities": self.probabilities,
            "grids": self.grids,
            "localised": self.localised,
            **_places(self.subject),
        }
        return pack(Message("judgement", facts, arrays))

    @classmethod
    def from_bytes(cls, data: bytes | bytearray | memoryview) -> ModelJudgement:
        """Reads what `to_bytes` made.

        Raises:
            InputError: The error the message carries, or the bytes are no such message.
        """
        return cls.read(unpack(data))

    @classmethod
    def read(cls, message: Message) -> ModelJudgement:
        """Reads an unpacked message; raises `InputError` if it is no judgement."""
        facts = facts_as(message, "judgement")
        subject = Subject.read(facts, message.arrays)
        grid = message.arrays["grids"].shape[1:] if "grids" in message.arrays else ()
        if len(grid) != 2 or grid[0] != grid[1] or not 1 <= grid[0] <= _MAX_GRID:
            raise malformed("its maps have the wrong shape")
        count = len(subject)
        return cls(
            subject,
            ModelFacts.read(facts.get("model")),
            _unit_interval(_array(message, "probabilities", np.float32, (count, 2))),
            _unit_interval(_array(message, "grids", np.float32, (count, *grid))),
            _array(message, "localised", np.bool_, (count,)),
            _cells(facts.get("cells"), grid[0]),
        )


def _places(subject: Subject) -> dict[str, Array]:
    return {"boxes": subject.boxes, "regions": subject.regions}


def _image_facts(facts: Any) -> ImageFacts:
    if not isinstance(facts, dict) or set(facts) != {"width", "height", "format", "sha256"}:
        raise malformed("it does not describe a picture")
    image = ImageFacts(**facts)
    if any(type(side) is not int or side < 1 for side in (image.width, image.height)):
        raise malformed("its picture has no size")
    if image.width * image.height > limits.MAX_PIXELS or image.format not in limits.FORMATS:
        raise malformed("its picture is none that is accepted")
    if not isinstance(image.sha256, str) or not _SHA256.fullmatch(image.sha256):
        raise malformed("its picture has no hash")
    return image


def _cells(facts: Any, count: int) -> Cells:
    try:
        column = facts.get("first_column")
        cells = Cells(
            float(facts["first"]), float(facts["step"]), None if column is None else float(column)
        )
        cells.box(count)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise malformed("it does not say where the cells of its maps look") from error
    return cells


def _check_boxes(array: Array, count: int, image: ImageFacts) -> None:
    if array.dtype != np.int32 or array.shape != (count, 4):
        raise malformed("its boxes have the wrong shape")
    left, top, right, bottom = array.T
    inside = (left >= 0) & (top >= 0) & (right <= image.width) & (bottom <= image.height)
    if not (inside & (left < right) & (top < bottom)).all():
        raise malformed("a box lies outside its picture")


def _array(message: Message, name: str, dtype: type[np.generic], shape: tuple[int, ...]) -> Array:
    array = message.arrays.get(name)
    if array is None or array.dtype != dtype or array.shape != shape:
        raise malformed(f"its array {name!r} has the wrong shape")
    return array


def _unit_interval(array: Array) -> Array:
    if not ((array >= 0) & (array <= 1)).all():  # false for NaN too
        raise malformed("a value lies outside [0, 1]")
    return array


def _is_probability(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and 0 <= value <= 1
