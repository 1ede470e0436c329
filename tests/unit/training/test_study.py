from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from training.study import as_markdown, load_study, merged

STUDIES = sorted(Path("training/studies").glob("*.toml"))

BASE = """
model = "cnn"
batch_pairs = 2
warmup_steps = 1
[options]
size = 32
widths = [8, 8]
depths = [1]
[mixture]
sources = { alpha = 0.5, beta = 0.5 }
"""
STUDY = """
title = "Rates"
base = "base.toml"
hold_out = ["beta"]
[shared]
steps = 2
[variants."slow"]
[variants."fast"]
learning_rate = 5e-3
"""


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_shipped_studies_load(path: Path) -> None:
    study = load_study(path)
    assert len({variant.name for variant in study.variants}) == len(study.variants) > 1
    assert all(v.config.validate_every == v.config.steps for v in study.variants)


@pytest.fixture
def study_file(tmp_path: Path) -> Path:
    (tmp_path / "base.toml").write_text(BASE)
    path = tmp_path / "rates.toml"
    path.write_text(STUDY)
    return path


def test_variants_differ_in_what_they_say_alone(study_file: Path) -> None:
    slow, fast = load_study(study_file).variants
    assert slow.name == "slow, without beta"
    assert slow.config.mixture.exclude == ("beta",)
    assert fast.config.learning_rate == 5e-3
    assert slow.config.learning_rate != 5e-3
    assert slow.config.steps == fast.config.steps == slow.config.validate_every == 2


def test_a_held_out_forgery_may_leave_its_photos(study_file: Path) -> None:
    study_file.write_text(STUDY.replace("hold_out", "keep_photos = true\nhold_out"))
    study = load_study(study_file)
    assert study.keep_photos
    assert {variant.config.mixture.unseen for variant in study.variants} == {("beta",)}
    assert {variant.config.mixture.exclude for variant in study.variants} == {()}
    assert "its photos were not" in as_markdown(study, {}, "make study")


def test_tables_are_merged_or_replaced() -> None:
    mixture = {"sources": {"a": 1, "b": 2}, "self_blended": 0.3}
    values: dict[str, Any] = {"mixture": mixture, "steps": 5}
    assert merged(values, {"mixture": {"sources": {"b": 3}}})["mixture"] == {
        "sources": {"a": 1, "b": 3},
        "self_blended": 0.3,
    }
    replaced = merged(values, {"mixture": {"sources": {"only": {"c": 1}}}})
    assert replaced["mixture"]["sources"] == {"c": 1}
    assert values["mixture"]["sources"] == {"a": 1, "b": 2}


def test_what_is_wrong_is_named(study_file: Path) -> None:
    study_file.write_text(STUDY.replace("title", "heading"))
    with pytest.raises(ValueError, match="unknown setting 'heading'"):
        load_study(study_file)
    study_file.write_text(STUDY.replace("learning_rate", "learning_rat"))
    with pytest.raises(ValueError, match=r"rates\.toml.*learning_rat"):
        load_study(study_file)
    study_file.write_text(STUDY.replace('base = "base.toml"', ""))
    with pytest.raises(ValueError, match="base"):
        load_study(study_file)
    with pytest.raises(FileNotFoundError):
        load_study(study_file.with_name("none.toml"))


def test_a_study_runs_and_keeps_what_is_done(
    study_file: Path, tiny_root: Path, tiny_regions: Path, tmp_path: Path
) -> None:
    command = [
        *(sys.executable, "-m", "training.study", str(study_file), "--data", str(tiny_root)),
        *("--regions", str(tiny_regions), "--out", str(tmp_path / "out"), "--threads", "1"),
        *("--workers", "0"),
    ]
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}  # noqa: PTH109 (the repository)
    subprocess.run(command, check=True, env=environment, capture_output=True)
    figures = tmp_path / "out/rates/fast-without-beta/figures.json"
    found = json.loads(figures.read_text())
    assert set(found["sources"]) == {"alpha", "beta"}
    assert 0 <= found["sources"]["beta"]["auc"]["low"] <= found["sources"]["beta"]["auc"]["high"]
    table = study_file.with_suffix(".md").read_text()
    assert table.count("**") == 4  # the held-out source of both runs
    made = figures.stat().st_mtime_ns
    subprocess.run(command, check=True, env=environment, capture_output=True)
    assert figures.stat().st_mtime_ns == made
    assert study_file.with_suffix(".md").read_text() == table
    subprocess.run([*command, "--only", "fast"], check=True, env=environment, capture_output=True)
    assert study_file.with_suffix(".md").read_text() == table  # what ran before stays in it
    none = subprocess.run(
        [*command, "--only", "x9"], check=False, env=environment, capture_output=True, text=True
    )
    assert none.returncode == 2
    assert "no run of" in none.stderr


def test_the_table_has_a_row_for_each_finished_run(study_file: Path) -> None:
    study = load_study(study_file)
    auc = {"value": 0.75, "low": 0.7, "high": 0.8}
    called = {"value": 0.25, "low": 0.2, "high": 0.3}
    sources = {
        "beta": {"auc": auc, "real_called_fake": called},
        "lfw": {"real_called_fake": called},
    }
    table = as_markdown(study, {"slow, without beta": {"sources": sources}}, "make study")
    assert "| slow, without beta | **0.750 (0.700 to 0.800)** | 0.750 | 25 % |" in table
    assert "fast" not in table
