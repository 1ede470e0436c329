import copy
import dataclasses
import json
from pathlib import Path

import pytest
import torch

from architectures import build
from architectures.weights import save_weights
from detection.scaling import Scaling
from detection.version import ModelVersion
from training.calibration import Thresholds
from training.checkpoint import write_json
from training.config import TrainConfig
from training.publish import (
    Calibration,
    Run,
    average_with,
    centre_head,
    load_run,
    publish,
    shift_margin,
)
from training.train import build_initialised

CALIBRATION = Calibration(
    scaling=Scaling(1.5),
    intercept=0.0,
    thresholds=Thresholds(fake=0.8, real=0.3),
    error_rates={"false_fake": 0.05, "false_real": 0.1},
    ece_before=0.1,
    ece_after=0.02,
    auc={"alpha": 0.9},
    images=100,
)


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """A finished run of an untrained EfficientNet, as `training.train` leaves it."""
    folder = tmp_path / "efficientnet"
    folder.mkdir()
    config = TrainConfig("efficientnet", "imagenet-lite0", options={"size": 64})
    save_weights(build_initialised(config), folder / "best.safetensors", half=False)
    plain = {
        "model": config.model,
        "initialisation": config.initialisation,
        "seed": 1,
        "options": config.options,
        "steps": 10,
        "mixture": {"sources": {"alpha": 1.0}, "self_blended": 0.5, "exclude": []},
    }
    write_json(folder / "best.json", {"step": 7, "config": plain})
    return folder


def test_a_published_version_judges_as_the_run_did(tmp_path: Path, run_folder: Path) -> None:
    run = load_run(run_folder)
    publish(run, CALIBRATION, tmp_path / "store" / "1.2")
    version = ModelVersion.load(tmp_path / "store" / "1.2")
    assert version.scaling == Scaling(1.5)
    faces = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8)
    with torch.no_grad():
        pixels = run.detector.preset.to_input(faces)
        assert torch.equal(version.detector.eval()(pixels), run.detector(pixels))


def _run_beside_a_tripled_version(run_folder: Path, version: Path) -> Run:
    """Loads a run and publishes a version with three times its weights."""
    run = load_run(run_folder)
    other = copy.deepcopy(run.detector)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(3)
    publish(dataclasses.replace(run, detector=other), CALIBRATION, version)
    return run


def test_averaging_gives_the_mean_of_a_run_and_a_version_and_says_so(
    tmp_path: Path, run_folder: Path
) -> None:
    run = _run_beside_a_tripled_version(run_folder, tmp_path / "1.2")
    averaged = average_with(run, tmp_path / "1.2")
    for mine, before in zip(averaged.detector.parameters(), run.detector.parameters(), strict=True):
        assert torch.allclose(mine, 2 * before, rtol=2e-3, atol=1e-6)
    publish(averaged, CALIBRATION, tmp_path / "1.3")
    description = json.loads((tmp_path / "1.3" / "model.json").read_text())
    assert description["averaged_with"] == "1.2"
    assert description["command"].endswith("AVERAGE_WITH=1.2")
    assert "those of version 1.2" in (tmp_path / "1.3" / "README.md").read_text()
    with pytest.raises(FileNotFoundError, match="no version"):
        average_with(run, tmp_path / "9.9")


def test_an_average_may_hold_less_of_the_run_than_of_the_version(
    tmp_path: Path, run_folder: Path
) -> None:
    run = _run_beside_a_tripled_version(run_folder, tmp_path / "1.2")
    averaged = average_with(run, tmp_path / "1.2", 0.25)
    for mine, before in zip(averaged.detector.parameters(), run.detector.parameters(), strict=True):
        assert torch.allclose(mine, 2.5 * before, rtol=2e-3, atol=1e-6)
    publish(averaged, CALIBRATION, tmp_path / "1.3")
    description = json.loads((tmp_path / "1.3" / "model.json").read_text())
    assert description["average_share"] == 0.25
    assert description["command"].endswith("AVERAGE_WITH=1.2 AVERAGE_SHARE=0.25")
    card = (tmp_path / "1.3" / "README.md").read_text()
    assert "0.25 of this run's weights and 0.75 of those of version 1.2" in card
    for share in (0.0, 1.0, 1.5):
        with pytest.raises(ValueError, match="must lie between 0 and 1"):
            average_with(run, tmp_path / "1.2", share)


