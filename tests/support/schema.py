"""Checks answers against the committed JSON Schema."""

from __future__ import annotations

from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from detection.reply import load_schema


def check(answer: Any, kind: str = "reply") -> None:
    """Fail unless `answer` is a valid `reply`, `judgement`, `error` or `line`."""
    schema = load_schema()
    Draft202012Validator.check_schema(schema)
    definition = {"$defs": schema["$defs"], "$ref": f"#/$defs/{kind}"}
    error = best_match(Draft202012Validator(definition).iter_errors(answer))
    assert error is None, f"not a valid {kind}: {error.json_path}: {error.message[:500]}"
