"""The reply, from judgements made by hand; validated against the schema throughout."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from detection.errors import InputError
from detection.explain import explain
from detection.message import pack_error
from detection.overlay import Cells
from detection.reasons import Reason
from detection.records import FaceCrops, ImageFacts, ModelFacts, ModelJudgement, Subject
from detection.reply import judgement_reply, load_schema

IMAGE = ImageFacts(640, 480, "JPEG", "0123456789abcdef" * 4)


def validate(document: dict[str, Any], definition: str) -> None:
    schema = load_schema()
    Draft202012Validator.check_schema(schema)
    schema.pop("oneOf")
    validator = Draft202012Validator({**schema, "$ref": f"#/$defs/{definition}"})
    validator.validate(json.loads(json.dumps(document, allow_nan=False)))


def subject(
    sides: list[int], reasons: tuple[Reason, ...] = (), *, face_found: bool = True
) -> Subject:
    boxes = np.array([[10, 20, 10 + side, 20 + side] for side in sides], np.int32)
    return Subject(IMAGE, face_found, boxes, boxes, reasons)


def judged(name: str, about: Subject, fake: list[float], *, localised: bool = True) -> bytes:
    probabilities = np.array([[p, 1 - p] for p in fake], np.float32)
    grids = np.zeros((len(fake), 4, 4), np.float32)
    if localised:
        grids[:, 1, 2] = 1
    model = ModelFacts(name, "1.0", "f" * 64, 0.8, 0.3)
    flags = np.full(len(fake), localised)
    return ModelJudgement(about, model, probabilities, grids, flags, Cells.tiling(4)).to_bytes()


def reply_to(
    about: Subject, cnn: list[float], efficientnet: list[float], *, localised: bool = True
) -> dict[str, Any]:
    reply = explain(
        {
            "cnn": judged("cnn", about, cnn, localised=localised),
            "efficientnet": judged("efficientnet", about, efficientnet, localised=localised),
        }
    )
    validate(reply, "reply")
    return reply


def codes(part: dict[str, Any]) -> list[str]:
    return [reason["code"] for reason in part["reasons"]]


def test_reply_about_one_face() -> None:
    reply = reply_to(subject([200]), [0.6], [0.95])
    assert reply["verdict"] == "fake"
    assert reply["probability_fake"] == reply["confidence"] == pytest.approx(0.95)
    assert reply["reasons"] == []
    assert reply["image"] == {
        "width": 640,
        "height": 480,
        "format": "JPEG",
        "sha256": IMAGE.sha256,
    }
    assert list(reply["models"]) == ["cnn", "efficientnet"]
    assert reply["models"]["cnn"]["thresholds"] == {"fake": 0.8, "real": 0.3}
    (face,) = reply["faces"]
    assert face["box"] == [10, 20, 210, 220]
    assert face["decided_by"] == face["grad_cam"]["model"] == "efficientnet"
    assert face["models"]["cnn"]["probability_fake"] == pytest.approx(0.6)
    assert face["models"]["cnn"]["label"] == face["grad_cam"]["class"] == "Fake"
    assert face["grad_cam"]["grid"][1] == [0, 0, 1, 0]
    png = base64.b64decode(face["grad_cam"]["overlay"].partition(",")[2])
    assert png.startswith(b"\x89PNG")


def test_the_most_suspicious_face_speaks_for_the_picture() -> None:
    reply = reply_to(subject([300, 200, 100]), [0.1, 0.9, 0.4], [0.2, 0.6, 0.05])
    assert [face["verdict"] for face in reply["faces"]] == ["real", "fake", "real"]
    assert [face["decided_by"] for face in reply["faces"]] == ["cnn", "cnn", "efficientnet"]
    assert reply["verdict"] == "fake"
    assert reply["probability_fake"] == reply["faces"][1]["probability_fake"]


def test_reasons_of_a_face_and_of_the_picture() -> None:
    about = subject([200, 63], (Reason.STRONG_COMPRESSION, Reason.TOO_MANY_FACES))
    reply = reply_to(about, [0.1, 0.97], [0.1, 0.1])
    assert codes(reply["faces"][0]) == []
    assert codes(reply["faces"][1]) == ["models_disagree", "face_too_small"]
    assert codes(reply) == [
        "models_disagree",
        "face_too_small",
        "strong_compression",
        "too_many_faces",
    ]
    assert reply["verdict"] == "uncertain"


def test_no_face() -> None:
    about = subject([200], (Reason.NO_FACE_FOUND,), face_found=False)
    reply = reply_to(about, [0.99], [0.99], localised=False)
    assert reply["verdict"] == "uncertain"
    assert codes(reply) == ["no_face_found", "evidence_not_localised"]
    assert reply["faces"][0]["box"] is None
    assert reply["faces"][0]["region"] == [10, 20, 210, 220]
    assert not reply["faces"][0]["grad_cam"]["localised"]
    assert not np.any(reply["faces"][0]["grad_cam"]["grid"])


@pytest.mark.parametrize("fake", [0.0, 1e-9, 0.5, 0.49999997, 1 - 1e-7, 1.0])
def test_figures_at_the_edges_are_valid(fake: float) -> None:
    reply = reply_to(subject([200]), [fake], [fake])
    assert 0.5 <= reply["confidence"] <= 1
    label = reply["faces"][0]["models"]["cnn"]["label"]
    assert label == ("Fake" if np.float32(fake) >= 0.5 else "Real")


def test_order_and_crops_among_the_messages_do_not_matter() -> None:
    about = subject([200])
    messages = {
        "efficientnet": judged("efficientnet", about, [0.9]),
        "ingest": FaceCrops(about, np.zeros((1, 224, 224, 3), np.uint8)).to_bytes(),
        "cnn": judged("cnn", about, [0.6]),
    }
    assert explain(messages) == explain(dict(reversed(messages.items())))
    assert list(explain(messages)["models"]) == ["cnn", "efficientnet"]


def test_errors_come_through_untouched() -> None:
    error = InputError(415, "unsupported_format", "It is a text.")
    packed = pack_error(error)
    answer = explain({"ingest": packed, "cnn": packed, "efficientnet": packed})
    assert answer == dict(error.as_dict())
    validate(answer, "error")
    assert judgement_reply(packed) == answer


def test_failure_of_one_model_is_the_answer() -> None:
    failed = pack_error(InputError(500, "internal_error", "It failed."))
    answer = explain({"cnn": judged("cnn", subject([99]), [0.9]), "efficientnet": failed})
    assert answer["code"] == 500


@pytest.mark.parametrize(
    "messages",
    [
        {},
        {"cnn": judged("cnn", subject([99]), [0.9])},
        {
            "cnn": judged("cnn", subject([99]), [0.9]),
            "efficientnet": judged("efficientnet", subject([98]), [0.9]),
        },
        {
            "cnn": judged("cnn", subject([99]), [0.9]),
            "efficientnet": judged(
                "efficientnet", replace(subject([99]), image=replace(IMAGE, width=641)), [0.9]
            ),
        },
    ],
)
def test_judgements_that_do_not_belong_together(
    messages: dict[str, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    answer = explain(messages)
    validate(answer, "error")
    assert answer["code"] == 500
    assert "explain failed" in caplog.text


@pytest.mark.parametrize("data", [b"", b"nonsense", None, 5])
def test_explain_never_raises(data: Any) -> None:
    for answer in (explain({"cnn": data}), judgement_reply(data)):
        validate(answer, "error")


def test_judgement_of_one_model() -> None:
    about = subject([200, 40], (Reason.STRONG_COMPRESSION,))
    answer = judgement_reply(judged("efficientnet", about, [0.9, 0.2]))
    validate(answer, "judgement")
    assert answer["model"]["name"] == "efficientnet"
    assert codes(answer) == ["strong_compression"]
    first, second = answer["faces"]
    assert (first["verdict"], first["label"]) == ("fake", "Fake")
    assert first["probabilities"]["Fake"] == first["probability_fake"] == pytest.approx(0.9)
    assert sum(second["probabilities"].values()) == pytest.approx(1)
    assert second["confidence"] == pytest.approx(0.8)
    assert codes(second) == ["face_too_small"]
    assert second["grad_cam"]["class"] == "Real"


def test_schema_is_strict() -> None:
    reply = reply_to(subject([200]), [0.6], [0.95])
    spoils: tuple[dict[str, Any], ...] = (
        {"extra": 1},
        {"verdict": "maybe"},
        {"confidence": 1.1},
        {"faces": []},
        {"reasons": [{"code": "x", "text": "x"}]},
        {"image": {**reply["image"], "sha256": "0"}},
    )
    for spoil in spoils:
        with pytest.raises(Exception, match=r"Failed validating|is not valid"):
            validate({**reply, **spoil}, "reply")
    with pytest.raises(Exception, match="'models' is a required property"):
        validate({key: value for key, value in reply.items() if key != "models"}, "reply")


def test_any_answer_is_either_a_reply_or_an_error() -> None:
    validator = Draft202012Validator(load_schema())
    assert validator.is_valid(reply_to(subject([200]), [0.6], [0.95]))
    assert validator.is_valid({"code": 415, "type": "unsupported_format", "message": "No."})
    assert not validator.is_valid({"code": 415, "type": "other", "message": "No."})
    assert not validator.is_valid({})
