from __future__ import annotations

import json
import random
import struct
from typing import Any

import numpy as np
import pytest

from detection.errors import InputError
from detection.message import MAGIC, Message, is_message, pack, pack_error, unpack


def example() -> Message:
    arrays: dict[str, Any] = {
        "faces": np.arange(2 * 5 * 5 * 3, dtype=np.uint8).reshape(2, 5, 5, 3),
        "boxes": np.array([[1, 2, 3, 4]], dtype=np.int32),
        "grids": np.linspace(0, 1, 98, dtype=np.float32).reshape(2, 7, 7),
        "localised": np.array([True, False]),
        "nothing": np.empty((0, 4), dtype=np.float32),
    }
    return Message("faces", {"text": "Köln", "number": 0.1, "nested": {"a": [1, None]}}, arrays)


def raw(header: bytes, rest: bytes = b"") -> bytes:
    return MAGIC + struct.pack("<I", len(header)) + header + rest


def header(**changes: Any) -> bytes:
    return json.dumps({"kind": "faces", "facts": {}, "arrays": [], **changes}).encode()


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_round_trip_is_lossless(kind: type) -> None:
    message = example()
    packed = pack(message)
    assert is_message(packed)
    read = unpack(kind(packed))
    assert (read.kind, read.facts) == (message.kind, message.facts)
    assert list(read.arrays) == list(message.arrays)
    for name, array in message.arrays.items():
        assert read.arrays[name].dtype == array.dtype
        assert np.array_equal(read.arrays[name], array)
        assert not read.arrays[name].flags.writeable


def test_arrays_in_any_memory_order_and_byte_order() -> None:
    array = np.arange(12, dtype=">f4").reshape(3, 4)
    for given in (array, array.T, array[::-1, ::2]):
        read = unpack(pack(Message("x", {}, {"a": given}))).arrays["a"]
        assert np.array_equal(read, given)


def test_arrays_are_read_without_a_copy() -> None:
    packed = pack(example())
    read = unpack(packed).arrays["faces"]
    assert np.shares_memory(read, np.frombuffer(packed, np.uint8))


def test_only_plain_types_travel() -> None:
    with pytest.raises(ValueError, match="float64"):
        pack(Message("x", {}, {"a": np.zeros(3)}))
    with pytest.raises(ValueError, match="object"):
        pack(Message("x", {}, {"a": np.array([print])}))
    with pytest.raises(ValueError, match="JSON"):
        pack(Message("x", {"a": float("nan")}))


def test_errors_travel() -> None:
    error = InputError(415, "unsupported_format", "It is an SVG drawing.")
    packed = pack_error(error)
    assert is_message(packed)
    with pytest.raises(InputError) as caught:
        unpack(packed)
    assert caught.value.as_dict() == error.as_dict()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        MAGIC,
        MAGIC + b"\x01",
        MAGIC + b"\xff\xff\xff\xff{}",
        raw(b""),
        raw(b"\xff\xfe"),
        raw(b"[" * 100_000),
        raw(b"[]"),
        raw(b"{}"),
        raw(b"null"),
        raw(b'{"kind": 1, "facts": {}, "arrays": []}'),
        raw(b'{"kind": "faces", "facts": [], "arrays": []}'),
        raw(b'{"kind": "faces", "facts": {"a": NaN}, "arrays": []}'),
        raw(b'{"kind": "faces", "facts": {"a": ' + b"9" * 5000 + b'}, "arrays": []}'),
        raw(header(arrays={})),
        raw(header(arrays=[1])),
        raw(header(arrays=[{}])),
        raw(header(arrays=[{"name": "a", "type": "object", "shape": []}])),
        raw(header(arrays=[{"name": "a", "type": "uint8", "shape": 4}]), b"1234"),
        raw(header(arrays=[{"name": "a", "type": "uint8", "shape": [-1]}])),
        raw(header(arrays=[{"name": "a", "type": "uint8", "shape": [True]}]), b"1"),
        raw(header(arrays=[{"name": "a", "type": "uint8", "shape": [2.0]}]), b"12"),
        raw(header(arrays=[{"name": "a", "type": "uint8", "shape": [2**40, 2**40]}])),
        raw(header(arrays=[{"name": "a", "type": "uint8", "shape": [0, 2**63]}])),
        raw(header(arrays=[{"name": "a", "type": "uint8", "shape": [1] * 5}]), b"1"),
        raw(header(arrays=[{"name": "a", "type": "uint8", "shape": [5]}]), b"1234"),
        raw(header(arrays=[{"name": "a", "type": "bool", "shape": [2]}]), b"\x01\x02"),
        raw(header(arrays=[{"name": "a", "type": "uint8", "shape": [0]}] * 17)),
        raw(header(), b"left over"),
        raw(header(kind="error")),
        raw(header(kind="error", facts={"code": 200, "type": "no_file", "message": "x"})),
        raw(header(kind="error", facts={"code": 400, "type": "other", "message": "x"})),
        raw(header(kind="error", facts={"code": 400, "type": "no_file", "message": 1})),
        raw(header(kind="error", facts={"code": True, "type": "no_file", "message": "x"})),
    ],
)
def test_malformed_messages(data: bytes) -> None:
    with pytest.raises(InputError) as caught:
        unpack(data)
    assert (caught.value.code, caught.value.type) == (400, "malformed_message")


def test_mutated_messages_raise_nothing_else() -> None:
    packed = pack(example())
    pick = random.Random(0)  # noqa: S311 (reproducible, not secret)
    refused = 0
    for _ in range(5000):
        mutant = bytearray(packed)
        for _ in range(pick.randint(1, 5)):
            place = pick.randrange(len(mutant))
            if pick.random() < 0.2:
                del mutant[place : place + pick.randrange(1, 9)]
            else:
                mutant[place] = pick.randrange(256)
        try:
            unpack(bytes(mutant))
        except InputError:
            refused += 1
    assert refused > 3000
