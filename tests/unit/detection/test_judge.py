from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from architectures import Detector, build
from architectures.efficientnet import initialise, options_for
from detection import judge as judge_module
from detection.errors import InputError
from detection.faces import crop_face
from detection.judge import Judge, judge_messages
from detection.message import pack_error
from detection.reasons import Reason
from detection.records import FaceCrops, ImageFacts, ModelJudgement, Subject
from detection.torch_engine import TorchEngine
from detection.version import VersionError

UInt8Array = npt.NDArray[np.uint8]
WriteVersion = Callable[[Path, Detector, dict[str, Any]], None]
Request = Callable[..., bytes]

_DEVICES = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]


@pytest.fixture(scope="module", params=["cnn", "efficientnet"])
def judge(request: pytest.FixtureRequest, model_store: Path) -> Judge:
    return Judge(model_store / request.param / "1.0", device="cpu")


def detector_of(judge: Judge) -> Detector:
    assert isinstance(judge.engine, TorchEngine)
    return judge.engine.detector


@pytest.fixture(scope="module")
def faces(portrait: UInt8Array) -> UInt8Array:
    """Six different crops, uint8 6 x 224 x 224 x 3."""
    regions = [(160 + 20 * i, 40 + 10 * i, 300 + 25 * i, 180 + 15 * i) for i in range(6)]
    return np.stack([crop_face(portrait, region) for region in regions])


@pytest.fixture(scope="module")
def request_of() -> Request:
    """Packs crops as ingest does."""

    def pack(faces: UInt8Array, *, face_found: bool = True) -> bytes:
        places = np.array([[1, 2, 101, 103]] * len(faces), np.int32)
        image = ImageFacts(512, 512, "PNG", "ab" * 32)
        subject = Subject(image, face_found, places, places, (Reason.STRONG_COMPRESSION,))
        return FaceCrops(subject, faces).to_bytes()

    return pack


def test_judgement(judge: Judge, faces: UInt8Array) -> None:
    judged = judge.judge(faces)
    assert judged.probabilities.shape == (6, 2)
    assert judged.probabilities.dtype == np.float32
    assert judged.probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert judged.grids.ndim == 3
    assert judged.grids.dtype == np.float32
    assert judged.grids.min() >= 0
    assert judged.grids.max() <= 1
    assert judged.localised.shape == (6,)
    assert judged.localised.dtype == np.bool_
    assert (judged.grids.max(axis=(1, 2)) == judged.localised).all()


def test_temperature_divides_the_logits(judge: Judge, faces: UInt8Array) -> None:
    detector = detector_of(judge)
    with torch.no_grad():
        logits = detector(detector.preset.to_input(faces))
    expected = torch.softmax(logits / 1.5, dim=1).numpy()
    assert judge.judge(faces).probabilities == pytest.approx(expected, abs=1e-5)


