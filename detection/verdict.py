"""From the models' calibrated probabilities to a verdict with its reasons; no torch here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from detection.reasons import Reason

Label = Literal["Fake", "Real"]
VerdictName = Literal["fake", "real", "uncertain"]

_DECIMALS = 8  # of a probability: finer than float32 tells apart near 0.5 or 1


@dataclass(frozen=True)
class Opinion:
    """What one model says of one face.

    Attributes:
        model: The model's name.
        probability_fake: Calibrated probability of Fake.
        fake: From this probability up the model's own verdict is "fake".
        real: From this probability down the model's own verdict is "real".
    """

    model: str
    probability_fake: float
    fake: float
    real: float

    @property
    def label(self) -> Label:
        """The likelier class."""
        return "Fake" if self.probability_fake >= 0.5 else "Real"

    @property
    def confidence(self) -> float:
        """Calibrated probability of the likelier class, 0.5 to 1."""
        return round(max(self.probability_fake, 1 - self.probability_fake), _DECIMALS)

    @property
    def verdict(self) -> VerdictName:
        """The verdict by the model's own thresholds."""
        if self.probability_fake >= self.fake:
            return "fake"
        return "real" if self.probability_fake <= self.real else "uncertain"


@dataclass(frozen=True)
class FaceVerdict:
    """The verdict on one face.

    Attributes:
        verdict: What is said of the face.
        decider: The opinion that decided, that of the higher calibrated confidence.
        reasons: Why the verdict is uncertain or may be wrong, the weightiest first.
    """

    verdict: VerdictName
    decider: Opinion
    reasons: tuple[Reason, ...]


def rounded(probability: float) -> float:
    """Rounds a probability the way replies carry it, before anything is decided with it."""
    return round(float(probability), _DECIMALS)


def judge_face(opinions: Sequence[Opinion], *, is_face: bool) -> FaceVerdict:
    """Combines the models' opinions of one face.

    The model with the higher calibrated confidence decides, by its own thresholds. The verdict
    is uncertain if the decider is not sure enough, if another model is sure of the opposite or
    doubts enough for the decider no longer to be sure (`_stands_against`), or if there is no
    face: the networks have only ever seen faces.

    Args:
        opinions: One opinion a model, at least one.
        is_face: False for a whole picture in which no face was found.
    """
    decider = max(opinions, key=lambda opinion: opinion.confidence)
    reasons = []
    if not is_face:
        reasons.append(Reason.NO_FACE_FOUND)
    if not all(_stands_against(decider, opinion) for opinion in opinions):
        reasons.append(Reason.MODELS_DISAGREE)
    if decider.verdict == "uncertain":
        reasons.append(Reason.LOW_CONFIDENCE)
    return FaceVerdict("uncertain" if reasons else decider.verdict, decider, tuple(reasons))


def _stands_against(decider: Opinion, other: Opinion) -> bool:
    """Tells whether a verdict outlasts another opinion, should that lean the other way.

    It never outlasts the opposite verdict. As for mere doubts: a probability is calibrated over
    all faces, not over those where another model leans the other way, and there the decider is
    right far less often than it claims (`training.deciders`). So the log-odds of both are added,
    which is Bayes' rule for independent opinions of a face that is fake or real with equal chances
    beforehand (naive Bayes), and the sum must still reach the decider's threshold.
    """
    if {decider.verdict, other.verdict} == {"fake", "real"}:
        return False
    if decider.verdict == "uncertain" or other.label == decider.label:
        return True
    log_odds = _log_odds(decider.probability_fake) + _log_odds(other.probability_fake)
    return replace(decider, probability_fake=_probability(log_odds)).verdict == decider.verdict


def _log_odds(probability: float) -> float:
    least = 10.0**-_DECIMALS
    kept = min(max(probability, least), 1 - least)
    return math.log(kept) - math.log1p(-kept)


def _probability(log_odds: float) -> float:
    return 1 / (1 + math.exp(-log_odds))


def most_suspicious(verdicts: Sequence[FaceVerdict]) -> int:
    """Gives the index of the face that speaks for the picture: the likeliest fake.

    Args:
        verdicts: The verdicts of the picture's faces, at least one.
    """
    return max(range(len(verdicts)), key=lambda face: verdicts[face].decider.probability_fake)
