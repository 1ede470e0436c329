from __future__ import annotations

import json
from typing import Any

import pytest

from detection.errors import InputError
from handlers.exchange import UPLOAD_FIELDS, answer_json, uploaded


@pytest.mark.parametrize("field", UPLOAD_FIELDS)
@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_an_upload_is_found_under_each_name(field: str, kind: type) -> None:
    assert uploaded({"other": b"no", field: kind(b"yes")}) == b"yes"


@pytest.mark.parametrize("row", [{}, {"other": b"x"}, {"data": {"a": 1}}, {"body": None}])
def test_a_request_without_a_file(row: dict[str, Any]) -> None:
    with pytest.raises(InputError) as caught:
        uploaded(row)
    assert (caught.value.code, caught.value.type) == (400, "no_file")
    assert "'data'" in caught.value.message


def test_an_empty_upload_is_an_upload() -> None:
    assert uploaded({"body": b""}) == b""


def test_an_errors_code_becomes_the_status(context: Any) -> None:
    error = {"code": 415, "type": "unsupported_format", "message": "ü"}
    assert json.loads(answer_json({"verdict": "real"}, context, 0)) == {"verdict": "real"}
    assert json.loads(answer_json(error, context, 1)) == error
    assert context.statuses == {0: 200, 1: 415}
    assert set(context.types.values()) == {"application/json"}
