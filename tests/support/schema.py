"""Checks answers against the committed JSON Schema."""

from __future__ import annotations

from typing import Any

from jsonschema import Draft202012Validator

from detection.reply import load_schema


def check(answer: Any, kind: str = "reply") -> None:
    """Fail unless `answer` is a valid `reply`, `judgement`, `error` or `line`."""
    schema = load_schema()
    Draft202012Validator.check_schema(schema)
    Draft202012Validator({**schema, "$ref": f"#/$defs/{kind}"}).validate(answer)
