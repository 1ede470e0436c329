"""The reasons for doubt that a verdict can carry: codes for programs, texts for people."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import TypedDict

from detection.limits import MAX_FACES


class Reason(StrEnum):
    """Code of a reason; see `TEXTS` for what each means."""

    NO_FACE_FOUND = "no_face_found"
    FACE_TOO_SMALL = "face_too_small"
    STRONG_COMPRESSION = "strong_compression"
    MODELS_DISAGREE = "models_disagree"
    LOW_CONFIDENCE = "low_confidence"
    EVIDENCE_NOT_LOCALISED = "evidence_not_localised"
    TOO_MANY_FACES = "too_many_faces"
    ANIMATION_FIRST_FRAME_ONLY = "animation_first_frame_only"


TEXTS: dict[Reason, str] = {
    Reason.NO_FACE_FOUND: (
        "No face was found, so the whole picture was judged. The models only know faces: "
        "the figures mean little here."
    ),
    Reason.FACE_TOO_SMALL: "The face is small, so traces of editing may be too fine to see.",
    Reason.STRONG_COMPRESSION: (
        "The file is strongly compressed. That destroys traces of editing and makes its own."
    ),
    Reason.MODELS_DISAGREE: "The two models come to opposite conclusions about this face.",
    Reason.LOW_CONFIDENCE: "The deciding model is not sure enough for a verdict.",
    Reason.EVIDENCE_NOT_LOCALISED: (
        "What the model reacted to lies nowhere in particular, so no map is shown."
    ),
    Reason.TOO_MANY_FACES: (
        f"Only the {MAX_FACES} largest faces of a picture are judged; this one may show more."
    ),
    Reason.ANIMATION_FIRST_FRAME_ONLY: (
        "The file holds several pictures; only the first was judged."
    ),
}


class ReasonDict(TypedDict):
    """A reason as JSON: its code and its text."""

    code: str
    text: str


def as_dicts(reasons: Iterable[Reason]) -> list[ReasonDict]:
    """Gives reasons as JSON values, each once, in their order."""
    return [{"code": reason.value, "text": TEXTS[reason]} for reason in dict.fromkeys(reasons)]