def test_the_folder_holds_weights_card_and_figures(tmp_path: Path, run_folder: Path) -> None:
    folder = tmp_path / "store" / "1.2"
    publish(load_run(run_folder), CALIBRATION, folder)
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md",
        "metrics.json",
        "model.json",
        "weights.safetensors",
    ]
    card = (folder / "README.md").read_text()
    model = json.loads((folder / "model.json").read_text())
    assert model["weights_sha256"] in card
    assert model["command"] == "make train calibrate MODEL=efficientnet VERSION=1.2"
    assert "imagenet-lite0" in card
    assert (folder / "weights.safetensors").stat().st_size < 10e6
    assert [path.name for path in folder.parent.iterdir()] == ["1.2"]


def test_another_input_size_is_part_of_the_command(tmp_path: Path, run_folder: Path) -> None:
    run = load_run(run_folder, size=65)
    assert run.detector.preset.size == 65
    publish(run, CALIBRATION, tmp_path / "1.0")
    model = json.loads((tmp_path / "1.0" / "model.json").read_text())
    assert model["command"].endswith("VERSION=1.0 SIZE=65")
    assert model["preset"]["size"] == 65


def test_judging_mirror_images_too_is_part_of_version_command_and_card(
    tmp_path: Path, run_folder: Path
) -> None:
    folder = tmp_path / "1.0"
    publish(load_run(run_folder, mirrored=True), CALIBRATION, folder)
    assert ModelVersion.load(folder).detector.preset.mirrored
    assert json.loads((folder / "model.json").read_text())["command"].endswith("MIRRORED=1")
    assert "mirror image" in (folder / "README.md").read_text()


def test_the_command_names_the_threads_that_it_was_trained_with(
    tmp_path: Path, run_folder: Path
) -> None:
    record = json.loads((run_folder / "best.json").read_text())
    write_json(run_folder / "best.json", {**record, "threads": 1})
    publish(load_run(run_folder), CALIBRATION, tmp_path / "1.0")
    model = json.loads((tmp_path / "1.0" / "model.json").read_text())
    assert model["command"].endswith('VERSION=1.0 ARGS="--threads 1"')


def test_a_run_on_a_gpu_is_named_as_such_without_threads_of_the_cpu(
    tmp_path: Path, run_folder: Path
) -> None:
    record = json.loads((run_folder / "best.json").read_text())
    write_json(run_folder / "best.json", {**record, "threads": 1, "device": "NVIDIA H200"})
    publish(load_run(run_folder), CALIBRATION, tmp_path / "1.0")
    model = json.loads((tmp_path / "1.0" / "model.json").read_text())
    assert model["trained_on"] == "NVIDIA H200"
    assert "--threads" not in model["command"]
    card = (tmp_path / "1.0" / "README.md").read_text()
    assert "on one NVIDIA H200 in mixed precision" in card


def test_the_command_names_both_stages(tmp_path: Path, run_folder: Path) -> None:
    second = run_folder.rename(tmp_path / "efficientnet-129")
    record = json.loads((second / "best.json").read_text())
    record["config"]["initial_weights"] = "build/training/efficientnet/best.safetensors"
    write_json(second / "best.json", record)
    publish(load_run(second), CALIBRATION, tmp_path / "1.1")
    command = json.loads((tmp_path / "1.1" / "model.json").read_text())["command"]
    assert command == (
        "make train MODEL=efficientnet && "
        "make train calibrate MODEL=efficientnet CONFIG=efficientnet-129 VERSION=1.1"
    )


