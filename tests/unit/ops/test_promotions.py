from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from ops import archive
from ops.deploy import prepare_archives
from ops.errors import OpsError
from ops.packing import pack
from ops.promotions import FILE, Choice, Pending, Promotions, effective_versions
from ops.settings import Settings


@pytest.fixture
def settings(store: Path, tmp_path: Path) -> Settings:
    return Settings(model_store=store, state_dir=tmp_path / "state")


def promote(settings: Settings, version: str, old: str = "1.0") -> Promotions:
    promotions = Promotions.read(settings.state_dir)
    promotions.promoted("efficientnet", old, version, default="1.0")
    promotions.write(settings.state_dir)
    return promotions


def come_up(settings: Settings) -> tuple[dict[str, str], str]:
    said: list[str] = []
    return effective_versions(settings, said.append), " ".join(said)


def test_without_a_file_the_defaults_serve(settings: Settings) -> None:
    assert Promotions.read(settings.state_dir) == Promotions()
    assert come_up(settings) == ({"cnn": "1.0", "efficientnet": "1.0"}, "")
    assert not settings.state_dir.exists()


def test_what_was_promoted_is_read_back(settings: Settings) -> None:
    written = promote(settings, "1.1")
    written.pending = Pending("cnn", "1.0", "2.0")
    written.write(settings.state_dir)
    assert Promotions.read(settings.state_dir) == written
    assert [path.name for path in settings.state_dir.iterdir()] == [FILE]
    assert settings.state_dir.stat().st_mode & 0o077 == 0


def test_the_service_comes_up_with_what_was_promoted(settings: Settings) -> None:
    promote(settings, "1.1")
    assert come_up(settings) == ({"cnn": "1.0", "efficientnet": "1.1"}, "")


def test_a_promotion_cut_off_does_not_count(settings: Settings) -> None:
    promotions = Promotions(pending=Pending("efficientnet", "1.0", "1.1"))
    promotions.write(settings.state_dir)
    versions, said = come_up(settings)
    assert versions["efficientnet"] == "1.0"
    assert "promotion of efficientnet 1.1 was cut off" in said


def test_a_missing_version_gives_way_to_the_default(settings: Settings) -> None:
    promote(settings, "7")
    versions, said = come_up(settings)
    assert versions["efficientnet"] == "1.0"
    assert "Version 7 of efficientnet lacks" in said
    assert said.endswith("efficientnet 1.0 serves, not 7 as promoted.")


@pytest.mark.parametrize("file", ["weights.safetensors", "model.json"])
def test_a_damaged_version_gives_way_to_the_default(settings: Settings, file: str) -> None:
    promote(settings, "1.1")
    (settings.model_store / "efficientnet" / "1.1" / file).write_bytes(b"damaged")
    versions, said = come_up(settings)
    assert versions["efficientnet"] == "1.0"
    assert "damaged" in said or "cannot be read" in said


def test_a_damaged_archive_is_built_again(settings: Settings, tmp_path: Path) -> None:
    settings = replace(settings, run_dir=tmp_path / "run")
    promote(settings, "1.1")
    mar = settings.model_store / "efficientnet-1.1.mar"
    whole = mar.read_bytes()
    mar.write_bytes(whole[:-100])
    assert prepare_archives(settings, print)["efficientnet"] == "1.1"
    assert mar.read_bytes() == whole
    with zipfile.ZipFile(settings.workflow_store / "deepfake.war") as war:
        assert "url: efficientnet-1.1.mar" in war.read("deepfake.yaml").decode()


def test_an_archive_that_cannot_be_built_gives_way_to_the_default(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(settings, run_dir=tmp_path / "run")
    promote(settings, "1.1")
    archive.build_all(settings)
    (settings.model_store / "efficientnet-1.1.mar").unlink()

    def fail(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(
        "ops.packing.pack",
        lambda handler, *rest, **more: fail() if more["version"] else pack(handler, *rest, **more),
    )
    said: list[str] = []
    assert prepare_archives(settings, said.append)["efficientnet"] == "1.0"
    assert "cannot be written (Read-only file system)" in said[-1]
    assert said[-1].endswith("efficientnet 1.0 serves, not 1.1 as promoted.")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"models": {"cnn": 1}}', "\x00"])
def test_a_damaged_record_is_said_and_left_alone(settings: Settings, content: str) -> None:
    settings.state_dir.mkdir()
    (settings.state_dir / FILE).write_text(content)
    versions, said = come_up(settings)
    assert versions == {"cnn": "1.0", "efficientnet": "1.0"}
    assert "cannot be read" in said
    assert said.endswith("The default versions serve.")
    assert (settings.state_dir / FILE).read_text() == content


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with pytest.raises(OpsError, match="STATE_DIR names another folder"):
        Promotions().write(tmp_path / "state")


def test_the_chain_of_earlier_versions() -> None:
    promotions = Promotions()
    for old, new in (("1.0", "1.1"), ("1.1", "1.2"), ("1.2", "1.0")):
        promotions.promoted("cnn", old, new, default="1.0")
    assert promotions.choices["cnn"] == Choice("1.0", ("1.0", "1.1", "1.2"))
    for version in ("1.2", "1.1"):
        promotions.rolled_back("cnn", default="1.0")
        assert promotions.choices["cnn"].serving == version
    promotions.rolled_back("cnn", default="1.0")
    assert promotions.choices == {}
    assert [event["version"] for event in promotions.events] == [
        *("1.1", "1.2", "1.0"),
        *("1.2", "1.1", "1.0"),
    ]


def test_the_chain_has_no_version_twice_in_a_row_and_an_end(tmp_path: Path) -> None:
    promotions = Promotions({"cnn": Choice("9", ("1.0",))})  # 9 is damaged, so 1.0 serves
    promotions.promoted("cnn", "1.0", "2.0", default="1.0")
    assert promotions.choices["cnn"] == Choice("2.0", ("1.0",))
    for number in range(300):
        promotions.promoted("cnn", f"{number}", f"{number + 1}", default="1.0")
    assert len(promotions.earlier("cnn")) == 20
    assert promotions.earlier("cnn")[-1] == "299"
    promotions.write(tmp_path)
    assert len(json.loads((tmp_path / FILE).read_text())["events"]) == 200


def test_going_back_to_what_serves_in_place_of_a_damaged_one() -> None:
    promotions = Promotions({"cnn": Choice("9", ("1.0",))})
    promotions.promoted("cnn", "1.0", "1.0", default="1.0")
    assert promotions.choices == {}
    assert len(promotions.events) == 1


def test_nothing_new_is_no_event() -> None:
    promotions = Promotions()
    promotions.promoted("cnn", "1.0", "1.0", default="1.0")
    assert promotions == Promotions()
    promotions.promoted("cnn", "1.0", "1.1", default="1.0")
    promotions.promoted("cnn", "1.1", "1.1", default="1.0")
    assert len(promotions.events) == 1
