"""Why a picture could not be judged, in TorchServe's error shape."""

from __future__ import annotations

import logging
from typing import TypedDict

_log = logging.getLogger(__name__)


class ErrorDict(TypedDict):
    """The error as JSON, the shape TorchServe uses for its own errors.

    Attributes:
        code: HTTP status that fits the error.
        type: One of `ERROR_TYPES`.
        message: What was wrong and what is accepted, for people.
    """

    code: int
    type: str
    message: str


ERROR_TYPES = {
    "no_file": "the request carries no file",
    "empty_file": "the file has no bytes",
    "file_too_large": "the file has more bytes than are accepted",
    "unsupported_format": "the file is not a picture of an accepted format",
    "damaged_picture": "the file is truncated or cannot be decoded",
    "too_many_pixels": "the picture has more pixels than are accepted",
    "picture_too_small": "a side of the picture is too short",
    "extreme_shape": "the picture is much longer in one direction than in the other",
    "unreadable_file": "a path on disk cannot be read (command line only)",
    "malformed_message": "a node received something that is no message of another node",
    "service_unavailable": "the service is starting or overloaded; try again in a moment",
    "not_found": "there is nothing at that address (edge)",
    "method_not_allowed": "the address does not take that method (edge)",
    "wrong_host": "the service does not answer to that host name (edge)",
    "bad_request": "the request could not be served as it was sent (edge)",
    "internal_error": "the service failed; the picture may be fine",
}
"""Every type of error with its meaning."""


class InputError(Exception):
    """A request that cannot be judged, and what its sender should know about it.

    Attributes:
        code: HTTP status that fits the error.
        type: One of `ERROR_TYPES`.
        message: What was wrong and what is accepted, for people.
    """

    def __init__(self, code: int, type: str, message: str) -> None:  # noqa: A002 (the wire's word)
        super().__init__(message)
        self.code = code
        self.type = type
        self.message = message

    def as_dict(self) -> ErrorDict:
        """Gives the error as JSON values."""
        return {"code": self.code, "type": self.type, "message": self.message}


def internal_error() -> InputError:
    """Makes the error of a request that failed through no fault of its sender.

    It says nothing about the cause, which belongs in the log and not in an answer.
    """
    return InputError(
        500,
        "internal_error",
        "The service failed on this request. Please try again; the log of the service says why.",
    )


def as_input_error(error: Exception, doing: str) -> InputError:
    """Turns whatever a step raised into the error that its request is answered with.

    Args:
        error: What was raised. Anything but an `InputError` is logged with its traceback.
        doing: What the step was doing, for the log.
    """
    if isinstance(error, InputError):
        return error
    _log.error("%s failed", doing, exc_info=error)
    return internal_error()
