"""The check of the swap run must be able to fail."""

from __future__ import annotations

from tests.support.swapping import Answer, Switch, misplaced, percentile

SWITCHES = [Switch("1.0", 10.0, 11.0), Switch("1.1", 20.0, 21.0)]


def answer(version: str, begin: float, end: float, status: int = 200) -> Answer:
    return Answer(begin, end, status, version)


def test_versions_that_served_during_the_request_are_right() -> None:
    right = [
        answer("1.1", 0, 1),
        answer("1.1", 10.5, 12),  # sent before the switch was confirmed
        answer("1.0", 9, 10.5),  # answered after it was asked for
        answer("1.0", 12, 13),
        answer("1.0", 20.5, 30),
        answer("1.1", 22, 23),
        answer("1.1", 1, 100),
        answer("1.0", 1, 100),
    ]
    assert misplaced(right, "1.1", SWITCHES) == []


def test_versions_that_did_not_serve_are_found() -> None:
    wrong = [
        answer("1.0", 0, 9.9),
        answer("1.1", 11.1, 19.9),
        answer("1.0", 21.1, 22),
        answer("2.0", 0, 100),
        answer("", 0, 100),
    ]
    assert misplaced(wrong, "1.1", SWITCHES) == wrong
    assert misplaced([answer("2.0", 0, 1, status=503)], "1.1", SWITCHES) == []


def test_nearest_rank() -> None:
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile([1.0], 0.99) == 1.0
    assert percentile([float(value) for value in range(1, 101)], 0.99) == 99.0
