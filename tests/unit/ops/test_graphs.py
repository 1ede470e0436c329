from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops import archive, graphs
from ops.errors import OpsError
from ops.settings import ROOT
from tests.support.service import write_untrained_version


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    write_untrained_version(folder, "cnn", "7.0")
    return folder


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("graphs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(graphs, "_CACHE", folder)
        yield folder


def test_an_archive_holds_the_graph_which_is_made_once(
    store: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert archive.build(store, [archive.model_plan(store, "cnn", "7.0")]) == ["cnn-7.0.mar"]
    (kept,) = cache.iterdir()
    with zipfile.ZipFile(store / "cnn-7.0.mar") as mar:
        assert mar.read(graphs.GRAPH) == kept.read_bytes()
    monkeypatch.setattr(graphs, "_export", lambda *_: pytest.fail("exported again"))
    (store / "cnn-7.0.onnx").write_bytes(b"damaged")
    again = graphs.graph(store, "cnn", "7.0")
    assert again is not None
    assert again.read_bytes() == kept.read_bytes()
    assert archive.build(store, [archive.model_plan(store, "cnn", "7.0")]) == []


def test_where_the_code_is_read_only_graphs_are_kept_in_the_store(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graphs, "_CACHE", Path("/proc/graphs"))  # nobody can make that
    monkeypatch.setattr(graphs, "_export", lambda _folder, target: target.write_bytes(b"graph"))
    made = graphs.graph(store, "cnn", "7.0")
    assert made is not None
    assert made.read_bytes() == b"graph"
    assert [path.read_bytes() for path in (store / ".graphs").iterdir()] == [b"graph"]


def test_other_weights_are_exported_anew(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = store / "cnn" / "7.0" / "weights.safetensors"
    before = weights.read_bytes()
    monkeypatch.setattr(graphs, "_export", lambda _folder, target: target.write_bytes(b"new"))
    weights.write_bytes(before + b" ")
    again = graphs.graph(store, "cnn", "7.0")
    weights.write_bytes(before)
    assert again is not None
    assert again.read_bytes() == b"new"


def test_a_version_that_cannot_be_exported_is_named(store: Path) -> None:
    folder = store / "cnn" / "8.0"
    folder.mkdir()
    (folder / "model.json").write_text('{"architecture": "cnn"}')
    (folder / "weights.safetensors").write_bytes(b"")
    with pytest.raises(OpsError, match=r"8\.0 could not be exported for ONNX Runtime: .* lacks"):
        graphs.graph(store, "cnn", "8.0")
    (folder / "model.json").write_text("{")
    with pytest.raises(OpsError, match=r"Version 8\.0 of cnn has no readable model\.json"):
        graphs.graph(store, "cnn", "8.0")


def test_a_description_without_architecture_has_no_graph(store: Path) -> None:
    folder = store / "cnn" / "9.0"
    folder.mkdir()
    (folder / "model.json").write_text('{"name": "cnn"}')
    assert graphs.graph(store, "cnn", "9.0") is None


@pytest.mark.parametrize(
    ("statement", "loaded"),
    [
        ("import torch, ts.model_service_worker", False),
        ("import ts.model_service_worker, handlers.ingest, handlers.explain", False),
        ("import handlers.model", False),
        ("from torch import nn", True),
        ("import torch.nn.functional", True),
        ("import torch; torch.zeros(1)", True),
    ],
)
def test_workers_load_torch_at_its_first_use(statement: str, loaded: bool) -> None:
    code = f"import sys; {statement}; print('torch._C' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT / 'ops' / 'torchserve' / 'worker'}:{ROOT}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [str(loaded)]
