from __future__ import annotations

from pathlib import Path

import pytest

from ops.seed import seed


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for folder in ("cnn/1.0", "cnn/1.1", "efficientnet/1.0"):
        (tmp_path / "image" / folder).mkdir(parents=True)
        (tmp_path / "image" / folder / "model.json").write_text(folder)
    (tmp_path / "image" / "serving.json").write_text("new")
    return tmp_path / "image"


def test_an_empty_store_gets_everything(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "volume"
    assert seed(source, target) == ["cnn/1.0", "cnn/1.1", "efficientnet/1.0"]
    assert (target / "cnn/1.1/model.json").read_text() == "cnn/1.1"
    assert (target / "serving.json").read_text() == "new"
    assert seed(source, target) == []


def test_what_is_there_stays_but_for_the_default(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "volume"
    (target / "cnn/1.0").mkdir(parents=True)
    (target / "cnn/1.0/model.json").write_text("mine")
    (target / "serving.json").write_text("old")
    assert seed(source, target) == ["cnn/1.1", "efficientnet/1.0"]
    assert (target / "cnn/1.0/model.json").read_text() == "mine"
    assert (target / "serving.json").read_text() == "new"


def test_a_copy_that_was_cut_off_is_made_again(source: Path, tmp_path: Path) -> None:
    half = tmp_path / "volume/cnn/.1.1.new"
    half.mkdir(parents=True)
    (half / "weights").write_text("half")
    assert "cnn/1.1" in seed(source, tmp_path / "volume")
    assert [file.name for file in (tmp_path / "volume/cnn/1.1").iterdir()] == ["model.json"]
    assert not half.exists()
