from __future__ import annotations

from typing import Any

import yaml

from detection.errors import internal_error
from detection.tally import COUNTERS, tally
from ops.properties import METRICS_CONFIG


def reply(verdict: str, *faces: tuple[str, str], doubts: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "verdict": verdict,
        "reasons": [{"code": code, "text": ""} for code in doubts],
        "faces": [
            {"box": [0, 0, 9, 9], "verdict": one, "decided_by": model} for one, model in faces
        ],
    }


def test_verdicts_faces_and_doubts_are_counted() -> None:
    counts = tally(
        [
            reply("fake", ("fake", "cnn"), ("real", "efficientnet")),
            reply("fake", ("fake", "cnn"), doubts=("face_too_small",)),
        ]
    )
    assert counts == {
        ("deepfake_verdicts_total", ("fake",)): 2,
        ("deepfake_faces_total", ("fake", "cnn")): 2,
        ("deepfake_faces_total", ("real", "efficientnet")): 1,
        ("deepfake_doubts_total", ("face_too_small",)): 1,
    }


def test_a_whole_picture_is_no_face() -> None:
    one = reply("uncertain", ("uncertain", "cnn"))
    one["faces"][0]["box"] = None
    assert tally([one]) == {("deepfake_verdicts_total", ("uncertain",)): 1}


def test_rejections_are_counted_by_known_reasons_only() -> None:
    errors: list[dict[str, Any]] = [
        dict(internal_error().as_dict()),
        {"code": 415, "type": "unsupported_format", "message": ""},
        {"code": 400, "type": "whatever somebody sent", "message": ""},
        {},
    ]
    assert tally(errors) == {
        ("deepfake_rejected_total", ("internal_error",)): 3,
        ("deepfake_rejected_total", ("unsupported_format",)): 1,
    }


def test_the_servers_configuration_declares_the_same_counters() -> None:
    declared = yaml.safe_load(METRICS_CONFIG.read_text())["model_metrics"]["counter"]
    assert {entry["name"]: tuple(entry["dimensions"]) for entry in declared} == COUNTERS
