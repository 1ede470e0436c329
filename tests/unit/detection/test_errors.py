from __future__ import annotations

import logging

import pytest

from detection.errors import ERROR_TYPES, InputError, as_input_error, internal_error


def test_error_in_torchserves_shape() -> None:
    error = InputError(422, "damaged_picture", "It is truncated.")
    expected = {"code": 422, "type": "damaged_picture", "message": "It is truncated."}
    assert error.as_dict() == expected
    assert str(error) == "It is truncated."
    assert internal_error().type in ERROR_TYPES


def test_input_errors_pass_and_others_are_logged_and_hidden(
    caplog: pytest.LogCaptureFixture,
) -> None:
    own = InputError(400, "no_file", "None.")
    with caplog.at_level(logging.ERROR):
        assert as_input_error(own, "ingest") is own
        assert not caplog.records
        error = as_input_error(ZeroDivisionError("secret detail"), "ingest")
    assert error.code == 500
    assert "secret" not in error.message
    assert "ingest failed" in caplog.text
    assert "ZeroDivisionError: secret detail" in caplog.text
