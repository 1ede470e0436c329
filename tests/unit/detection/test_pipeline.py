"""The whole judgement in one process, on real pictures with untrained networks."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from jsonschema import Draft202012Validator

from detection.__main__ import main
from detection.faces import FaceFinder
from detection.ingest import ingest
from detection.judge import judge_messages
from detection.limits import MAX_UPLOAD_BYTES
from detection.pipeline import Pipeline
from detection.reply import judgement_reply, load_schema
from detection.version import VersionError

UInt8Array = npt.NDArray[np.uint8]
Encode = Callable[..., bytes]

pytestmark = pytest.mark.filterwarnings("error::UserWarning")


@pytest.fixture(scope="module")
def pipeline(model_store: Path) -> Pipeline:
    return Pipeline(model_store, device="cpu")


def validate(document: dict[str, Any], definition: str) -> None:
    schema = load_schema()
    schema.pop("oneOf")
    Draft202012Validator({**schema, "$ref": f"#/$defs/{definition}"}).validate(document)


def test_reply_is_valid(pipeline: Pipeline, portrait_jpeg: bytes) -> None:
    reply = pipeline.judge(portrait_jpeg)
    validate(json.loads(json.dumps(reply, allow_nan=False)), "reply")
    (face,) = reply["faces"]
    left, top, right, bottom = face["box"]
    assert left < 230 < right  # the astronaut's nose
    assert top < 130 < bottom
    assert face["grad_cam"]["localised"]


def test_same_figures_from_each_models_own_endpoint(
    pipeline: Pipeline, portrait_jpeg: bytes
) -> None:
    reply = pipeline.judge(portrait_jpeg)
    message = ingest(portrait_jpeg, FaceFinder())
    for name, judge in pipeline.judges.items():
        answer = judgement_reply(judge_messages([message], judge)[0])
        validate(answer, "judgement")
        alone = answer["faces"][0]["probability_fake"]
        assert alone == pytest.approx(
            reply["faces"][0]["models"][name]["probability_fake"], abs=1e-4
        )


def test_batches_give_the_same_replies(
    pipeline: Pipeline, portrait: UInt8Array, encode: Encode
) -> None:
    files = [encode(portrait, "PNG"), b"", encode(portrait[:, ::-1], "PNG"), b"text"]
    together = pipeline.judge_batch(files)
    assert [answer.get("code") for answer in together] == [None, 400, None, 415]
    for data, answer in zip(files, together, strict=True):
        alone = pipeline.judge(data)
        if "code" in alone:
            assert alone == answer
            validate(alone, "error")
        else:
            assert alone["verdict"] == answer["verdict"]
            assert alone["probability_fake"] == pytest.approx(answer["probability_fake"], abs=1e-4)


@pytest.mark.parametrize("level", [0, 128, 255])
def test_blank_picture_is_uncertain_and_shows_no_hot_spot(
    pipeline: Pipeline, encode: Encode, level: int
) -> None:
    plain = np.full((300, 260, 3), level, np.uint8)
    framed = np.full((300, 260, 3), 255 - level, np.uint8)
    framed[25:-25, 25:-25] = level
    for picture in (plain, framed):
        for file_format in ("PNG", "JPEG"):
            reply = pipeline.judge(encode(picture, file_format))
            assert reply["verdict"] == "uncertain"
            codes = {reason["code"] for reason in reply["reasons"]}
            assert codes >= {"no_face_found", "evidence_not_localised"}
            assert not np.any(reply["faces"][0]["grad_cam"]["grid"])


def test_several_faces(pipeline: Pipeline, portrait: UInt8Array, encode: Encode) -> None:
    small = portrait[::2, ::2]
    wide = np.zeros((512, 1024, 3), np.uint8)
    wide[:, :512] = portrait
    wide[100:356, 640:896] = small
    reply = pipeline.judge(encode(wide, "PNG"))
    sides = [face["box"][3] - face["box"][1] for face in reply["faces"]]
    assert len(sides) == 2
    assert sides[0] > 1.5 * sides[1]
    assert reply["probability_fake"] == max(face["probability_fake"] for face in reply["faces"])


def test_versions_can_be_chosen(model_store: Path, tmp_path: Path, portrait_jpeg: bytes) -> None:
    store = tmp_path / "store"
    shutil.copytree(model_store, store)
    shutil.copytree(store / "cnn" / "1.0", store / "cnn" / "1.1")
    path = store / "cnn" / "1.1" / "model.json"
    path.write_text(path.read_text().replace('"version": "1.0"', '"version": "1.1"'))
    reply = Pipeline(store, {"cnn": "1.1"}, device="cpu").judge(portrait_jpeg)
    assert reply["models"]["cnn"]["version"] == "1.1"
    assert reply["models"]["efficientnet"]["version"] == "1.0"
    with pytest.raises(VersionError, match="no version 2"):
        Pipeline(store, {"cnn": "2"})
    with pytest.raises(VersionError, match="no model resnet"):
        Pipeline(store, {"resnet": "1.0"})
    (store / "serving.json").write_text('{"cnn": "1.0"}')
    with pytest.raises(VersionError, match="no version of efficientnet"):
        Pipeline(store)


# The command line.


@pytest.fixture
def folder(tmp_path: Path, portrait_jpeg: bytes) -> Path:
    """A folder with two pictures, a text, a hidden file and a file that is too large."""
    root = tmp_path / "pictures"
    (root / "more").mkdir(parents=True)
    (root / "a.jpg").write_bytes(portrait_jpeg)
    (root / "more" / "Übung 1.jpg").write_bytes(portrait_jpeg)
    (root / "notes.txt").write_text("no picture")
    (root / ".hidden.jpg").write_bytes(b"")
    with (root / "large.jpg").open("wb") as file:
        file.truncate(MAX_UPLOAD_BYTES * 50)
    return root


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, list[Any], str]:
    status = main([str(argument) for argument in arguments])
    output = capsys.readouterr()
    return status, [json.loads(line) for line in output.out.splitlines()], output.err


def test_folder(
    capsys: pytest.CaptureFixture[str], model_store: Path, folder: Path, pipeline: Pipeline
) -> None:
    status, lines, progress = run(
        capsys, folder, "--model-store", model_store, "--device", "cpu", "--threads", "1"
    )
    assert status == 1
    for line in lines:
        validate(line, "line")
    names = [Path(line["path"]).name for line in lines]
    assert names == ["a.jpg", "large.jpg", "notes.txt", "Übung 1.jpg"]
    assert [line.get("error", {}).get("code") for line in lines] == [None, 413, 415, None]
    expected = pipeline.judge((folder / "a.jpg").read_bytes())
    assert lines[0]["probability_fake"] == pytest.approx(expected["probability_fake"], abs=1e-4)
    assert "4/4" in progress


def test_all_judged(capsys: pytest.CaptureFixture[str], model_store: Path, folder: Path) -> None:
    status, lines, progress = run(
        capsys, folder / "a.jpg", folder / "more", "--model-store", model_store, "--quiet",
        "--threads", "1", "--models", "cnn=1.0", "efficientnet=1.0",
    )  # fmt: skip
    assert status == 0
    assert len(lines) == 2
    assert progress == ""


def test_paths_that_cannot_be_read(
    capsys: pytest.CaptureFixture[str], model_store: Path, folder: Path
) -> None:
    os.mkfifo(folder / "pipe")
    status, lines, _ = run(
        capsys, folder / "nowhere.jpg", folder / "pipe", "/dev/zero", folder / "a.jpg",
        "--model-store", model_store, "--threads", "1",
    )  # fmt: skip
    assert status == 1
    assert [line.get("error", {}).get("code") for line in lines] == [404, 422, 422, None]
    assert all(line["error"]["type"] == "unreadable_file" for line in lines[:3])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "PATH"),
        (["x.jpg", "--models", "cnn"], "NAME=VERSION"),
        (["x.jpg", "--threads", "0"], "at least 1"),
        (["x.jpg", "--model-store", "nowhere"], "serving.json"),
        (["x.jpg", "--device", "abacus"], "abacus"),
        (["x.jpg", "--models", "cnn=9", "efficientnet=9"], "no version 9 of cnn"),
    ],
)
def test_wrong_usage(
    capsys: pytest.CaptureFixture[str], model_store: Path, arguments: list[str], words: str
) -> None:
    if "--model-store" not in arguments:
        arguments = [*arguments, "--model-store", str(model_store)]
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    output = capsys.readouterr()
    assert words in output.err
    assert output.out == ""


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    assert "2 wrong usage" in capsys.readouterr().out


def test_interrupted_run_loses_no_line(model_store: Path, folder: Path) -> None:
    many = [str(folder / "a.jpg")] * 5000
    command = [sys.executable, "-m", "detection", *many, "--threads", "1", "--quiet"]
    process = subprocess.Popen(
        [*command, "--model-store", str(model_store)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=60)
    lines = (first + rest).splitlines(keepends=True)
    assert process.returncode == 130
    assert 1 <= len(lines) < 5000
    for line in lines:
        assert line.endswith("\n")
        validate(json.loads(line), "line")
    assert "interrupted" in errors
    assert "Traceback" not in errors


def test_reader_that_leaves_early_ends_the_run(model_store: Path, folder: Path) -> None:
    many = [str(folder / "notes.txt")] * 5000
    command = [sys.executable, "-m", "detection", *many, "--threads", "1", "--quiet"]
    process = subprocess.Popen(
        [*command, "--model-store", str(model_store)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    errors = process.stderr.read()
    assert process.wait(timeout=60) == 1
    assert "Traceback" not in errors
