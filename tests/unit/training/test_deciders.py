import numpy as np
import pytest

from training.deciders import decisions
from training.figures import Judged


def said(probability: list[float], fake: list[bool], source: str = "a") -> Judged:
    count = len(fake)
    return Judged(
        np.array(fake),
        np.array(probability),
        np.full(count, ""),
        np.full(count, source),
        np.where(fake, "swap", "none"),
        np.array([f"person {index}" for index in range(count)]),
    )


FAKE = [True, True, True, False, False]


def test_each_image_stands_with_the_model_that_is_surer_of_it() -> None:
    found = decisions(
        {
            "one": said([0.9, 0.6, 0.1, 0.2, 0.6], FAKE),
            "other": said([0.7, 0.8, 0.6, 0.1, 0.3], FAKE),
        },
        count=20,
    )
    cases = {(case["decider"], case["claims"], case["agree"]): case for case in found}
    assert {key: case["images"] for key, case in cases.items()} == {
        ("one", "Fake", True): 1,
        ("one", "Real", False): 1,
        ("other", "Fake", True): 1,
        ("other", "Real", True): 1,
        ("other", "Real", False): 1,
    }
    assert cases["one", "Fake", True]["confidence"] == pytest.approx(0.9)
    assert cases["one", "Fake", True]["right"] == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert cases["one", "Real", False]["right"]["value"] == 0
    assert cases["other", "Real", False]["right"]["value"] == 1


def test_both_classes_count_the_same() -> None:
    fake = [True] * 9 + [False]
    (case,) = decisions({"one": said([0.8] * 10, fake), "other": said([0.7] * 10, fake)}, count=50)
    assert case["right"]["value"] == pytest.approx(0.5)
    assert case["right"]["low"] <= 0.5 <= case["right"]["high"]
    assert case["confidence"] == pytest.approx(0.8)


def test_a_source_of_one_class_is_left_out() -> None:
    assert decisions({"one": said([0.2], [False]), "other": said([0.1], [False])}, count=5) == []


def test_sources_stand_apart() -> None:
    parts = [said([0.9, 0.2], [True, False], source) for source in ("a", "b")]
    fields = ("fake", "probability", "verdict", "source", "kind", "cluster")
    both = Judged(*(np.concatenate([getattr(part, name) for part in parts]) for name in fields))
    found = decisions({"one": both}, count=5)
    assert [(case["source"], case["claims"]) for case in found] == [
        ("a", "Fake"),
        ("a", "Real"),
        ("b", "Fake"),
        ("b", "Real"),
    ]
