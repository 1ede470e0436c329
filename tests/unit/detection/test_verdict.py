from __future__ import annotations

import pytest

from detection.reasons import Reason
from detection.verdict import FaceVerdict, Opinion, judge_face, most_suspicious, rounded


def opinion(model: str, probability: float, fake: float = 0.8, real: float = 0.3) -> Opinion:
    return Opinion(model, probability, fake, real)


def judged(cnn: float, efficientnet: float, *, is_face: bool = True) -> FaceVerdict:
    opinions = [opinion("cnn", cnn), opinion("efficientnet", efficientnet)]
    return judge_face(opinions, is_face=is_face)


@pytest.mark.parametrize(
    ("probability", "label", "confidence", "verdict"),
    [
        (0.95, "Fake", 0.95, "fake"),
        (0.8, "Fake", 0.8, "fake"),
        (0.7999, "Fake", 0.7999, "uncertain"),
        (0.5, "Fake", 0.5, "uncertain"),
        (0.4999, "Real", 0.5001, "uncertain"),
        (0.3, "Real", 0.7, "real"),
        (0.0, "Real", 1.0, "real"),
    ],
)
def test_opinion_of_one_model(
    probability: float, label: str, confidence: float, verdict: str
) -> None:
    own = opinion("cnn", probability)
    assert (own.label, own.confidence, own.verdict) == (label, confidence, verdict)


@pytest.mark.parametrize(
    ("cnn", "efficientnet", "decider", "verdict", "reasons"),
    [
        (0.60, 0.95, "efficientnet", "fake", ()),
        (0.95, 0.60, "cnn", "fake", ()),
        (0.40, 0.90, "efficientnet", "fake", ()),  # the other leans away, but hardly
        (0.31, 0.85, "efficientnet", "uncertain", (Reason.MODELS_DISAGREE,)),
        (0.25, 0.60, "cnn", "uncertain", (Reason.MODELS_DISAGREE,)),
        (0.25, 0.50, "cnn", "real", ()),
        (0.25, 0.49, "cnn", "real", ()),
        (0.35, 0.64, "cnn", "uncertain", (Reason.LOW_CONFIDENCE,)),
        (0.02, 0.40, "cnn", "real", ()),
        (0.10, 0.95, "efficientnet", "uncertain", (Reason.MODELS_DISAGREE,)),
        (0.99, 0.05, "cnn", "uncertain", (Reason.MODELS_DISAGREE,)),
        (0.60, 0.55, "cnn", "uncertain", (Reason.LOW_CONFIDENCE,)),
        (0.50, 0.50, "cnn", "uncertain", (Reason.LOW_CONFIDENCE,)),
    ],
)
def test_the_surer_model_decides(
    cnn: float, efficientnet: float, decider: str, verdict: str, reasons: tuple[Reason, ...]
) -> None:
    found = judged(cnn, efficientnet)
    assert (found.decider.model, found.verdict, found.reasons) == (decider, verdict, reasons)


def test_doubts_weigh_as_much_as_bayes_rule_says() -> None:
    # Odds of 19 to 1 and 1 to 4 make 19 to 4, that is 0.826.
    held = [opinion("cnn", 0.95, fake=0.826), opinion("efficientnet", 0.2, real=0.1)]
    assert judge_face(held, is_face=True).verdict == "fake"
    lost = [opinion("cnn", 0.95, fake=0.827), opinion("efficientnet", 0.2, real=0.1)]
    assert judge_face(lost, is_face=True).reasons == (Reason.MODELS_DISAGREE,)


@pytest.mark.parametrize("sure", [0.0, 1.0])
def test_probabilities_of_0_and_1_can_be_weighed(sure: float) -> None:
    unsure = [opinion("cnn", sure), opinion("efficientnet", 0.5 - 0.1 * (1 if sure else -1))]
    assert judge_face(unsure, is_face=True).verdict == ("fake" if sure else "real")


def test_each_model_is_held_to_its_own_thresholds() -> None:
    strict = [opinion("cnn", 0.9, fake=0.95), opinion("efficientnet", 0.6)]
    assert judge_face(strict, is_face=True).verdict == "uncertain"
    loose = [opinion("cnn", 0.9, fake=0.85), opinion("efficientnet", 0.6)]
    assert judge_face(loose, is_face=True).verdict == "fake"


def test_without_a_face_nothing_is_certain() -> None:
    found = judged(0.99, 0.99, is_face=False)
    assert found.verdict == "uncertain"
    assert found.reasons == (Reason.NO_FACE_FOUND,)
    assert found.decider.probability_fake == 0.99


def test_the_likeliest_fake_speaks_for_the_picture() -> None:
    assert most_suspicious([judged(0.1, 0.2), judged(0.9, 0.8), judged(0.4, 0.01)]) == 1
    assert most_suspicious([judged(0.1, 0.2)]) == 0


def test_rounding_keeps_float32_apart() -> None:
    assert rounded(0.49999997) < 0.5
    assert rounded(1 - 1e-7) < 1