def test_the_margin_is_shifted_in_the_last_bias(run_folder: Path) -> None:
    detector = load_run(run_folder).detector
    pixels = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        before = detector(pixels)
        shift = shift_margin(detector, 0.37)
        after = detector(pixels)
    assert shift == pytest.approx(0.37, abs=1e-3)
    assert torch.allclose(after[:, 0] - before[:, 0], torch.tensor(shift), atol=1e-5)
    assert torch.equal(after[:, 1], before[:, 1])
    bias = detector.state_dict()["head.3.bias"]
    assert torch.equal(bias.half().float(), bias)


def test_a_version_that_goes_on_from_a_shipped_one_says_so(
    tmp_path: Path, run_folder: Path
) -> None:
    second = run_folder.rename(tmp_path / "efficientnet-161")
    record = json.loads((second / "best.json").read_text())
    record["config"]["initial_weights"] = "model_store/efficientnet/1.1/weights.safetensors"
    record["config"]["mixture"] |= {
        "cross_blended": 0.2,
        "reconstructed": 0.3,
        "reals": {"alpha": 0.4, "beta": 0.6},
    }
    write_json(second / "best.json", record)
    publish(load_run(second), CALIBRATION, tmp_path / "1.2")
    model = json.loads((tmp_path / "1.2" / "model.json").read_text())
    assert model["initial_version"] == "1.1"
    assert model["command"] == (
        "make train calibrate MODEL=efficientnet CONFIG=efficientnet-161 VERSION=1.2"
    )
    card = (tmp_path / "1.2" / "README.md").read_text()
    assert "imagenet-lite0, by way of version 1.1" in card
    assert "a part of another one put in 0.2," in card
    assert "through an autoencoder 0.3," in card
    assert "come from\nalpha 0.4,\nbeta 0.6." in card


@pytest.mark.parametrize(
    ("teacher", "named"),
    [
        ("store/a/1.0", "another network gives\n(`store/a/1.0`, knowledge distillation).\n"),
        (
            ["a/1.0", "b/2.0"],
            "other networks give\n(the mean of `a/1.0`, `b/2.0`; knowledge distillation).\n",
        ),
    ],
)
def test_the_card_names_who_taught_in_lines_of_their_own(
    tmp_path: Path, run_folder: Path, teacher: str | list[str], named: str
) -> None:
    record = json.loads((run_folder / "best.json").read_text())
    record["config"] |= {"teacher": teacher, "teacher_weight": 0.8}
    write_json(run_folder / "best.json", record)
    publish(load_run(run_folder), CALIBRATION, tmp_path / "1.0")
    card = (tmp_path / "1.0" / "README.md").read_text()
    assert f"A share of 0.8 of every target is the probability that {named}" in card


def test_weights_that_half_precision_cannot_hold_are_refused(run_folder: Path) -> None:
    detector = build("efficientnet", size=64)
    with torch.no_grad():
        next(detector.parameters()).fill_(1e6)
    save_weights(detector, run_folder / "best.safetensors", half=False)
    with pytest.raises(ValueError, match="not finite in half precision"):
        load_run(run_folder)


def test_a_folder_without_a_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no validated run"):
        load_run(tmp_path)


def test_what_both_classes_share_is_taken_out_of_the_head() -> None:
    torch.manual_seed(0)
    detector = build("cnn", size=32, widths=(8, 8), depths=(1,)).eval()
    pixels = torch.rand(3, 3, 32, 32)
    with torch.no_grad():
        before = detector(pixels).softmax(1)
        centre_head(detector)
        logits = detector(pixels)
    assert torch.allclose(logits.softmax(1), before, atol=1e-6)
    assert torch.allclose(logits[:, 0], -logits[:, 1], atol=1e-6)
