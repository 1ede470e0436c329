"""The command line: results on standard output, progress and errors beside them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from ops import versions
from ops.promotions import Promotions
from ops.settings import ROOT
from tests.support.fake_torchserve import Reply
from tests.unit.ops.conftest import Rig


@pytest.fixture(autouse=True)
def environment(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = rig.settings
    for name, value in {
        "RUN_DIR": settings.run_dir,
        "MODEL_STORE": settings.model_store,
        "STATE_DIR": settings.state_dir,
        "SITE_DIR": settings.site_dir,
        "INFERENCE_PORT": settings.ports.inference,
        "MANAGEMENT_PORT": settings.ports.management,
    }.items():
        monkeypatch.setenv(name, str(value))
    # The handler of SIGTERM is the process's own.
    monkeypatch.setattr(signal, "signal", lambda *_: None)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = versions.main(list(arguments))
    out, err = capsys.readouterr()
    return status, out, err


def run_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    status, out, _ = run(capsys, *arguments, "--json")
    assert status == 0
    return json.loads(out)


def test_a_life_in_sentences(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "register", "efficientnet", "1.1")
    assert (status, err) == (0, "Loading efficientnet 1.1 ...\n")
    assert out.startswith("efficientnet 1.1 is loaded and judged the reference pictures; 1.0 serv")
    assert "was loaded already" in run(capsys, "register", "efficientnet", "1.1")[1]
    assert run(capsys, "promote", "efficientnet", "1.1")[1].startswith("efficientnet 1.1 serves no")
    assert "served already" in run(capsys, "promote", "efficientnet", "1.1")[1]
    assert run(capsys, "rollback", "efficientnet")[1].startswith("efficientnet 1.0 serves now")
    assert "is no longer loaded; 1.0 serves" in run(capsys, "unregister", "efficientnet", "1.1")[1]


def test_results_for_programs(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    done = run_json(capsys, "register", "efficientnet", "1.1")
    assert done.pop("seconds") >= 0
    assert done == {
        "action": "register",
        "model": "efficientnet",
        "version": "1.1",
        "serving": "1.0",
        "changed": True,
    }
    (tmp_path / "one.jpg").write_bytes(b"x")
    folder = str(tmp_path / "pictures")
    Path(folder).mkdir()
    (Path(folder) / "one.jpg").write_bytes(b"x")
    found = run_json(capsys, "compare", "efficientnet", "1.1", folder)
    assert (found["judged"], found["agreement"]) == (1, 1.0)
    assert run_json(capsys, "promote", "efficientnet", "1.1")["serving"] == "1.1"
    listed = run_json(capsys, "list")["models"]["efficientnet"]
    assert (listed["serves"], listed["default"], listed["earlier"]) == ("1.1", "1.0", ["1.0"])


def test_the_list(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    rig.rollout.promote("efficientnet", "1.1")
    status, out, _ = run(capsys, "list")
    assert status == 0
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert lines[0] == "model version state weights"
    assert [line.rsplit(" ", 1)[0] for line in lines[1:5]] == [
        "cnn 1.0 serving, default",
        "efficientnet 1.0 loaded, default",
        "efficientnet 1.1 serving, promoted",
        "efficientnet 1.2 archived",
    ]
    assert "`make rollback MODEL=efficientnet` would go back to 1.0." in lines


def test_the_list_without_a_service(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    rig.rollout.promote("efficientnet", "1.1")
    (rig.settings.run_dir / "key_file.json").unlink()
    found = run_json(capsys, "list")
    assert found["models"]["efficientnet"]["serves"] == "1.1"
    assert not any(v["serving"] for v in found["models"]["efficientnet"]["versions"])
    assert any("make serve" in note for note in found["notes"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rollback", "cnn"], "There is no earlier version of cnn"),
        (["unregister", "cnn", "1.0"], "cnn 1.0 serves"),
        (["promote", "cnn", "9"], "make archive MODEL=cnn VERSION=9"),
        (["compare", "efficientnet", "1.1", "x"], "make register MODEL=efficientnet VERSION=1.1"),
        (["compare", "efficientnet", "1.0", "x"], "is the version that serves"),
    ],
)
def test_errors_say_what_to_do(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    status, out, err = run(capsys, *arguments)
    assert (status, out) == (1, "")
    assert err.startswith("error: ")
    assert said in err
    assert len(err.splitlines()) == 1
    status, out, _ = run(capsys, *arguments, "--json")
    assert status == 1
    assert said in json.loads(out)["error"]


def test_no_service(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    rig.server.close()
    status, _, err = run(capsys, "promote", "efficientnet", "1.1")
    assert status == 1
    assert "Nothing answers at" in err


def test_an_interrupted_command_says_so(
    rig: Rig, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ops.loading.Loader.check", interrupt)
    status, out, err = run(capsys, "promote", "efficientnet", "1.1")
    assert (status, out) == (130, "")
    assert err.endswith("Interrupted: what was half done has been undone.\n")
    assert rig.loaded() == (["1.0"], ["1.0"])
    assert Promotions.read(rig.settings.state_dir).choices == {}


@pytest.mark.parametrize(
    "command", ["", "list", "register", "promote", "rollback", "unregister", "compare"]
)
def test_help(capsys: pytest.CaptureFixture[str], command: str) -> None:
    with pytest.raises(SystemExit) as caught:
        versions.main([*command.split(), "--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: python -m ops.versions {command}")
    assert ("--json" in text) == bool(command)


def test_an_unknown_model_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        versions.main(["promote", "resnet", "1.0"])
    assert caught.value.code == 2
    assert "choose from" in capsys.readouterr().err


def promote_and_stop_at(rig: Rig, path: str, sign: signal.Signals) -> tuple[int, str]:
    """Promote in a process of its own, and send it a signal while the server handles `path`."""
    reached, go_on = threading.Event(), threading.Event()

    def before(_: str, asked: str) -> Reply | None:
        if asked == path and not reached.is_set():
            reached.set()
            go_on.wait(60)
        return None

    rig.fake.before = before
    process = subprocess.Popen(
        [sys.executable, "-m", "ops.versions", "promote", "efficientnet", "1.1"],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert reached.wait(60)
        process.send_signal(sign)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
        go_on.set()
    return process.returncode, err


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("path", ["/predictions/deepfake__efficientnet/1.1", "/wfpredict/deepfake"])
def test_a_signal_half_way_is_undone(rig: Rig, path: str, sign: signal.Signals) -> None:
    status, err = promote_and_stop_at(rig, path, sign)
    assert status == 128 + sign
    assert "deepfake__efficientnet 1.1 was taken out again." in err
    assert "Traceback" not in err
    assert rig.defaults() == ("1.0", "1.0")
    assert rig.loaded() == (["1.0"], ["1.0"])
    assert Promotions.read(rig.settings.state_dir).pending is None


def test_a_command_that_was_killed_half_way_is_undone_by_the_next(
    rig: Rig, capsys: pytest.CaptureFixture[str]
) -> None:
    promote_and_stop_at(rig, "/wfpredict/deepfake", signal.SIGKILL)
    assert rig.defaults() == ("1.1", "1.1")
    _, _, err = run(capsys, "rollback", "efficientnet")
    assert "A promotion of efficientnet 1.1 had been cut off half way: undone." in err
    assert "There is no earlier version of efficientnet" in err
    assert rig.defaults() == ("1.0", "1.0")
    assert rig.loaded() == (["1.0"], ["1.0"])


def test_changing_versions_needs_no_torch() -> None:
    code = "import sys, ops.versions; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
