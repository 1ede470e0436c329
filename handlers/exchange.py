"""What TorchServe hands to a handler, and what it takes back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol

from detection.errors import InputError
from handlers.counters import Metrics

UPLOAD_FIELDS = ("data", "body", "image")
"""Names under which an upload may come: ours, that of a bare body, and a usual one for forms."""

Row = Mapping[str, Any]
"""One request of a batch: field name -> bytes."""


class Context(Protocol):
    """The part of `ts.context.Context` that is used here."""

    @property
    def system_properties(self) -> Mapping[str, Any]:
        """Facts about the worker; `model_dir` is the folder of the unpacked archive."""

    @property
    def metrics(self) -> Metrics:
        """The counters that the server's configuration declares."""

    def get_request_header(self, idx: int, key: str) -> str | None:
        """A header of the request at `idx` of the batch, or None."""

    def set_response_status(self, code: int = 200, phrase: str = "", idx: int = 0) -> None:
        """Set the HTTP status of the request at `idx` of the batch."""

    def set_response_content_type(self, idx: int, value: str) -> None:
        """Set the media type of the answer to the request at `idx` of the batch."""


def uploaded(row: Row) -> bytes | bytearray:
    """The bytes of the file that a request carries.

    Raises:
        InputError: the request carries none (400).
    """
    for field in UPLOAD_FIELDS:
        value = row.get(field)
        if isinstance(value, bytes | bytearray):
            return value
    raise InputError(
        400,
        "no_file",
        "The request carries no file. Send the picture as the request's body, or in the field "
        f"{' or '.join(repr(field) for field in UPLOAD_FIELDS)} of a multipart form.",
    )


def answer_json(reply: Mapping[str, Any], context: Context, index: int) -> bytes:
    """Encode the answer to one request; an error's own code becomes the HTTP status.

    Args:
        reply: a JSON object; an error has the key `code`.
        context: of the batch; the request's status and media type are set.
        index: the request's place in the batch.

    Returns:
        The reply as JSON, UTF-8.
    """
    context.set_response_content_type(index, "application/json")
    context.set_response_status(int(reply.get("code", 200)), idx=index)
    return json.dumps(reply, separators=(",", ":")).encode()
