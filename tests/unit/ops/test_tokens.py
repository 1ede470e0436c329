from __future__ import annotations

import json
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ops.errors import OpsError
from ops.tokens import KEY_FILE, Tokens, read_keys, read_tokens, write_inference_token


def write_keys(folder: Path, content: object) -> None:
    (folder / KEY_FILE).write_text(json.dumps(content))


def test_tokens_are_read(tmp_path: Path) -> None:
    write_keys(tmp_path, {"management": {"key": "m"}, "inference": {"key": "i"}, "API": {}})
    assert read_tokens(tmp_path) == Tokens("m", "i")


def test_without_a_server_the_sentence_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(OpsError, match="make serve"):
        read_tokens(tmp_path)


@pytest.mark.parametrize("content", [[], {}, {"management": "m"}, {"management": {"key": "m"}}])
def test_a_strange_key_file_is_one_sentence(tmp_path: Path, content: object) -> None:
    write_keys(tmp_path, content)
    with pytest.raises(OpsError, match="cannot be read"):
        read_tokens(tmp_path)


def test_a_half_written_key_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / KEY_FILE).write_text('{"management"')
    with pytest.raises(OpsError, match="cannot be read"):
        read_tokens(tmp_path)


def test_the_edges_token_is_for_the_owner_only(tmp_path: Path) -> None:
    for token in ("first", "second"):
        path = write_inference_token(tmp_path, Tokens("m", token))
        assert path.read_text() == token
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_tokens_do_not_show_in_a_repr() -> None:
    assert "secret" not in repr(Tokens("secret-m", "secret-i"))


def test_keys_tell_when_the_first_token_ends(tmp_path: Path) -> None:
    ends = {"management": "2026-01-01T00:00:10.123456789Z", "inference": "2026-01-01T00:00:09Z"}
    keys = {api: {"key": api, "expiration time": end} for api, end in ends.items()}
    write_keys(tmp_path, keys | {"API": {"key": "secret-a"}})
    read = read_keys(tmp_path)
    assert read.api == "secret-a"
    assert read.expires == datetime(2026, 1, 1, 0, 0, 9, tzinfo=UTC).timestamp()
    assert "secret" not in repr(read)
    del keys["inference"]
    keys["inference"] = keys["management"]
    write_keys(tmp_path, keys | {"API": {"key": "a"}})
    assert read_keys(tmp_path).expires == pytest.approx(read.expires + 1.123456789, abs=1e-6)


def test_keys_without_an_end_are_one_sentence(tmp_path: Path) -> None:
    write_keys(tmp_path, {"management": {"key": "m"}, "inference": {"key": "i"}, "API": {}})
    with pytest.raises(OpsError, match="cannot be read"):
        read_keys(tmp_path)
