from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from ops import archive, manifest
from ops.errors import OpsError
from ops.settings import MODELS, ROOT, Settings
from tests.support.rights import bound_by_rights, make_read_only
from tests.support.service import environment


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A model store whose weights are a few bytes: the archiver does not look into them."""
    store = tmp_path / "store"
    for name in MODELS:
        folder = store / name / "1.0"
        folder.mkdir(parents=True)
        (folder / "model.json").write_text(json.dumps({"name": name}))
        (folder / "weights.safetensors").write_bytes(name.encode())
    (store / "serving.json").write_text(json.dumps(dict.fromkeys(MODELS, "1.0")))
    return Settings(model_store=store, run_dir=tmp_path / "run", state_dir=tmp_path / "state")


def digests(store: Path) -> dict[str, str]:
    return {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in store.glob("*.?ar")
    }


def test_everything_is_built_once_and_gives_the_same_bytes_again(settings: Settings) -> None:
    store = settings.model_store
    built = archive.build_all(settings)
    assert built == ["ingest-1.0.mar", "explain-1.0.mar", "cnn-1.0.mar", "efficientnet-1.0.mar"]
    assert archive.build_all(settings) == []
    first = digests(store)
    assert {name: entry["sha256"] for name, entry in manifest.read(store).items()} == first
    for name in first:
        (store / name).unlink()
    assert sorted(archive.build_all(settings)) == sorted(first)
    assert digests(store) == first


def test_only_what_changed_is_built_again(settings: Settings) -> None:
    archive.build_all(settings)
    (settings.model_store / "cnn" / "1.0" / "weights.safetensors").write_bytes(b"new")
    assert archive.build_all(settings) == ["cnn-1.0.mar"]


def test_the_workflow_names_the_versions_it_is_built_for(settings: Settings) -> None:
    defaults = {"cnn": "1.0", "efficientnet": "1.0"}
    assert archive.build_workflow(settings, defaults) == ["deepfake.war"]
    assert archive.build_workflow(settings, defaults) == []
    first = digests(settings.workflow_store)
    assert archive.build_workflow(settings, defaults | {"cnn": "2.0"}) == ["deepfake.war"]
    with zipfile.ZipFile(settings.workflow_store / "deepfake.war") as war:
        spec = war.read("deepfake.yaml").decode()
    assert "url: cnn-2.0.mar" in spec
    assert "url: efficientnet-1.0.mar" in spec
    assert archive.build_workflow(settings, defaults) == ["deepfake.war"]
    assert digests(settings.workflow_store) == first


def test_equal_inputs_give_equal_bytes_anywhere(settings: Settings, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(settings.model_store, elsewhere)
    for file in elsewhere.rglob("*.*"):  # later files in another order, with other rights
        file.chmod(0o600)
        os.utime(file, (2e9, 2e9))
    archive.build_all(settings)
    archive.build_all(replace(settings, model_store=elsewhere))
    assert len(digests(elsewhere)) == 4
    assert digests(elsewhere) == digests(settings.model_store)
    assert manifest.read(elsewhere) == manifest.read(settings.model_store)


def build_bound_by_rights(settings: Settings) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*bound_by_rights(), sys.executable, "-m", "ops.archive"],
        cwd=ROOT,
        env=environment(settings),
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_read_only_store_will_do_where_everything_is_built(settings: Settings) -> None:
    archive.build_all(settings)
    before = {path: path.stat().st_mtime_ns for path in settings.model_store.rglob("*")}
    make_read_only(settings.model_store)
    done = build_bound_by_rights(settings)
    assert (done.returncode, done.stdout) == (0, "Built deepfake.war.\n"), done.stderr
    assert {path: path.stat().st_mtime_ns for path in settings.model_store.rglob("*")} == before


def test_a_read_only_store_that_lacks_something_is_one_sentence(settings: Settings) -> None:
    archive.build_all(settings)
    (settings.model_store / "cnn-1.0.mar").unlink()
    make_read_only(settings.model_store)
    done = build_bound_by_rights(settings)
    assert done.returncode == 1
    assert "cannot be written (Permission denied): run `make archive` as its owner" in done.stderr
    assert len(done.stderr.splitlines()) == 1


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
    assert "retry-attempts: 1" in spec


def test_crops_travel_to_the_networks_alone() -> None:
    spec = archive.workflow_spec(dict.fromkeys(("ingest", "cnn", "efficientnet", "explain"), "x"))
    assert "    ingest: [cnn, efficientnet]\n" in spec


@pytest.mark.parametrize(("cores", "workers"), [(1, 1), (2, 1), (4, 2), (6, 2), (16, 6), (64, 26)])
def test_every_node_gets_two_fifths_of_the_cores(
    cores: int, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(cores)))
    spec = archive.workflow_spec(dict.fromkeys(("ingest", "cnn", "efficientnet", "explain"), "x"))
    assert f"min-workers: {workers}\n" in spec
    assert f"max-workers: {workers}\n" in spec


def test_an_altered_archive_is_not_loaded(settings: Settings) -> None:
    store = settings.model_store
    archive.build_all(settings)
    manifest.require_known(store, "cnn-1.0.mar")
    with (store / "cnn-1.0.mar").open("ab") as file:
        file.write(b"x")
    with pytest.raises(OpsError, match=r"cnn-1\.0\.mar is not the archive that was built"):
        manifest.require_known(store, "cnn-1.0.mar")
    with pytest.raises(OpsError, match=r"There is no other\.mar"):
        manifest.require_known(store, "other.mar")
    (store / "cnn-2.0.mar").write_bytes(b"x")
    with pytest.raises(OpsError, match=r"not in the manifest .*`make archive MODEL=cnn VERSION=2"):
        manifest.require_known(store, "cnn-2.0.mar")


def test_an_altered_archive_is_built_again(settings: Settings) -> None:
    archive.build_all(settings)
    whole = digests(settings.model_store)
    (settings.model_store / "cnn-1.0.mar").write_bytes(b"x")
    assert archive.build_all(settings) == ["cnn-1.0.mar"]
    assert digests(settings.model_store) == whole


@pytest.mark.parametrize("version", ["", "../1.0", "..", "1.0/../1.0", "-1", "1 0", "1.0\n"])
def test_a_version_is_no_path(settings: Settings, version: str) -> None:
    with pytest.raises(OpsError, match="is no version"):
        archive.model_plan(settings.model_store, "cnn", version)


@pytest.mark.parametrize("content", [b"", b"x" * 99])
def test_what_is_no_archive_of_a_model(settings: Settings, content: bytes) -> None:
    (settings.model_store / "cnn-1.0.mar").write_bytes(content)
    with pytest.raises(OpsError, match=r"cnn-1\.0\.mar is no archive of a model"):
        archive.describe(settings.model_store, "cnn-1.0.mar")


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
