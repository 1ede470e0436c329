"""The exported graph answers as torch does, and no other graph is taken for it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import torch

from architectures.detector import CLASSES
from detection import engine as engine_module
from detection.engine import GRAPH, INPUT, GraphEngine, default_device
from detection.export import export_graph, main
from detection.faces import crop_face
from detection.judge import Judge
from detection.limits import CROP_SIZE
from detection.pipeline import Pipeline
from detection.session import open_session
from detection.version import CLASSES as CLASSES_WITHOUT_TORCH
from detection.version import VersionError, graph_file

UInt8Array = npt.NDArray[np.uint8]


@pytest.fixture(
    scope="module", params=["cnn", "efficientnet", "cnn mirrored", "efficientnet mirrored"]
)
def folder(
    request: pytest.FixtureRequest, model_store: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A version with its graph, as an archive holds it."""
    name, _, mirrored = request.param.partition(" ")
    there: Path = tmp_path_factory.mktemp("exported") / name / "1.0"
    shutil.copytree(model_store / name / "1.0", there)
    if mirrored:
        description = json.loads((there / "model.json").read_text())
        description["preset"]["mirrored"] = True
        (there / "model.json").write_text(json.dumps(description))
    export_graph(there, there / GRAPH)
    return there


@pytest.fixture(scope="module")
def crops(portrait: UInt8Array) -> UInt8Array:
    """Crops of the portrait, shifted and scaled, a blank one and noise; 12 in all."""
    regions = [(160 + 20 * i, 40 + 10 * i, 300 + 20 * i, 180 + 10 * i) for i in range(10)]
    blank = np.full((CROP_SIZE, CROP_SIZE, 3), 140, np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, blank.shape, dtype=np.uint8)
    return np.stack([*(crop_face(portrait, region) for region in regions), blank, noise])


def test_same_figures_and_maps_as_torch(folder: Path, crops: UInt8Array, tmp_path: Path) -> None:
    graph, in_torch = Judge(folder, device="cpu"), Judge(folder, "cpu", graph=tmp_path / "none")
    assert (graph.facts.engine, in_torch.facts.engine) == ("onnxruntime", "torch")
    one, other = graph.judge(crops), in_torch.judge(crops)
    assert one.probabilities == pytest.approx(other.probabilities, abs=1e-4)
    assert one.grids == pytest.approx(other.grids, abs=1e-3)
    assert one.localised.tolist() == other.localised.tolist()
    assert one.localised.sum() >= 5  # else the maps above are all zero
    assert (graph.cells.first, graph.cells.step) == pytest.approx(
        (in_torch.cells.first, in_torch.cells.step), abs=1e-5
    )
    assert graph.cells.first_column == in_torch.cells.first_column


def test_figures_do_not_depend_on_the_batch(folder: Path, crops: UInt8Array) -> None:
    judge = Judge(folder, device="cpu")
    together = judge.judge(crops)
    for index in range(len(crops)):
        alone = judge.judge(crops[index : index + 1])
        assert alone.probabilities[0] == pytest.approx(together.probabilities[index], abs=1e-5)
        assert alone.grids[0] == pytest.approx(together.grids[index], abs=1e-3)


def test_equal_inputs_give_equal_bytes_that_name_no_place(folder: Path, tmp_path: Path) -> None:
    assert main([str(folder), str(tmp_path / "again.onnx")]) == 0
    content = (tmp_path / "again.onnx").read_bytes()
    assert content == (folder / GRAPH).read_bytes()
    assert b".py" not in content
    assert str(folder).encode() not in content
    onnx.checker.check_model(onnx.load_model_from_string(content), full_check=True)


def test_a_graph_of_other_weights_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="other weights: run `make archive`"):
        GraphEngine(folder / GRAPH, "0" * 64)


def test_passes_of_every_size_have_run_before_the_first_picture(
    folder: Path, crops: UInt8Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else memory grows, and a picture waits, whenever a size first comes."""
    sizes = []

    def open_watched(*arguments: Any, **options: Any) -> Any:
        session = open_session(*arguments, **options)
        run = session.run

        def watched(outputs: list[str], inputs: dict[str, UInt8Array]) -> Any:
            sizes.append(len(inputs[INPUT]))
            return run(outputs, inputs)

        session.run = watched
        return session

    monkeypatch.setattr(engine_module, "open_session", open_watched)
    judge = Judge(folder, device="cpu")
    warmed_up = sizes.copy()
    sizes.clear()
    judge.judge(crops)
    judge.judge(crops[:5])
    assert len(set(sizes)) > 1
    assert all(warmed_up.count(size) == 2 for size in sizes)


@pytest.mark.parametrize("content", [b"", b"not a graph"])
def test_a_damaged_graph_is_refused(folder: Path, tmp_path: Path, content: bytes) -> None:
    damaged = tmp_path / GRAPH
    damaged.write_bytes(content)
    with pytest.raises(VersionError, match="no usable graph"):
        Judge(folder, "cpu", graph=damaged)


def test_weights_are_not_needed_beside_a_graph(
    folder: Path, crops: UInt8Array, tmp_path: Path
) -> None:
    alone = tmp_path / "alone"
    alone.mkdir()
    for name in ("model.json", GRAPH):
        shutil.copyfile(folder / name, alone / name)
    assert Judge(alone, "cpu").judge(crops[:1]).probabilities.shape == (1, 2)


def test_a_version_that_cannot_be_exported_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path), str(tmp_path / "graph.onnx")]) == 1
    assert "model.json cannot be read" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_pipeline_takes_the_graph_beside_the_archives(
    model_store: Path, tmp_path: Path, portrait_jpeg: bytes
) -> None:
    shutil.copytree(model_store, tmp_path / "store")
    store = tmp_path / "store"
    export_graph(store / "cnn" / "1.0", graph_file(store, "cnn", "1.0"))
    reply = Pipeline(store, device="cpu").judge(portrait_jpeg)
    assert reply["models"]["cnn"]["engine"] == "onnxruntime"
    assert reply["models"]["efficientnet"]["engine"] == "torch"


def test_a_gpu_is_used_if_torch_can() -> None:
    assert default_device() == ("cuda" if torch.cuda.is_available() else "cpu")


def test_torch_is_not_asked_where_there_is_no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detection.engine._GPU_DEVICES", ("/dev/nowhere",))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: pytest.fail("torch was asked"))
    assert default_device() == "cpu"


def test_class_names_are_those_of_the_networks() -> None:
    assert CLASSES_WITHOUT_TORCH == CLASSES
