"""Writes a version of a model as one ONNX graph: crops in, logits and Grad-CAM maps out.

Run as ``python -m detection.export FOLDER FILE``, which `ops.archive` does when an archive is
built; it takes some seconds a network.

The graph holds everything between the crops and the figures: the preprocessing of the network
(there is no second implementation of it), the features, the head, and the maps. With a head of
global average pooling and one linear layer, the weights that Grad-CAM gives the feature maps do
not depend on the picture, so the library is asked for them once, here, and the maps become one
more convolution. Equal inputs give equal bytes.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional

from detection import engine
from detection.geometry import measure_cells
from detection.grad_cam import class_weights
from detection.limits import CROP_SIZE
from detection.version import ModelVersion, VersionError

if TYPE_CHECKING:
    import onnx

_OPSET = 20


class _Whole(nn.Module):
    """Everything between crops and figures, for tracing."""

    weights: torch.Tensor

    def __init__(self, version: ModelVersion) -> None:
        super().__init__()
        self.detector = version.detector
        crops = torch.zeros(1, CROP_SIZE, CROP_SIZE, 3, dtype=torch.uint8)
        with torch.no_grad():
            features = self.detector.feature_maps(self.detector.preset.to_input(crops))
        weights = class_weights(self.detector.head, features.shape[1:])
        self.register_buffer("weights", weights[:, :, None, None])  # 2 x C x 1 x 1

    def forward(self, faces: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Maps crops, uint8 N x S x S x 3, to logits N x 2 and maps N x 2 x h x w."""
        features = self.detector.feature_maps(self.detector.preset.to_input(faces))
        return self.detector.head(features), functional.conv2d(features, self.weights)


def export_graph(folder: Path, target: Path) -> None:
    """Writes the graph of the version in a folder; the file is whole or absent.

    Args:
        folder: See `ModelVersion.load`.
        target: The file to write, replaced if it exists.

    Raises:
        VersionError: The folder is no usable version.
        ValueError: Grad-CAM of its head depends on the picture.
    """
    version = ModelVersion.load(folder)
    faces = torch.zeros(2, CROP_SIZE, CROP_SIZE, 3, dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the exporter's own future
        program = torch.onnx.export(
            _Whole(version).eval(),
            (faces,),
            input_names=[engine.INPUT],
            output_names=[engine.LOGITS, engine.MAPS],
            dynamic_shapes=({0: torch.export.Dim("N", min=1, max=1024)},),
            opset_version=_OPSET,
            dynamo=True,
            verbose=False,
        )
    if program is None:
        raise VersionError(f"{folder}: the exporter gave no graph")
    content = _plain(program.model_proto, version)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    temporary.write_bytes(content)
    temporary.replace(target)


def _plain(model: onnx.ModelProto, version: ModelVersion) -> bytes:
    """Takes out what says where and by which build a graph was made; puts in what it is of."""
    graph = model.graph
    described: list[Any] = [graph, *graph.node, *graph.input, *graph.output]
    for part in (*described, *graph.initializer, *graph.value_info):
        part.ClearField("doc_string")
        part.ClearField("metadata_props")
    model.ClearField("producer_version")
    model.ClearField("metadata_props")
    facts = {
        engine.WEIGHTS_SHA256: version.facts.weights_sha256,
        engine.CELLS: json.dumps(asdict(measure_cells(version.detector))),
    }
    for key, value in facts.items():
        model.metadata_props.add(key=key, value=value)
    return bytes(model.SerializeToString(deterministic=True))


def main(arguments: list[str]) -> int:
    """Entry point; exit status 1 with one sentence where the version cannot be exported."""
    parser = argparse.ArgumentParser(
        prog="python -m detection.export", description="Write a version as an ONNX graph."
    )
    parser.add_argument("folder", type=Path, help="folder of the version")
    parser.add_argument("file", type=Path, help="the graph to write")
    options = parser.parse_args(arguments)
    logging.disable(logging.WARNING)  # the exporter's remarks
    torch.set_num_threads(1)
    try:
        export_graph(options.folder, options.file)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
