from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from architectures.efficientnet import options_for
from detection.scaling import Scaling
from detection.version import ModelVersion, VersionError, serving_versions, version_folder

Edit = Callable[[dict[str, Any]], Any]


@pytest.fixture
def folder(model_store: Path, tmp_path: Path) -> Path:
    """A copy of a version that a test may spoil."""
    copy = tmp_path / "cnn" / "1.0"
    shutil.copytree(model_store / "cnn" / "1.0", copy)
    return copy


def test_version_is_ready_to_judge(model_store: Path) -> None:
    version = ModelVersion.load(model_store / "efficientnet" / "1.0")
    assert (version.facts.name, version.facts.version) == ("efficientnet", "1.0")
    assert (version.facts.fake, version.facts.real) == (0.8, 0.3)
    assert version.scaling == Scaling(1.5)
    assert version.detector.preset.mean == options_for("imagenet-lite0")["mean"]
    assert not version.detector.training
    assert not any(parameter.requires_grad for parameter in version.detector.parameters())
    assert version.description["created"] == "2026-01-01"


def test_path_may_be_text(model_store: Path) -> None:
    assert ModelVersion.load(str(model_store / "cnn" / "1.0")).facts.name == "cnn"


def test_preset_comes_from_the_version(folder: Path) -> None:
    spoil(folder, lambda model: model["preset"].update(size=96, mean=[0.1, 0.2, 0.3]))
    preset = ModelVersion.load(folder).detector.preset
    assert (preset.size, preset.mean) == (96, (0.1, 0.2, 0.3))


def spoil(folder: Path, edit: Edit) -> None:
    path = folder / "model.json"
    model = json.loads(path.read_text())
    edit(model)
    path.write_text(json.dumps(model))


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda m: m.pop("temperature"), "lacks 'temperature'"),
        (lambda m: m.pop("preset"), "lacks 'preset'"),
        (lambda m: m.update(temperature=0), "temperature"),
        (lambda m: m.update(margin_cap=-1), "cap"),
        (lambda m: m.update(temperature="warm"), "warm"),
        (lambda m: m.update(classes=["Real", "Fake"]), "classes"),
        (lambda m: m["thresholds"].update(fake=0.1), "thresholds"),
        (lambda m: m["thresholds"].update(fake=1.1), "thresholds"),
        (lambda m: m.update(architecture="resnet"), "resnet"),
        (lambda m: m.update(options={"colour": "blue"}), "colour"),
        (lambda m: m.update(options={"widths": [8, 8, 8, 8, 8]}), "weights"),
        (lambda m: m.update(weights_sha256="0" * 64), "SHA-256"),
    ],
)
def test_description_that_does_not_fit(folder: Path, edit: Edit, words: str) -> None:
    spoil(folder, edit)
    with pytest.raises(VersionError, match=words):
        ModelVersion.load(folder)


def test_altered_weights(folder: Path) -> None:
    weights = folder / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(VersionError, match="SHA-256"):
        ModelVersion.load(folder)


def test_pickle_is_never_loaded(folder: Path) -> None:
    weights = folder / "weights.safetensors"
    torch.save({"a": torch.zeros(1)}, weights)
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    spoil(folder, lambda model: model.update(weights_sha256=digest))
    with pytest.raises(VersionError, match="does not hold weights"):
        ModelVersion.load(folder)


@pytest.mark.parametrize("name", ["model.json", "weights.safetensors"])
def test_missing_file(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(VersionError, match=name):
        ModelVersion.load(folder)


@pytest.mark.parametrize("content", ["", "{", "[]", "\ufeff"])
def test_description_that_is_no_object(folder: Path, content: str) -> None:
    (folder / "model.json").write_text(content)
    with pytest.raises(VersionError, match=r"model\.json"):
        ModelVersion.load(folder)


def test_serving_versions(model_store: Path, tmp_path: Path) -> None:
    assert serving_versions(model_store) == {"cnn": "1.0", "efficientnet": "1.0"}
    with pytest.raises(VersionError, match="serving"):
        serving_versions(tmp_path)
    (tmp_path / "serving.json").write_text('{"cnn": 1}')
    with pytest.raises(VersionError, match="text"):
        serving_versions(tmp_path)


def test_version_folder(model_store: Path) -> None:
    assert version_folder(model_store, "cnn", "1.0") == model_store / "cnn" / "1.0"
    with pytest.raises(VersionError, match=r"no version 9\.9 of cnn; there is 1\.0"):
        version_folder(model_store, "cnn", "9.9")
