"""The messages between the nodes of the workflow: JSON facts and arrays in one run of bytes.

Layout: `MAGIC`, the header's length (4 bytes, little-endian), the header (JSON, UTF-8), and the
arrays' bytes one after the other, C order, little-endian. The header names each array with its
type and shape. Nothing in a message can name code, so reading one runs none (unlike pickle), and
arrays are read in place, without a copy (unlike a zip archive of ``.npy`` files).
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from detection.errors import ERROR_TYPES, InputError

MAGIC = b"\x93DFMSG\x01\n"
"""First bytes of a message: no picture format begins like this. The 1 is the layout's version."""

_LENGTH = struct.Struct("<I")
_MAX_HEADER = 1 << 20  # bytes
_MAX_ARRAYS = 16
_TYPES = {"uint8": "|u1", "bool": "|b1", "int32": "<i4", "float32": "<f4"}
_ERROR = "error"

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Message:
    """What one node says to the next.

    Attributes:
        kind: What it is about: ``faces``, ``judgement`` or ``error``.
        facts: JSON values.
        arrays: Arrays by name; those of an unpacked message are read-only views of its bytes.
    """

    kind: str
    facts: dict[str, Any]
    arrays: dict[str, Array] = field(default_factory=dict)


def is_message(data: bytes | bytearray | memoryview) -> bool:
    """Tells whether bytes are meant as a message (and not, say, as a picture)."""
    return bytes(data[: len(MAGIC)]) == MAGIC


def pack(message: Message) -> bytes:
    """Turns a message into bytes.

    Raises:
        ValueError: An array's type is not uint8, bool, int32 or float32, or a fact is not JSON.
    """
    entries = []
    chunks: list[bytes] = []
    for name, array in message.arrays.items():
        if array.dtype.name not in _TYPES:
            raise ValueError(f"array {name!r} is {array.dtype}; known are {', '.join(_TYPES)}")
        entries.append({"name": name, "type": array.dtype.name, "shape": list(array.shape)})
        chunks.append(array.astype(_TYPES[array.dtype.name], copy=False).tobytes())
    header = json.dumps(
        {"kind": message.kind, "facts": message.facts, "arrays": entries}, allow_nan=False
    ).encode()
    return b"".join((MAGIC, _LENGTH.pack(len(header)), header, *chunks))


def pack_error(error: InputError) -> bytes:
    """Turns an error into a message, which every later node passes on untouched."""
    return pack(Message(_ERROR, dict(error.as_dict())))


def unpack(data: bytes | bytearray | memoryview) -> Message:
    """Reads a message.

    Args:
        data: What `pack` made; anything else is refused.

    Returns:
        The message, never one of kind ``error``.

    Raises:
        InputError: The error that the message carries (its own code), or the bytes are no
            message (code 400). Nothing else is ever raised, whatever the bytes.
    """
    try:
        message = _read(memoryview(data))
    except InputError:
        raise
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError, MemoryError) as error:
        raise malformed("its header cannot be read") from error
    if message.kind == _ERROR:
        _raise_carried(message.facts)
    return message


def malformed(detail: str) -> InputError:
    """Makes the error of bytes that are no message of a node."""
    return InputError(400, "malformed_message", f"Not a message between nodes: {detail}.")


def _read(data: memoryview) -> Message:
    start = len(MAGIC) + _LENGTH.size
    if not is_message(data) or len(data) < start:
        raise malformed("it does not begin like one")
    (length,) = _LENGTH.unpack(data[len(MAGIC) : start])
    if length > min(_MAX_HEADER, len(data) - start):
        raise malformed("its header is cut off or too long")
    header = json.loads(bytes(data[start : start + length]), parse_constant=_refuse_constant)
    kind, facts, entries = header["kind"], header["facts"], header["arrays"]
    if not (isinstance(kind, str) and isinstance(facts, dict) and isinstance(entries, list)):
        raise malformed("its header has the wrong form")
    if len(entries) > _MAX_ARRAYS:
        raise malformed("it has too many arrays")
    arrays: dict[str, Array] = {}
    position = start + length
    for entry in entries:
        array = _read_array(entry, data[position:])
        arrays[str(entry["name"])] = array
        position += array.nbytes
    if position != len(data):
        raise malformed("there are bytes after its last array")
    return Message(kind, facts, arrays)


def _read_array(entry: dict[str, Any], rest: memoryview) -> Array:
    dtype = np.dtype(_TYPES[entry["type"]])
    shape = entry["shape"]
    if not isinstance(shape, list) or len(shape) > 4:
        raise malformed("an array has the wrong shape")
    if any(type(side) is not int or side < 0 for side in shape):
        raise malformed("an array has the wrong shape")
    count = math.prod(shape)
    if count * dtype.itemsize > len(rest):
        raise malformed("an array is cut off")
    array: Array = np.frombuffer(rest, dtype, count) if count else np.empty(0, dtype)
    if dtype == np.bool_ and (array.view(np.uint8) > 1).any():
        raise malformed("a truth value is neither 0 nor 1")
    array = array.reshape(shape)
    array.flags.writeable = False
    return array


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _raise_carried(facts: dict[str, Any]) -> NoReturn:
    code, kind, text = facts.get("code"), facts.get("type"), facts.get("message")
    if type(code) is not int or not 400 <= code <= 599:
        raise malformed("its error has no code")
    if kind not in ERROR_TYPES or not isinstance(text, str):
        raise malformed("its error has the wrong form")
    raise InputError(code, kind, text)


def facts_as(message: Message, kind: str) -> Mapping[str, Any]:
    """Gives the facts of a message that must be of a kind.

    Raises:
        InputError: The message is of another kind (code 400).
    """
    if message.kind != kind:
        raise malformed(f"it is a {message.kind!r} message where {kind!r} was expected")
    return message.facts
