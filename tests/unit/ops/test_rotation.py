"""The renewal of tokens against a small management API."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ops import rotation
from ops.errors import OpsError
from ops.rotation import Rotation
from ops.settings import Settings
from ops.tokens import INFERENCE_TOKEN_FILE, KEY_FILE, read_tokens

LIFE = 3600.0


class FakeManagement:
    """Makes new tokens as TorchServe does; `now` is what the clock says."""

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir
        self.now = 1_700_000_000.0
        self.made = 0
        self.works = True
        self.ends: dict[str, float] = {}
        for kind in ("inference", "management"):
            self._renew(kind)

    def client(self, _url: str, key: str, *, timeout: float) -> FakeManagement:
        assert key == "api-key"
        assert timeout <= 30
        return self

    def renew(self, kind: str) -> None:
        if not self.works:
            raise OpsError("Nothing answers.")
        self._renew(kind)

    def _renew(self, kind: str) -> None:
        self.made += 1
        path = self.run_dir / KEY_FILE
        keys = json.loads(path.read_text()) if path.exists() else {"API": {"key": "api-key"}}
        end = datetime.fromtimestamp(self.now + LIFE, UTC).isoformat().replace("+00:00", "Z")
        keys[kind] = {"key": f"{kind}-{self.made}", "expiration time": end}
        path.write_text(json.dumps(keys))


@pytest.fixture
def management(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeManagement:
    fake = FakeManagement(tmp_path)
    monkeypatch.setattr(rotation, "TokenClient", fake.client)
    return fake


@pytest.fixture
def renewal(management: FakeManagement, tmp_path: Path) -> Rotation:
    renewal = Rotation(Settings(run_dir=tmp_path), lambda: management.now)
    renewal.restart()
    return renewal


def test_tokens_are_renewed_after_half_their_life(
    management: FakeManagement, renewal: Rotation, tmp_path: Path
) -> None:
    management.now += LIFE / 2 - 1
    assert not renewal.renew_if_due()
    assert management.made == 2
    management.now += 2
    assert renewal.renew_if_due()
    assert not renewal.renew_if_due()
    tokens = read_tokens(tmp_path)
    assert (tokens.inference, tokens.management) == ("inference-3", "management-4")
    assert (tmp_path / INFERENCE_TOKEN_FILE).read_text() == "inference-3"
    management.now += LIFE / 2
    assert renewal.renew_if_due()


def test_a_failed_renewal_is_tried_again_soon(
    management: FakeManagement, renewal: Rotation, tmp_path: Path
) -> None:
    management.now += LIFE / 2
    management.works = False
    with pytest.raises(OpsError, match="Nothing answers"):
        renewal.renew_if_due()
    assert not renewal.renew_if_due()  # not with every tick
    management.works = True
    management.now += 10
    assert renewal.renew_if_due()
    assert (tmp_path / INFERENCE_TOKEN_FILE).exists()


def test_an_edge_token_that_cannot_be_written_is_tried_again(
    management: FakeManagement, renewal: Rotation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    management.now += LIFE / 2
    with monkeypatch.context() as patch:
        patch.setattr(rotation, "write_inference_token", full)
        with pytest.raises(OpsError, match="No space left"):
            renewal.renew_if_due()
    management.now += 10
    assert renewal.renew_if_due()


def test_without_a_start_nothing_is_due(management: FakeManagement, tmp_path: Path) -> None:
    assert not Rotation(Settings(run_dir=tmp_path), lambda: management.now + 10**9).renew_if_due()