def test_probabilities_do_not_depend_on_the_batch(
    judge: Judge, faces: UInt8Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = judge.judge(faces)
    for index in range(len(faces)):
        alone = judge.judge(faces[index : index + 1])
        assert alone.probabilities[0] == pytest.approx(together.probabilities[index], abs=1e-4)
        assert alone.grids[0] == pytest.approx(together.grids[index], abs=1e-3)
    monkeypatch.setattr(judge_module, "MAX_FACES_A_PASS", 4)  # a crowd is judged in two passes
    split = judge.judge(faces)
    assert split.probabilities == pytest.approx(together.probabilities, abs=1e-4)
    assert split.localised.tolist() == together.localised.tolist()


def test_one_forward_pass_for_all_requests(
    judge: Judge, faces: UInt8Array, request_of: Request
) -> None:
    passes = []
    handle = detector_of(judge).features.register_forward_hook(
        lambda _module, given, _result: passes.append(len(given[0]))
    )
    judge_messages([request_of(faces[:3]), request_of(faces[3:4]), request_of(faces[4:])], judge)
    handle.remove()
    assert passes == [6]


@pytest.mark.parametrize("level", [0, 100, 255])
def test_blank_crop_has_no_localised_evidence(judge: Judge, level: int) -> None:
    judged = judge.judge(np.full((1, 224, 224, 3), level, np.uint8))
    assert not judged.localised[0]
    assert not judged.grids.any()


@pytest.mark.parametrize("border", [0, 255])
def test_blank_crop_with_borders_has_no_localised_evidence(judge: Judge, border: int) -> None:
    crop = np.full((1, 224, 224, 3), 140, np.uint8)
    crop[:, :30] = crop[:, -30:] = crop[:, :, :30] = crop[:, :, -30:] = border
    judged = judge.judge(crop)
    assert not judged.localised[0]
    assert not judged.grids.any()


def test_map_of_a_mirror_symmetric_network_flips_with_the_face(
    faces: UInt8Array, tmp_path: Path, write_version: WriteVersion
) -> None:
    """A network whose filters and sampling grid are their own mirror image must flip exactly.

    With an even input, convolutions of stride 2 sample every second pixel from the left: the
    sampling is not symmetric. With 32 k + 1 pixels it is.
    """
    torch.manual_seed(0)
    options = {**options_for("imagenet-lite0"), "size": 161}
    detector = build("efficientnet", **options)
    initialise(detector, "imagenet-lite0")
    for module in detector.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.weight.data = (module.weight.data + module.weight.data.flip(-1)) / 2
    write_version(tmp_path / "efficientnet" / "1.0", detector, options)
    symmetric = Judge(tmp_path / "efficientnet" / "1.0", device="cpu")
    plain, flipped = symmetric.judge(faces), symmetric.judge(faces[:, :, ::-1])
    assert plain.localised.all()
    assert flipped.probabilities == pytest.approx(plain.probabilities, abs=1e-3)
    assert flipped.grids[:, :, ::-1] == pytest.approx(plain.grids, abs=0.02)
    assert np.abs(flipped.grids - plain.grids).max() > 0.2  # the maps are not symmetric themselves


def test_messages_are_answered_in_order(
    judge: Judge, faces: UInt8Array, request_of: Request
) -> None:
    bad = pack_error(InputError(415, "unsupported_format", "It is a text."))
    answers = judge_messages(
        [request_of(faces[:2]), bad, b"nonsense", request_of(faces[2:])], judge
    )
    assert len(answers) == 4
    first, last = ModelJudgement.from_bytes(answers[0]), ModelJudgement.from_bytes(answers[3])
    together = judge.judge(faces)
    assert first.probabilities == pytest.approx(together.probabilities[:2], abs=1e-4)
    assert last.probabilities == pytest.approx(together.probabilities[2:], abs=1e-4)
    assert first.model == judge.facts
    assert first.subject.reasons == (Reason.STRONG_COMPRESSION,)
    assert first.subject.boxes.tolist() == [[1, 2, 101, 103]] * 2
    assert answers[1] == bad  # passed on untouched
    with pytest.raises(InputError) as caught:
        ModelJudgement.from_bytes(answers[2])
    assert caught.value.type == "malformed_message"


def test_no_requests(judge: Judge) -> None:
    assert judge_messages([], judge) == []


def test_a_failing_request_spares_the_others(
    judge: Judge,
    faces: UInt8Array,
    request_of: Request,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    poison = np.zeros((1, 224, 224, 3), np.uint8)
    judge_pass = Judge._judge_pass

    def fail_on_poison(self: Judge, crops: UInt8Array) -> judge_module.Judgement:
        if not crops.all(axis=(1, 2, 3)).all() and (crops == 0).all(axis=(1, 2, 3)).any():
            raise RuntimeError("out of memory")
        return judge_pass(self, crops)

    monkeypatch.setattr(Judge, "_judge_pass", fail_on_poison)
    answers = judge_messages(
        [request_of(faces[:1]), request_of(poison), request_of(faces[1:])], judge
    )
    assert len(ModelJudgement.from_bytes(answers[0]).subject) == 1
    assert len(ModelJudgement.from_bytes(answers[2]).subject) == 5
    with pytest.raises(InputError) as caught:
        ModelJudgement.from_bytes(answers[1])
    assert caught.value.code == 500
    assert "memory" not in caught.value.message
    assert "RuntimeError: out of memory" in caplog.text


def test_figures_that_are_not_finite_become_an_error(
    model_store: Path, faces: UInt8Array, request_of: Request
) -> None:
    broken = Judge(model_store / "cnn" / "1.0", device="cpu")
    with torch.no_grad():
        for parameter in detector_of(broken).head.parameters():
            parameter.fill_(float("nan"))
    (answer,) = judge_messages([request_of(faces[:1])], broken)
    with pytest.raises(InputError, match="failed"):
        ModelJudgement.from_bytes(answer)


def test_threads_are_left_to_the_caller(model_store: Path, faces: UInt8Array) -> None:
    before = torch.get_num_threads()
    Judge(model_store / "cnn" / "1.0", device="cpu").judge(faces[:1])
    assert torch.get_num_threads() == before


def test_missing_version(model_store: Path) -> None:
    with pytest.raises(VersionError):
        Judge(model_store / "cnn" / "9.9")


@pytest.mark.parametrize("device", _DEVICES)
def test_same_figures_on_every_device(
    device: str, judge: Judge, model_store: Path, faces: UInt8Array
) -> None:
    there = Judge(model_store / judge.facts.name / "1.0", device=device)
    judged, on_cpu = there.judge(faces), judge.judge(faces)
    assert judged.probabilities == pytest.approx(on_cpu.probabilities, abs=1e-4)
    assert judged.grids == pytest.approx(on_cpu.grids, abs=1e-3)
    alone = there.judge(faces[2:3])
    assert alone.probabilities[0] == pytest.approx(judged.probabilities[2], abs=1e-4)


def test_the_best_device_is_chosen(model_store: Path) -> None:
    assert Judge(model_store / "cnn" / "1.0").engine.device == _DEVICES[-1]
