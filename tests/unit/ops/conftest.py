"""A model store of small versions, and a service of a fake TorchServe over it."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ops import archive, rollout
from ops.rollout import Rollout
from ops.settings import MODELS, Ports, Settings
from ops.tokens import KEY_FILE
from tests.support.fake_torchserve import FakeTorchServe, Server

VERSIONS = [("cnn", "1.0"), *(("efficientnet", version) for version in ("1.0", "1.1", "1.2"))]


def write_version(store: Path, name: str, version: str) -> Path:
    """Write a version whose weights are a few bytes; no fake looks into them."""
    folder = store / name / version
    folder.mkdir(parents=True)
    weights = f"{name} {version}".encode()
    (folder / "weights.safetensors").write_bytes(weights)
    about = {
        "name": name,
        "version": version,
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
    }
    (folder / "model.json").write_text(json.dumps(about))
    return folder


@pytest.fixture(scope="session")
def built_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("store")
    for name, version in VERSIONS:
        write_version(store, name, version)
    (store / "serving.json").write_text(json.dumps(dict.fromkeys(MODELS, "1.0")))
    archive.build(store, [archive.model_plan(store, *version) for version in VERSIONS])
    return store


@pytest.fixture
def store(built_store: Path, tmp_path: Path) -> Path:
    """A copy of the built store that the test may spoil."""
    return Path(shutil.copytree(built_store, tmp_path / "store"))


@dataclass
class Rig:
    """An operator's client in front of a fake TorchServe."""

    fake: FakeTorchServe
    server: Server
    settings: Settings
    rollout: Rollout
    said: list[str]
    rendered: list[dict[str, str]]

    def set_token(self, token: str) -> None:
        """As a rotation does: the server wants another token, and the key file has it."""
        self.fake.token = token
        keys = {"management": {"key": token}, "inference": {"key": token}}
        (self.settings.run_dir / KEY_FILE).write_text(json.dumps(keys))

    def defaults(self) -> tuple[str, str]:
        """Default version of efficientnet in the workflow, and on its own."""
        return self.fake.defaults["deepfake__efficientnet"], self.fake.defaults["efficientnet"]

    def loaded(self) -> tuple[list[str], list[str]]:
        """Versions of efficientnet in the workflow, and on their own."""
        models = self.fake.models
        return sorted(models["deepfake__efficientnet"]), sorted(models["efficientnet"])


@pytest.fixture
def rig(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    fake = FakeTorchServe(store)
    server = Server(fake)
    fake.start_serving(dict.fromkeys(MODELS, "1.0"))
    settings = Settings(
        run_dir=tmp_path / "run",
        model_store=store,
        state_dir=tmp_path / "state",
        site_dir=tmp_path / "site",
        ports=Ports(inference=server.port, management=server.port),
    )
    settings.run_dir.mkdir()
    fake.workflow_store = settings.workflow_store
    said: list[str] = []
    rendered: list[dict[str, str]] = []
    # The renderer is a process of its own, tested with a real service.
    monkeypatch.setattr(rollout, "render_site", lambda _, versions: rendered.append(versions))
    made = Rig(fake, server, settings, None, said, rendered)  # type: ignore[arg-type]
    made.set_token("secret")
    made.rollout = Rollout.connect(settings, said.append)
    yield made
    server.close()
