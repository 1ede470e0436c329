"""Promotion and rollback against a server that fails where it is told to."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ops import loading
from ops.errors import OpsError
from ops.locks import locked
from ops.promotions import FILE, Choice, Pending, Promotions
from tests.support.fake_torchserve import Held, Reply, error
from tests.unit.ops.conftest import Rig

NODE, ALONE = "deepfake__efficientnet", "efficientnet"


def promotions(rig: Rig) -> Promotions:
    return Promotions.read(rig.settings.state_dir)


def fail_once(rig: Rig, method: str, path: str, status: int = 500) -> None:
    left = [(method, path)]

    def before(*asked: str) -> Reply | None:
        if asked in left:
            left.remove((method, path))
            return error(status, "told to fail")
        return None

    rig.fake.before = before


def test_registering_serves_nobody(rig: Rig) -> None:
    done = rig.rollout.register("efficientnet", "1.1")
    assert (done.changed, done.serving) == (True, "1.0")
    assert rig.loaded() == (["1.0"], ["1.0", "1.1"])
    assert rig.defaults() == ("1.0", "1.0")
    assert ("POST", f"/predictions/{ALONE}/1.1") in rig.fake.calls
    assert not rig.rollout.register("efficientnet", "1.1").changed


def test_a_promotion_loads_and_checks_before_it_serves(rig: Rig) -> None:
    done = rig.rollout.promote("efficientnet", "1.1")
    assert (done.changed, done.serving) == (True, "1.1")
    assert rig.defaults() == ("1.1", "1.1")
    assert rig.loaded() == (["1.0", "1.1"], ["1.0", "1.1"])
    calls = rig.fake.calls
    switched = calls.index(("PUT", f"/models/{NODE}/1.1/set-default"))
    for place in (NODE, ALONE):
        assert calls[:switched].count(("POST", f"/predictions/{place}/1.1")) == 2
    assert calls.index(("POST", "/wfpredict/deepfake")) > switched
    assert promotions(rig).choices == {"efficientnet": Choice("1.1", ("1.0",))}
    assert promotions(rig).pending is None
    assert rig.rendered == [{"cnn": "1.0", "efficientnet": "1.1"}]


def test_settings_of_the_serving_version_are_kept(rig: Rig) -> None:
    rig.fake.models[NODE]["1.0"] = Held("efficientnet-1.0.mar", 3, 7, 99)
    rig.rollout.promote("efficientnet", "1.1")
    for place in (NODE, ALONE):
        assert rig.fake.models[place]["1.1"] == Held("efficientnet-1.1.mar", 3, 7, 99)


def test_there_and_back(rig: Rig) -> None:
    rig.rollout.promote("efficientnet", "1.1")
    registered = rig.fake.calls.count(("POST", "/models"))
    done = rig.rollout.rollback("efficientnet")
    assert (done.version, done.serving) == ("1.0", "1.0")
    assert rig.defaults() == ("1.0", "1.0")
    assert rig.fake.calls.count(("POST", "/models")) == registered, "it was still loaded"
    assert promotions(rig).choices == {}, "serving.json holds again"
    assert [event["action"] for event in promotions(rig).events] == ["promote", "rollback"]
    with pytest.raises(OpsError, match=r"no earlier version of efficientnet .* 1\.0 serves"):
        rig.rollout.rollback("efficientnet")


def test_rollbacks_lead_back_step_by_step_and_memory_is_bounded(rig: Rig) -> None:
    rig.rollout.promote("efficientnet", "1.1")
    rig.rollout.promote("efficientnet", "1.2")
    assert rig.loaded() == (["1.1", "1.2"], ["1.1", "1.2"])
    calls = rig.fake.calls
    gone = calls.index(("DELETE", f"/models/{NODE}/1.0"))
    assert ("POST", f"/predictions/{NODE}/1.0") in calls[:gone], "its queue was not emptied"
    rig.rollout.rollback("efficientnet")
    assert rig.defaults() == ("1.1", "1.1")
    rig.rollout.rollback("efficientnet")
    assert rig.defaults() == ("1.0", "1.0")
    assert rig.loaded() == (["1.0", "1.1"], ["1.0", "1.1"])


def test_a_version_that_does_not_load_changes_nothing(rig: Rig) -> None:
    rig.fake.broken.add("efficientnet-1.1.mar")
    for command in (rig.rollout.register, rig.rollout.promote):
        with pytest.raises(OpsError, match="Failed to start workers"):
            command("efficientnet", "1.1")
        assert rig.loaded() == (["1.0"], ["1.0"])
        assert rig.defaults() == ("1.0", "1.0")
    assert not (rig.settings.state_dir / FILE).exists()
    assert not any(method == "PUT" for method, _ in rig.fake.calls)


def spoil(key: str, value: Any) -> Any:
    def alter(_: str, version: str, judgement: dict[str, Any]) -> None:
        if version == "1.1":
            part = judgement["model"] if key in judgement["model"] else judgement["faces"][0]
            part[key] = value

    return alter


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("weights_sha256", "0" * 64, "answers as weights_sha256 '000"),
        ("version", "7", r"answers as version '7', not '1\.1'"),
        ("verdict", "fake", "sample-real.jpg: it calls it fake"),
        ("verdict", "real", "sample-fake.jpg: it calls it real"),
        ("probability_fake", float("nan"), "its probability is nan"),
        ("box", None, "did not judge the one face"),
        ("grad_cam", {"grid": []}, "Grad-CAM map is empty"),
    ],
)
def test_a_version_that_fails_the_check_is_taken_out(
    rig: Rig, key: str, value: Any, said: str
) -> None:
    rig.fake.alter = spoil(key, value)
    for command in (rig.rollout.register, rig.rollout.promote):
        with pytest.raises(OpsError, match=said):
            command("efficientnet", "1.1")
        assert rig.loaded() == (["1.0"], ["1.0"])
    assert "deepfake__efficientnet 1.1 was taken out again." in rig.said
    assert not any(method == "PUT" for method, _ in rig.fake.calls)


def test_a_wrong_verdict_does_not_bar_the_way_back(rig: Rig) -> None:
    rig.rollout.promote("efficientnet", "1.1")
    rig.rollout.promote("efficientnet", "1.2")
    rig.fake.alter = spoil("verdict", "fake")
    assert rig.rollout.rollback("efficientnet").serving == "1.1"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", f"/models/{NODE}/1.1/set-default"),
        ("PUT", f"/models/{ALONE}/1.1/set-default"),
        ("POST", "/wfpredict/deepfake"),
        ("POST", "/models"),
    ],
)
def test_a_refusal_half_way_is_undone(rig: Rig, method: str, path: str) -> None:
    fail_once(rig, method, path)
    with pytest.raises(OpsError, match="told to fail"):
        rig.rollout.promote("efficientnet", "1.1")
    assert rig.defaults() == ("1.0", "1.0")
    assert rig.loaded() == (["1.0"], ["1.0"])
    assert promotions(rig).choices == {}
    assert promotions(rig).pending is None
    assert rig.rollout.promote("efficientnet", "1.1").serving == "1.1"


def test_a_workflow_that_answers_with_the_old_version_is_noticed(rig: Rig) -> None:
    old = {"cnn": {"version": "1.0"}, "efficientnet": {"version": "1.0"}}
    rig.fake.before = lambda _, path: (
        (200, {"verdict": "real", "models": old}) if path == "/wfpredict/deepfake" else None
    )
    with pytest.raises(OpsError, match=r"does not answer with efficientnet 1\.1"):
        rig.rollout.promote("efficientnet", "1.1")
    assert rig.defaults() == ("1.0", "1.0")


def test_a_busy_service_is_asked_again(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "_PAUSE_SECONDS", 0.01)
    fail_once(rig, "POST", "/wfpredict/deepfake", 503)
    assert rig.rollout.promote("efficientnet", "1.1").serving == "1.1"


def test_a_server_that_dies_half_way_leaves_a_note_that_is_acted_upon(rig: Rig) -> None:
    def die(method: str, path: str) -> Reply | None:
        if (method, path) == ("PUT", f"/models/{ALONE}/1.1/set-default"):
            (rig.settings.run_dir / "key_file.json").unlink()
        return None

    rig.fake.before = die
    with pytest.raises(OpsError, match="does not run here"):
        rig.rollout.promote("efficientnet", "1.1")
    assert promotions(rig).pending == Pending("efficientnet", "1.0", "1.1")
    assert rig.defaults() == ("1.1", "1.1"), "nobody could be told"
    assert any("will go back to efficientnet 1.0" in text for text in rig.said)

    rig.set_token("new")
    rig.rollout.register("efficientnet", "1.2")
    assert rig.defaults() == ("1.0", "1.0")
    assert rig.loaded() == (["1.0"], ["1.0", "1.2"])
    assert promotions(rig).pending is None
    assert "A promotion of efficientnet 1.1 had been cut off half way: undone." in rig.said


@pytest.mark.parametrize("where", [f"/predictions/{NODE}/1.1", f"/models/{ALONE}/1.1/set-default"])
def test_ctrl_c_is_undone(rig: Rig, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    method = "predict" if "predictions" in where else "set_default"
    client = rig.rollout._inference if method == "predict" else rig.rollout._management
    real = getattr(client, method)

    def interrupted(place: str, *rest: Any) -> Any:
        if place in where.split("/") and "1.1" in rest:
            monkeypatch.setattr(client, method, real)
            raise KeyboardInterrupt
        return real(place, *rest)

    monkeypatch.setattr(client, method, interrupted)
    with pytest.raises(KeyboardInterrupt):
        rig.rollout.promote("efficientnet", "1.1")
    assert rig.defaults() == ("1.0", "1.0")
    assert rig.loaded() == (["1.0"], ["1.0"])
    assert promotions(rig).pending is None


def test_one_operator_at_a_time(rig: Rig) -> None:
    with (
        locked(rig.settings.versions_lock),
        pytest.raises(OpsError, match="Another command is changing versions"),
    ):
        rig.rollout.promote("efficientnet", "1.1")
    assert rig.fake.changes() == []
    assert rig.rollout.promote("efficientnet", "1.1").changed


def test_promoting_what_serves_changes_nothing(rig: Rig) -> None:
    done = rig.rollout.promote("efficientnet", "1.0")
    assert (done.changed, done.serving) == (False, "1.0")
    assert rig.loaded() == (["1.0"], ["1.0"])
    assert promotions(rig).choices == {}
    with pytest.raises(OpsError, match="no earlier version"):
        rig.rollout.rollback("efficientnet")


def test_a_standalone_model_that_lags_is_brought_in_step(rig: Rig) -> None:
    rig.rollout.promote("efficientnet", "1.1")
    rig.fake.defaults[ALONE] = "1.0"
    assert not rig.rollout.promote("efficientnet", "1.1").changed
    assert rig.defaults() == ("1.1", "1.1")
    assert promotions(rig).choices["efficientnet"] == Choice("1.1", ("1.0",))


def test_unregistering(rig: Rig) -> None:
    rig.rollout.promote("efficientnet", "1.1")
    with pytest.raises(OpsError, match=r"1\.1 serves: promote another version first"):
        rig.rollout.unregister("efficientnet", "1.1")
    rig.rollout.unregister("efficientnet", "1.0")
    assert rig.loaded() == (["1.1"], ["1.1"])
    with pytest.raises(OpsError, match=r"1\.0 is not loaded .*make versions"):
        rig.rollout.unregister("efficientnet", "1.0")
    assert rig.rollout.rollback("efficientnet").serving == "1.0", "it is loaded again"


def test_what_is_not_in_the_manifest_is_not_registered(rig: Rig) -> None:
    store = rig.settings.model_store
    altered = store / "efficientnet-1.1.mar"
    altered.write_bytes(altered.read_bytes() + b"x")
    content = json.loads((store / "archives.json").read_text())
    del content["efficientnet-1.2.mar"]
    (store / "archives.json").write_text(json.dumps(content))
    for version, said in (
        ("1.1", r"1\.1\.mar is not the archive that was built"),
        ("1.2", r"1\.2\.mar is not in the manifest"),
        ("9", r"There is no efficientnet-9\.mar .*make archive MODEL=efficientnet VERSION=9"),
    ):
        for command in (rig.rollout.register, rig.rollout.promote):
            with pytest.raises(OpsError, match=said):
                command("efficientnet", version)
    assert rig.fake.changes() == []


def test_the_serving_version_is_loaded_first_where_a_model_is_not_loaded_yet(rig: Rig) -> None:
    del rig.fake.models[ALONE], rig.fake.defaults[ALONE]
    rig.rollout.register("efficientnet", "1.1")
    assert rig.defaults() == ("1.0", "1.0")
    assert rig.loaded() == (["1.0"], ["1.0", "1.1"])


def test_what_a_killed_load_has_left_is_loaded_afresh(rig: Rig) -> None:
    rig.fake.models[NODE]["1.1"] = Held("efficientnet-1.1.mar", 8, 5, 120, ready=False)
    rig.rollout.promote("efficientnet", "1.1")
    assert rig.fake.models[NODE]["1.1"].ready
    assert rig.defaults() == ("1.1", "1.1")


def test_tokens_may_be_rotated_meanwhile(rig: Rig) -> None:
    rig.fake.before = lambda method, path: (
        rig.set_token("another") if (method, path) == ("POST", "/models") else None
    )
    assert rig.rollout.promote("efficientnet", "1.1").serving == "1.1"


def test_an_unwritable_state_folder_is_known_before_anything_serves(rig: Rig) -> None:
    rig.settings.state_dir.write_text("a file where the folder should be")
    with pytest.raises(OpsError, match=r"promotions\.json, which says what was promoted"):
        rig.rollout.promote("efficientnet", "1.1")
    assert rig.fake.changes() == []


def test_a_page_that_cannot_be_rendered_is_said(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OpsError("no room")

    monkeypatch.setattr("ops.rollout.render_site", fail)
    assert rig.rollout.promote("efficientnet", "1.1").serving == "1.1"
    assert "The page still shows the versions from before. no room" in rig.said
