"""Whether 8-bit networks would do: their speed and AUC beside the present ones'.

Static quantisation with calibration crops of the training split, compared on validation crops.
Run as `python -m tests.perf.int8 DATA` after `make archive`. It was not kept: the area under the
ROC curve falls by more than the 0.005 that would be worth it.
"""

from __future__ import annotations

import csv
import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
from onnxruntime import quantization
from onnxruntime.quantization.shape_inference import quant_pre_process
from PIL import Image
from sklearn.metrics import roc_auc_score

from detection.engine import INPUT, LOGITS
from detection.faces import FaceFinder, crop_face, whole_image_region
from detection.session import open_session
from detection.version import graph_file, serving_versions
from ops.settings import ROOT
from tests.perf.bench.figures import interleaved, summary

UInt8Array = npt.NDArray[np.uint8]
_CALIBRATION, _VALIDATION, _BATCH = 64, 600, 8


def crops(data: Path, split: str, count: int) -> tuple[UInt8Array, npt.NDArray[np.bool_]]:
    """Face crops of a split, and which are fake."""
    with (data / "manifest.csv").open() as file:
        rows = [
            row for row in csv.DictReader(file) if (row["split"], row["source"]) == (split, "dfdc")
        ]
    chosen = random.Random(0).sample(rows, count)  # noqa: S311 - not for cryptography
    finder, found = FaceFinder(), []
    for row in chosen:
        pixels = np.asarray(Image.open(data / row["path"]).convert("RGB"))
        faces = finder.find(pixels)
        whole = whole_image_region(pixels.shape[1], pixels.shape[0])
        found.append(crop_face(pixels, faces[0].region if faces else whole))
    return np.stack(found), np.array([row["label"] == "Fake" for row in chosen])


class _Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, faces: UInt8Array) -> None:
        self._batches: Iterator[UInt8Array] = iter(np.split(faces, len(faces) // _BATCH))

    def get_next(self) -> dict[str, UInt8Array] | None:
        batch = next(self._batches, None)
        return None if batch is None else {INPUT: batch}


def quantised(graph: Path, calibration: UInt8Array) -> onnxruntime.InferenceSession:
    """The 8-bit form of a graph: per-channel weights, activations by their range."""
    with tempfile.TemporaryDirectory() as folder:
        prepared, target = Path(folder) / "prepared.onnx", Path(folder) / "int8.onnx"
        quant_pre_process(str(graph), str(prepared), skip_symbolic_shape=True)
        quantization.quantize_static(
            str(prepared),
            str(target),
            _Reader(calibration),
            quant_format=quantization.QuantFormat.QDQ,
            per_channel=True,
        )
        return open_session(target)


def auc(session: onnxruntime.InferenceSession, faces: UInt8Array, fake: object) -> float:
    """Area under the ROC curve of a network's logits."""
    batches = np.split(faces, len(faces) // _BATCH)
    logits = np.concatenate([session.run([LOGITS], {INPUT: batch})[0] for batch in batches])
    return float(roc_auc_score(fake, logits[:, 0] - logits[:, 1]))


def main() -> None:
    """Prints a line a network and precision."""
    data, store = Path(sys.argv[1]), ROOT / "model_store"
    calibration, _ = crops(data, "train", _CALIBRATION)
    faces, fake = crops(data, "validation", _VALIDATION)
    for name, version in serving_versions(store).items():
        graph = graph_file(store, name, version)
        sessions = {"float32": open_session(graph), "int8": quantised(graph, calibration)}
        jobs = {
            precision: lambda session=session: session.run(None, {INPUT: faces[:1]})
            for precision, session in sessions.items()
        }
        for precision, times in interleaved(jobs, 5).items():
            area = auc(sessions[precision], faces, fake)
            print(f"{name:14} {precision:8} AUC {area:.4f}  {summary(times)['p50_ms']:6.2f} ms")


if __name__ == "__main__":
    main()
