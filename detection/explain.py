"""Last step: the models' judgements become the reply; no torch here."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from detection.errors import as_input_error
from detection.message import unpack
from detection.records import ModelJudgement
from detection.reply import MODELS, Json, build_reply


def explain(messages: Mapping[str, bytes | bytearray | memoryview]) -> Json:
    """Writes the reply for one picture. Never raises.

    Args:
        messages: The messages by the name of the node they come from: one judgement of each
            model; the crops of ingest may be among them and are not needed.

    Returns:
        The reply as JSON values, or the error ``{"code", "type", "message"}`` that a node sent.
    """
    try:
        return build_reply(_read(messages))
    except Exception as error:  # noqa: BLE001 (a node that raises fails its whole batch)
        return dict(as_input_error(error, "explain").as_dict())


def _read(messages: Mapping[str, bytes | bytearray | memoryview]) -> list[ModelJudgement]:
    """Reads the judgements in the order of `MODELS`."""
    judgements: dict[str, ModelJudgement] = {}
    for data in messages.values():
        message = unpack(data)
        if message.kind != "faces":
            judgement = ModelJudgement.read(message)
            judgements[judgement.model.name] = judgement
    if set(judgements) != set(MODELS):
        raise RuntimeError(f"judgements of {sorted(judgements)}, of {MODELS} expected")
    ordered = [judgements[name] for name in MODELS]
    first, *others = (judgement.subject for judgement in ordered)
    for other in others:
        if other.image != first.image or not np.array_equal(other.regions, first.regions):
            raise RuntimeError("the judgements are of different pictures")
    return ordered
