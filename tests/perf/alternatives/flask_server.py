"""The obvious alternative: one Flask process, both networks in eager torch, one after the other.

Faces are found by the same detector as in the service. The Grad-CAM of each network is what the
library does by default: a forward pass and a backward pass through the whole network.

Run as `python -m tests.perf.alternatives.flask_server STORE PORT`.
"""

from __future__ import annotations

import base64
import io
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import torch
from flask import Flask, Response, jsonify, request
from PIL import Image, ImageOps
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.image import show_cam_on_image
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn

from architectures import Detector
from detection.faces import FaceFinder, crop_face, whole_image_region
from detection.version import ModelVersion, serving_versions, version_folder


class _Network(nn.Module):
    """A detector with a layer whose output is the feature maps that its head sees."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector, self.maps = detector, nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.detector.head(self.maps(self.detector.feature_maps(x)))
        return logits


class EagerModel:
    """A network in eager torch with the library's Grad-CAM."""

    def __init__(self, folder: Path) -> None:
        version = ModelVersion.load(folder)
        self._scaling = version.scaling
        self._detector = version.detector.requires_grad_(requires_grad=True)
        network = _Network(self._detector)
        self._cam = GradCAM(network, [network.maps])

    def judge(self, crops: np.ndarray[Any, np.dtype[np.uint8]]) -> list[dict[str, Any]]:
        """Judges crops, uint8 N x 224 x 224 x 3."""
        inputs = self._detector.preset.to_input(crops)
        with torch.no_grad():
            logits = self._detector(inputs)
        scaled = torch.from_numpy(self._scaling.logits(logits.numpy()))
        probabilities = torch.softmax(scaled, dim=1)
        targets = [ClassifierOutputTarget(int(row.argmax())) for row in probabilities]
        maps = self._cam(inputs, targets)
        return [
            {
                "probability_fake": float(row[0]),
                "overlay": _overlay(crop, grid),
            }
            for row, crop, grid in zip(probabilities, crops, maps, strict=True)
        ]


def _overlay(crop: np.ndarray[Any, Any], grid: np.ndarray[Any, Any]) -> str:
    resized = np.asarray(Image.fromarray(grid).resize(crop.shape[:2]))
    buffer = io.BytesIO()
    Image.fromarray(show_cam_on_image(crop / np.float32(255), resized, use_rgb=True)).save(
        buffer, "PNG"
    )
    return base64.b64encode(buffer.getvalue()).decode()


def make_app(store: Path) -> Flask:
    """Loads the serving versions and gives the application; it judges at POST /."""
    finder = FaceFinder()
    finder.load()
    models = {
        name: EagerModel(version_folder(store, name, version))
        for name, version in serving_versions(store).items()
    }
    one_at_a_time = threading.Lock()  # the library's hooks hold one picture
    app = Flask(__name__)

    @app.post("/")
    def detect() -> Response:
        image = ImageOps.exif_transpose(Image.open(io.BytesIO(request.get_data()))).convert("RGB")
        pixels = np.asarray(image)
        with one_at_a_time:
            faces = finder.find(pixels)
            regions = [face.region for face in faces] or [whole_image_region(*image.size)]
            crops = np.stack([crop_face(pixels, region) for region in regions])
            judged = {name: model.judge(crops) for name, model in models.items()}
        return jsonify(regions=regions, models=judged)

    return app


if __name__ == "__main__":
    make_app(Path(sys.argv[1])).run("127.0.0.1", int(sys.argv[2]), threaded=True)
