"""Pictures and models for the tests of `detection`; no downloads, everything seeded."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image
from skimage import data

from architectures import Detector, build
from architectures.efficientnet import initialise, options_for
from architectures.weights import save_weights

UInt8Array = npt.NDArray[np.uint8]
Encode = Callable[..., bytes]


@pytest.fixture(scope="session")
def portrait() -> UInt8Array:
    """A portrait with one face, uint8 512 x 512 x 3."""
    picture: UInt8Array = data.astronaut()
    return picture


@pytest.fixture(scope="session")
def encode() -> Encode:
    """Writes pixels, or a Pillow picture, as a file: `encode(pixels, "PNG", **options)`."""

    def write(picture: UInt8Array | Image.Image, file_format: str, **options: Any) -> bytes:
        image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
        buffer = io.BytesIO()
        image.save(buffer, file_format, **options)
        return buffer.getvalue()

    return write


@pytest.fixture(scope="session")
def portrait_jpeg(portrait: UInt8Array, encode: Encode) -> bytes:
    return encode(portrait, "JPEG", quality=92)


@pytest.fixture(scope="session")
def model_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model store with version 1.0 of both networks: ImageNet features, untrained heads."""
    torch.set_num_threads(1)
    store = tmp_path_factory.mktemp("model_store")
    for seed, name in enumerate(("cnn", "efficientnet")):
        torch.manual_seed(seed)
        options: dict[str, Any] = {}
        if name == "efficientnet":
            options = options_for("imagenet-lite0")
        detector = build(name, **options)
        if name == "efficientnet":
            initialise(detector, "imagenet-lite0")
        _write_version(store / name / "1.0", detector, options)
    (store / "serving.json").write_text(json.dumps({"cnn": "1.0", "efficientnet": "1.0"}))
    return store


@pytest.fixture(scope="session")
def write_version() -> Callable[[Path, Detector, dict[str, Any]], None]:
    """Writes a version's folder as `training.publish` lays it out."""
    return _write_version


def _write_version(folder: Path, detector: Detector, options: dict[str, Any]) -> None:
    folder.mkdir(parents=True)
    weights = folder / "weights.safetensors"
    save_weights(detector, weights)
    name, version = folder.parts[-2:]
    description = {
        "name": name,
        "version": version,
        "architecture": name,
        "options": options,
        "preset": detector.preset.as_dict(),
        "classes": ["Fake", "Real"],
        "temperature": 1.5,
        "thresholds": {"fake": 0.8, "real": 0.3},
        "weights_sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "initialisation": "random",
        "command": "none",
        "created": "2026-01-01",
    }
    (folder / "model.json").write_text(json.dumps(description))
