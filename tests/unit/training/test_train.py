"""Training on a tiny set: it learns, resumes exactly, and says what is wrong."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from training.augment import AugmentConfig
from training.config import TrainConfig
from training.distributed import Group
from training.face_loader import FaceLoader
from training.manifest import Sample
from training.pairs import Mixture
from training.scoring import SourceAuc
from training.train import (
    RunSettings,
    Trainer,
    build_initialised,
)

ALONE = Group(rank=0, size=1, device=torch.device("cpu"), autocast_dtype=None)
CONFIG = TrainConfig(
    model="cnn",
    options={"size": 32, "widths": (8, 8, 16), "depths": (1, 1), "dropout": 0.0},
    steps=6,
    batch_pairs=4,
    learning_rate=5e-3,
    warmup_steps=2,
    ema_decay=0.5,
    validate_every=3,
    checkpoint_every=1,
    mask_weight=0.5,
    mixture=Mixture({"alpha": 1.0}),
    augmentation=AugmentConfig(p_geometry=0, p_rescale=0, p_blur=0),
)

TOML = """
model = "cnn"
steps = 4000
batch_pairs = 2
validate_every = 200
warmup_steps = 1
[options]
size = 32
widths = [8, 8]
depths = [1]
[mixture]
sources = { alpha = 1.0 }
"""


def _trainer(
    config: TrainConfig, folder: Path, samples: list[Sample], loader: FaceLoader
) -> Trainer:
    settings = RunSettings(folder, workers=0, validation_images=24)
    return Trainer(config, settings, samples, loader, ALONE)


@pytest.mark.parametrize(("weight", "same"), [(0.0, True), (0.5, False)])
def test_a_teacher_has_a_say_as_large_as_its_weight(
    tmp_path: Path,
    tiny_samples: list[Sample],
    tiny_loader: FaceLoader,
    weight: float,
    same: bool,
) -> None:
    taught = dataclasses.replace(CONFIG, teacher="model_store/cnn/1.3", teacher_weight=weight)
    for name, config in (("alone", CONFIG), ("taught", taught)):
        assert _trainer(config, tmp_path / name, tiny_samples, tiny_loader).run()
    alone, with_teacher = (
        load_file(tmp_path / name / "best.safetensors")["head.3.weight"]
        for name in ("alone", "taught")
    )
    assert torch.equal(alone, with_teacher) == same


def test_it_learns_an_obvious_forgery(
    tmp_path: Path, tiny_samples: list[Sample], tiny_loader: FaceLoader
) -> None:
    config = dataclasses.replace(CONFIG, steps=40, validate_every=20, ema_decay=0.9)
    trainer = _trainer(config, tmp_path, tiny_samples, tiny_loader)
    assert trainer.run()
    best = json.loads((tmp_path / "best.json").read_text())
    assert best["threads"] == torch.get_num_threads()
    assert best["mean_auc"] > 0.9
    assert set(best["auc"]) == {"alpha", "beta"}
    history = [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    assert [record["step"] for record in history] == [20, 40]


@pytest.mark.parametrize(("keep_last", "step"), [(False, 20), (True, 40)])
def test_a_run_keeps_its_best_weights_or_its_last(
    tmp_path: Path,
    tiny_samples: list[Sample],
    tiny_loader: FaceLoader,
    monkeypatch: pytest.MonkeyPatch,
    keep_last: bool,
    step: int,
) -> None:
    aucs = iter([0.9, 0.6])
    monkeypatch.setattr(
        "training.train.auc_by_source",
        lambda samples, suspicion: [SourceAuc("alpha", next(aucs), len(samples), len(suspicion))],
    )
    config = dataclasses.replace(CONFIG, steps=40, validate_every=20, keep_last=keep_last)
    trainer = _trainer(config, tmp_path, tiny_samples, tiny_loader)
    assert trainer.run()
    assert json.loads((tmp_path / "best.json").read_text())["step"] == step
    assert trainer.best_auc == 0.9


def test_a_resumed_run_equals_one_in_a_single_go(
    tmp_path: Path, tiny_samples: list[Sample], tiny_loader: FaceLoader
) -> None:
    whole = _trainer(CONFIG, tmp_path / "whole", tiny_samples, tiny_loader)
    assert whole.run()
    first = _trainer(CONFIG, tmp_path / "parts", tiny_samples, tiny_loader)
    batches = first._batches()
    for _ in range(2):
        first._train_step(*(part.flatten(0, 1) for part in next(batches)))
    first._save()
    second = _trainer(CONFIG, tmp_path / "parts", tiny_samples, tiny_loader)
    assert second.step == 2
    assert second.run()
    expected = whole.detector.state_dict()
    for name, value in second.detector.state_dict().items():
        assert torch.allclose(value, expected[name], atol=1e-6), name
    kept = load_file(tmp_path / "parts" / "best.safetensors")
    for name, value in load_file(tmp_path / "whole" / "best.safetensors").items():
        assert torch.allclose(kept[name], value, atol=1e-6), name


def test_another_configuration_does_not_resume(
    tmp_path: Path, tiny_samples: list[Sample], tiny_loader: FaceLoader
) -> None:
    _trainer(CONFIG, tmp_path, tiny_samples, tiny_loader)._save()
    with pytest.raises(ValueError, match="another configuration"):
        _trainer(dataclasses.replace(CONFIG, seed=9), tmp_path, tiny_samples, tiny_loader)


def test_a_damaged_checkpoint_is_reported(
    tmp_path: Path, tiny_samples: list[Sample], tiny_loader: FaceLoader
) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(b"half a file")
    with pytest.raises(ValueError, match="remove it to start anew"):
        _trainer(CONFIG, tmp_path, tiny_samples, tiny_loader)


def test_it_stops_early_when_nothing_improves(
    tmp_path: Path, tiny_samples: list[Sample], tiny_loader: FaceLoader
) -> None:
    config = dataclasses.replace(CONFIG, validate_every=1, patience=2, learning_rate=0.0)
    trainer = _trainer(config, tmp_path, tiny_samples, tiny_loader)
    trainer.best_auc = 1.1
    assert trainer.run()
    assert trainer.step == 2


def test_the_seed_decides_the_initial_weights() -> None:
    def first_weight(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return next(build_initialised(CONFIG).parameters())

    assert torch.equal(first_weight(1), first_weight(1))
    assert not torch.equal(first_weight(1), first_weight(2))


def test_lite0_options_reach_the_network() -> None:
    config = TrainConfig("efficientnet", "imagenet-lite0", options={"size": 64})
    assert build_initialised(config).preset.std == pytest.approx((128 / 255,) * 3)


def _command(folder: Path, root: Path) -> list[str]:
    (folder / "run.toml").write_text(TOML)
    return [
        *(sys.executable, "-m", "training.train", "--config", str(folder / "run.toml")),
        *("--data", str(root), "--regions", str(root / "regions.jsonl")),
        *("--run-dir", str(folder / "run"), "--threads", "1", "--workers", "1"),
    ]


@pytest.mark.usefixtures("tiny_regions")
def test_ctrl_c_saves_and_the_same_command_goes_on(tmp_path: Path, tiny_root: Path) -> None:
    command = _command(tmp_path, tiny_root)
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    shown = ""
    while not re.search(r" ([3-9]|\d\d+)/4000", shown):
        character = process.stderr.read(1)
        assert character, shown
        shown += character
    os.kill(process.pid, signal.SIGINT)
    rest = process.communicate(timeout=60)[1]
    assert process.returncode == 130, shown + rest
    assert "run the same command to go on" in rest
    state = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    assert 3 <= state["step"] < 4000


@pytest.mark.usefixtures("tiny_regions")
def test_two_processes_train_one_network(tmp_path: Path, tiny_root: Path) -> None:
    command = _command(tmp_path, tiny_root)
    (tmp_path / "run.toml").write_text(TOML.replace("steps = 4000", "steps = 3"))
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [sys.executable, *launcher, *command[1:]],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    history = (tmp_path / "run" / "history.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in history] == [3]


def test_a_missing_data_set_is_one_clear_sentence(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text(TOML)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "training.train", "--config", str(tmp_path / "run.toml")),
            *("--data", str(tmp_path / "nowhere")),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "no images under" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_error_in_a_step_leaves_no_process_behind(
    tmp_path: Path,
    tiny_samples: list[Sample],
    tiny_loader: FaceLoader,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> float:
        raise RuntimeError("of this step")

    settings = RunSettings(tmp_path / "run", workers=1, validation_images=24)
    trainer = Trainer(CONFIG, settings, tiny_samples, tiny_loader, ALONE)
    monkeypatch.setattr(trainer, "_train_step", fail)
    before = set(multiprocessing.active_children())
    with pytest.raises(RuntimeError, match="of this step") as error:
        trainer.run()
    # While the traceback is there, so is every frame: as when Python ends with one.
    assert set(multiprocessing.active_children()) <= before
    assert error.traceback
