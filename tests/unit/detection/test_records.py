from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from detection.errors import InputError
from detection.message import Message, pack, unpack
from detection.overlay import Cells
from detection.reasons import Reason
from detection.records import FaceCrops, ImageFacts, ModelFacts, ModelJudgement, Subject

Edit = Callable[[dict[str, Any], dict[str, npt.NDArray[Any]]], Any]

IMAGE = ImageFacts(640, 480, "JPEG", "0123456789abcdef" * 4)
MODEL = ModelFacts("cnn", "1.0", "f" * 64, 0.8, 0.3)


def subject() -> Subject:
    boxes = np.array([[10, 20, 110, 140], [300, 20, 360, 90]], np.int32)
    regions = np.array([[0, 20, 120, 140], [290, 15, 370, 95]], np.int32)
    return Subject(IMAGE, True, boxes, regions, (Reason.STRONG_COMPRESSION,))


def crops() -> FaceCrops:
    random = np.random.default_rng(0)
    return FaceCrops(subject(), random.integers(0, 256, (2, 224, 224, 3), dtype=np.uint8))


def judgement() -> ModelJudgement:
    random = np.random.default_rng(0)
    fake = np.array([0.9, 0.2], np.float32)
    return ModelJudgement(
        subject(),
        MODEL,
        np.stack([fake, 1 - fake], axis=1),
        random.random((2, 7, 7), dtype=np.float32),
        np.array([True, False]),
        Cells(0.01, 0.14, 0.02),
    )


def same_subject(one: Subject, other: Subject) -> bool:
    return (
        (one.image, one.face_found, one.reasons) == (other.image, other.face_found, other.reasons)
        and np.array_equal(one.boxes, other.boxes)
        and np.array_equal(one.regions, other.regions)
    )


def test_crops_travel_losslessly() -> None:
    sent = crops()
    received = FaceCrops.from_bytes(sent.to_bytes())
    assert np.array_equal(received.faces, sent.faces)
    assert same_subject(received.subject, sent.subject)
    assert len(sent.to_bytes()) < sent.faces.nbytes + 1000


def test_judgement_travels_losslessly() -> None:
    sent = judgement()
    received = ModelJudgement.from_bytes(bytearray(sent.to_bytes()))
    assert received.model == MODEL
    assert received.cells == sent.cells
    assert same_subject(received.subject, sent.subject)
    for name in ("probabilities", "grids", "localised"):
        assert np.array_equal(getattr(received, name), getattr(sent, name))


def test_one_kind_is_not_taken_for_the_other() -> None:
    with pytest.raises(InputError, match="'judgement' message where 'faces'"):
        FaceCrops.from_bytes(judgement().to_bytes())
    with pytest.raises(InputError, match="'faces' message where 'judgement'"):
        ModelJudgement.from_bytes(crops().to_bytes())


def spoilt(data: bytes, edit: Edit) -> bytes:
    message = unpack(data)
    facts, arrays = dict(message.facts), {key: np.array(a) for key, a in message.arrays.items()}
    edit(facts, arrays)
    return pack(Message(message.kind, facts, arrays))


def cut(name: str, count: int) -> Edit:
    return lambda _facts, arrays: arrays.update({name: arrays[name][:count]})


