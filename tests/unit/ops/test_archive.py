from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from ops import archive
from ops.errors import OpsError
from ops.settings import MODELS, ROOT, Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A model store whose weights are a few bytes: the archiver does not look into them."""
    for name in MODELS:
        folder = tmp_path / name / "1.0"
        folder.mkdir(parents=True)
        (folder / "model.json").write_text(json.dumps({"name": name}))
        (folder / "weights.safetensors").write_bytes(name.encode())
    (tmp_path / "serving.json").write_text(json.dumps(dict.fromkeys(MODELS, "1.0")))
    return replace(Settings(), model_store=tmp_path)


def digests(store: Path) -> dict[str, str]:
    return {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in store.glob("*.?ar")
    }


def test_everything_is_built_once_and_gives_the_same_bytes_again(settings: Settings) -> None:
    store = settings.model_store
    built = archive.build_all(settings)
    assert built == archive.service_files(store)
    assert archive.build_all(settings) == []
    first = digests(store)
    manifest = archive.read_manifest(store)
    assert {name: entry["sha256"] for name, entry in manifest.items()} == first
    for name in first:
        (store / name).unlink()
    assert sorted(archive.build_all(settings)) == sorted(first)
    assert digests(store) == first


def test_only_what_changed_is_built_again(settings: Settings) -> None:
    archive.build_all(settings)
    (settings.model_store / "cnn" / "1.0" / "weights.safetensors").write_bytes(b"new")
    assert archive.build_all(settings) == ["cnn-1.0.mar"]


def test_another_serving_version_changes_the_workflow(settings: Settings) -> None:
    archive.build_all(settings)
    store = settings.model_store
    (store / "cnn" / "1.0").rename(store / "cnn" / "2.0")
    (store / "serving.json").write_text(json.dumps({"cnn": "2.0", "efficientnet": "1.0"}))
    assert archive.build_all(settings) == ["cnn-2.0.mar", "deepfake.war"]
    with zipfile.ZipFile(store / "deepfake.war") as war:
        assert "url: cnn-2.0.mar" in war.read("deepfake.yaml").decode()


def test_a_model_archive_holds_its_code_and_weights(settings: Settings) -> None:
    archive.build_all(settings)
    with zipfile.ZipFile(settings.model_store / "efficientnet-1.0.mar") as mar:
        names = set(mar.namelist())
        manifest = json.loads(mar.read("MAR-INF/MANIFEST.json"))
        weights = mar.read("weights.safetensors")
    needed = {"model.py", "model.json", "detection/judge.py", "detection/reply.schema.json"}
    assert needed | {"architectures/efficientnet.py", "handlers/exchange.py"} <= names
    assert not any("__pycache__" in name or name.endswith(".pyc") for name in names)
    assert weights == b"efficientnet"
    assert manifest["model"]["modelName"] == "efficientnet"
    assert manifest["model"]["modelVersion"] == "1.0"
    assert manifest["runtime"] == "python"


def test_nodes_of_code_carry_no_weights(settings: Settings) -> None:
    archive.build_all(settings)
    for node in ("ingest", "explain"):
        with zipfile.ZipFile(settings.model_store / f"{node}-1.0.mar") as mar:
            assert f"{node}.py" in mar.namelist()
            assert "weights.safetensors" not in mar.namelist()


def test_no_node_is_a_function() -> None:
    spec = archive.workflow_spec(dict.fromkeys(("ingest", "cnn", "efficientnet", "explain"), "x"))
    assert spec.count("url: x") == 4
    assert f"batch-size: {archive.BATCH_SIZE}" in spec
    assert archive.BATCH_SIZE > 1
    assert "retry-attempts: 2" in spec


def test_crops_travel_to_the_networks_alone() -> None:
    spec = archive.workflow_spec(dict.fromkeys(("ingest", "cnn", "efficientnet", "explain"), "x"))
    assert "    ingest: [cnn, efficientnet]\n" in spec


@pytest.mark.parametrize(("cores", "workers"), [(1, 1), (2, 1), (4, 1), (6, 2), (16, 5), (64, 21)])
def test_every_node_gets_a_third_of_the_cores(
    cores: int, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(cores)))
    spec = archive.workflow_spec(dict.fromkeys(("ingest", "cnn", "efficientnet", "explain"), "x"))
    assert f"min-workers: {workers}\n" in spec
    assert f"max-workers: {workers}\n" in spec


def test_an_altered_archive_is_not_loaded(settings: Settings) -> None:
    store = settings.model_store
    archive.build_all(settings)
    archive.require_known(store, "cnn-1.0.mar")
    with (store / "cnn-1.0.mar").open("ab") as file:
        file.write(b"x")
    with pytest.raises(OpsError, match=r"cnn-1\.0\.mar is not the archive that was built"):
        archive.require_known(store, "cnn-1.0.mar")
    with pytest.raises(OpsError, match=r"There is no other\.mar"):
        archive.require_known(store, "other.mar")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"cnn": "1.0"}'])
def test_a_broken_serving_file_is_one_sentence(settings: Settings, content: str) -> None:
    (settings.model_store / "serving.json").write_text(content)
    with pytest.raises(OpsError, match=r"serving\.json must name a version for each of cnn"):
        archive.build_all(settings)


def test_an_incomplete_version_is_named(settings: Settings) -> None:
    (settings.model_store / "cnn" / "1.0" / "weights.safetensors").unlink()
    with pytest.raises(OpsError, match=r"Version 1\.0 of cnn lacks weights\.safetensors"):
        archive.build_all(settings)


def test_one_model_by_command(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MODEL_STORE", str(settings.model_store))
    assert archive.main(["--model", "cnn"]) == 0
    assert capsys.readouterr().out == "Built cnn-1.0.mar.\n"
    assert archive.main(["--model", "cnn", "--version", "9"]) == 1
    assert "Version 9 of cnn lacks" in capsys.readouterr().err


def test_operating_needs_no_torch() -> None:
    modules = "ops.serve, ops.archive, ops.deploy, ops.status, ops.stop, ops.edge, ops.client"
    code = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
