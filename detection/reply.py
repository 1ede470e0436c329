"""Builds the answers: the reply of the service and the judgement of a single model.

``reply.schema.json`` beside this module describes both, and the error, as JSON Schema 2020-12.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from detection import limits
from detection.errors import as_input_error
from detection.overlay import render_data_uri
from detection.reasons import Reason, as_dicts
from detection.records import ModelJudgement, Subject
from detection.verdict import FaceVerdict, Opinion, judge_face, most_suspicious, rounded

MODELS = ("cnn", "efficientnet")
"""The models whose judgements make a reply, in the order in which it lists them."""

Json = dict[str, Any]


def load_schema() -> Json:
    """Gives the JSON Schema of the answers; ``$defs`` has reply, judgement, error and line."""
    text = files("detection").joinpath("reply.schema.json").read_text(encoding="utf-8")
    schema: Json = json.loads(text)
    return schema


def build_reply(judgements: Sequence[ModelJudgement]) -> Json:
    """Builds the reply of the service.

    Args:
        judgements: One of each of `MODELS`, in that order, all of the same picture.

    Returns:
        The reply as JSON values; faces largest first.
    """
    subject = judgements[0].subject
    verdicts = [
        judge_face([_opinion(one, face) for one in judgements], is_face=subject.face_found)
        for face in range(len(subject))
    ]
    by_name = {judgement.model.name: judgement for judgement in judgements}
    faces = [_face(subject, face, verdict, by_name) for face, verdict in enumerate(verdicts)]
    speaker = faces[most_suspicious(verdicts)]
    doubts = [Reason(reason["code"]) for reason in speaker["reasons"]]
    return {
        "verdict": speaker["verdict"],
        "confidence": speaker["confidence"],
        "probability_fake": speaker["probability_fake"],
        "reasons": as_dicts([*doubts, *subject.reasons]),
        "faces": faces,
        "models": {name: one.model.as_dict() for name, one in by_name.items()},
        "image": _image(subject),
    }


def judgement_reply(message: bytes | bytearray | memoryview) -> Json:
    """Builds the answer of a single model, as ``/predictions/<model>`` gives it. Never raises.

    Args:
        message: What `judge.judge_messages` gave for the picture.

    Returns:
        The judgement as JSON values, or the error ``{"code", "type", "message"}``.
    """
    try:
        return build_judgement(ModelJudgement.from_bytes(message))
    except Exception as error:  # noqa: BLE001 (a node that raises fails its whole batch)
        return dict(as_input_error(error, "writing a judgement").as_dict())


def build_judgement(judgement: ModelJudgement) -> Json:
    """Builds the answer of a single model as JSON values; faces largest first."""
    subject = judgement.subject
    return {
        "model": judgement.model.as_dict(),
        "reasons": as_dicts(subject.reasons),
        "faces": [_judged_face(judgement, face) for face in range(len(subject))],
        "image": _image(subject),
    }


def _opinion(judgement: ModelJudgement, face: int) -> Opinion:
    model = judgement.model
    return Opinion(model.name, rounded(judgement.probabilities[face, 0]), model.fake, model.real)


def _face(
    subject: Subject, face: int, verdict: FaceVerdict, judgements: dict[str, ModelJudgement]
) -> Json:
    decider = verdict.decider
    return {
        **_place(subject, face),
        "verdict": verdict.verdict,
        "confidence": decider.confidence,
        "probability_fake": decider.probability_fake,
        "reasons": as_dicts(_doubts(verdict, judgements, face)),
        "models": {name: _figures(_opinion(one, face)) for name, one in judgements.items()},
        "decided_by": decider.model,
        "grad_cam": _grad_cam(judgements[decider.model], face),
    }


def _doubts(verdict: FaceVerdict, judgements: dict[str, ModelJudgement], face: int) -> list[Reason]:
    """Gives a face's reasons: those of its verdict, then the cautions about its decider."""
    return [*verdict.reasons, *_cautions(judgements[verdict.decider.model], face)]


def _judged_face(judgement: ModelJudgement, face: int) -> Json:
    opinion = _opinion(judgement, face)
    return {
        **_place(judgement.subject, face),
        "verdict": opinion.verdict,
        **_figures(opinion),
        "probabilities": {
            "Fake": opinion.probability_fake,
            "Real": rounded(1 - opinion.probability_fake),
        },
        "reasons": as_dicts(_cautions(judgement, face)),
        "grad_cam": _grad_cam(judgement, face),
    }


def _place(subject: Subject, face: int) -> Json:
    box = subject.boxes[face].tolist() if subject.face_found else None
    return {"box": box, "region": subject.regions[face].tolist()}


def _figures(opinion: Opinion) -> Json:
    return {
        "label": opinion.label,
        "confidence": opinion.confidence,
        "probability_fake": opinion.probability_fake,
    }


def _cautions(judgement: ModelJudgement, face: int) -> list[Reason]:
    """Collects doubts about one face that do not by themselves change its verdict."""
    left, top, right, bottom = judgement.subject.boxes[face].tolist()
    doubts = {
        Reason.FACE_TOO_SMALL: max(right - left, bottom - top) < limits.SMALL_FACE_SIDE,
        Reason.EVIDENCE_NOT_LOCALISED: not judgement.localised[face],
    }
    return [reason for reason, applies in doubts.items() if applies]


def _grad_cam(judgement: ModelJudgement, face: int) -> Json:
    grid = judgement.grids[face]
    return {
        "model": judgement.model.name,
        "class": _opinion(judgement, face).label,
        "grid": [[round(value, 4) for value in row] for row in grid.tolist()],
        "overlay": render_data_uri(grid, judgement.cells),
        "localised": bool(judgement.localised[face]),
    }


def _image(subject: Subject) -> Json:
    return {
        "width": subject.image.width,
        "height": subject.image.height,
        "format": subject.image.format,
        "sha256": subject.image.sha256,
    }