COMMON: list[Edit] = [
    lambda facts, _: facts.pop("image"),
    lambda facts, _: facts.update(image=[1]),
    lambda facts, _: facts["image"].pop("sha256"),
    lambda facts, _: facts["image"].update(sha256="x" * 64),
    lambda facts, _: facts["image"].update(sha256=5),
    lambda facts, _: facts["image"].update(width=0),
    lambda facts, _: facts["image"].update(width=True),
    lambda facts, _: facts["image"].update(width=10**9),
    lambda facts, _: facts["image"].update(format="SVG"),
    lambda facts, _: facts["image"].update(format=[]),
    lambda facts, _: facts["image"].update(extra=1),
    lambda facts, _: facts.pop("face_found"),
    lambda facts, _: facts.update(face_found=1),
    lambda facts, _: facts.update(reasons="none"),
    lambda facts, _: facts.update(reasons=["no such reason"]),
    lambda facts, _: facts.update(reasons=[[]]),
    lambda _, arrays: arrays.pop("boxes"),
    cut("boxes", 1),
    cut("boxes", 0),
    cut("regions", 1),
    lambda _, arrays: arrays.update(boxes=np.zeros((17, 4), np.int32)),
    lambda _, arrays: arrays.update(boxes=np.array(3, np.int32)),
    lambda _, arrays: arrays.update(boxes=arrays["boxes"].astype(np.float32)),
    lambda _, arrays: arrays["boxes"].__setitem__((0, 0), -1),
    lambda _, arrays: arrays["boxes"].__setitem__((0, 2), 641),
    lambda _, arrays: arrays["regions"].__setitem__((0, 2), 0),
]
OF_CROPS: list[Edit] = [
    lambda _, arrays: arrays.pop("faces"),
    cut("faces", 1),
    lambda _, arrays: arrays.update(faces=arrays["faces"][:, :112, :112]),
    lambda _, arrays: arrays.update(faces=arrays["faces"].astype(np.float32)[:, :8, :8]),
]
OF_JUDGEMENT: list[Edit] = [
    lambda facts, _: facts.pop("model"),
    lambda facts, _: facts.pop("cells"),
    lambda facts, _: facts["cells"].update(step=1e-300),
    lambda facts, _: facts["cells"].update(step=-1),
    lambda facts, _: facts["cells"].update(step=10**400),
    lambda facts, _: facts["cells"].update(first=5),
    lambda facts, _: facts["cells"].update(first="left"),
    lambda facts, _: facts["cells"].update(first_column="left"),
    lambda facts, _: facts.update(cells=[0.01, 0.14]),
    lambda facts, _: facts.update(model=[]),
    lambda facts, _: facts["model"].pop("thresholds"),
    lambda facts, _: facts["model"].update(thresholds=0.5),
    lambda facts, _: facts["model"].update(name="<script>"),
    lambda facts, _: facts["model"].update(version=1.0),
    lambda facts, _: facts["model"].update(weights_sha256="f"),
    lambda facts, _: facts["model"].update(engine="abacus"),
    lambda facts, _: facts["model"].update(engine=[]),
    lambda facts, _: facts["model"]["thresholds"].update(fake=True),
    lambda facts, _: facts["model"]["thresholds"].update(fake="0.8"),
    lambda facts, _: facts["model"]["thresholds"].update(real=-0.1),
    cut("probabilities", 1),
    cut("localised", 1),
    cut("grids", 1),
    lambda _, arrays: arrays.pop("grids"),
    lambda _, arrays: arrays.update(grids=arrays["grids"][0]),
    lambda _, arrays: arrays.update(grids=arrays["grids"][:, :0]),
    lambda _, arrays: arrays.update(grids=np.zeros((2, 65, 7), np.float32)),
    lambda _, arrays: arrays["grids"].__setitem__((0, 0, 0), np.nan),
    lambda _, arrays: arrays["probabilities"].__setitem__((0, 0), 1.5),
    lambda _, arrays: arrays.update(localised=arrays["localised"].astype(np.uint8)),
]


@pytest.mark.parametrize("edit", COMMON + OF_CROPS)
def test_crops_that_are_none(edit: Edit) -> None:
    with pytest.raises(InputError) as caught:
        FaceCrops.from_bytes(spoilt(crops().to_bytes(), edit))
    assert (caught.value.code, caught.value.type) == (400, "malformed_message")


@pytest.mark.parametrize("edit", COMMON + OF_JUDGEMENT)
def test_judgements_that_are_none(edit: Edit) -> None:
    with pytest.raises(InputError) as caught:
        ModelJudgement.from_bytes(spoilt(judgement().to_bytes(), edit))
    assert (caught.value.code, caught.value.type) == (400, "malformed_message")


def test_model_facts_as_the_reply_shows_them() -> None:
    facts = MODEL.as_dict()
    assert facts["thresholds"] == {"fake": 0.8, "real": 0.3}
    assert ModelFacts.read(facts) == MODEL
    assert ModelFacts.read(replace(MODEL, fake=1).as_dict()).fake == 1


def test_judgement_of_an_older_archive_ran_in_torch() -> None:
    facts = MODEL.as_dict()
    assert facts.pop("engine") == "torch"
    assert ModelFacts.read(facts).engine == "torch"
