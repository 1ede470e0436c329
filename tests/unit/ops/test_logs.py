from __future__ import annotations

import json
import logging
import sys
from datetime import datetime

from ops.logs import JsonFormatter, json_line


def test_a_line_is_one_json_object() -> None:
    event = json.loads(json_line("INFO", "deepfake.serve", 'two\nlines and a "quote"', more="x"))
    assert event["message"] == 'two\nlines and a "quote"'
    assert event["more"] == "x"
    assert "\n" not in json_line("INFO", "a", "two\nlines")
    assert datetime.fromisoformat(event["time"]).tzinfo is not None


def test_a_record_keeps_its_error() -> None:
    try:
        raise ValueError("why")  # noqa: TRY301
    except ValueError:
        record = logging.LogRecord("n", logging.ERROR, "f", 1, "a %s", ("b",), sys.exc_info())
    event = json.loads(JsonFormatter().format(record))
    assert event["message"] == "a b"
    assert event["error"].endswith("ValueError: why")
