"""What the service comes up with, against a server that cannot load everything."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ops import archive, deploy
from ops.client import ManagementClient
from ops.errors import OpsError
from ops.promotions import Promotions
from tests.unit.ops.conftest import Rig

NODE = "deepfake__efficientnet"


@pytest.fixture
def management(rig: Rig) -> ManagementClient:
    """Of a server that has just started: nothing is registered. 1.1 has been promoted."""
    rig.fake.models.clear()
    rig.fake.defaults.clear()
    rig.fake.workflow_registered = False
    promotions = Promotions()
    promotions.promoted("efficientnet", "1.0", "1.1", default="1.0")
    promotions.write(rig.settings.state_dir)
    assert deploy.prepare_archives(rig.settings, rig.said.append)["efficientnet"] == "1.1"
    return ManagementClient(rig.settings.management_url, "secret")


@pytest.fixture(autouse=True)
def rendered(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    pages: list[dict[str, str]] = []
    monkeypatch.setattr(deploy, "render_site", lambda _, versions: pages.append(versions))
    return pages


def come_up(rig: Rig, management: ManagementClient) -> None:
    deploy.deploy_workflow(rig.settings, management, rig.said.append)
    deploy.deploy_models(rig.settings, management, rig.said.append)


def test_it_comes_up_with_what_was_promoted(
    rig: Rig, management: ManagementClient, rendered: list[dict[str, str]]
) -> None:
    come_up(rig, management)
    assert rig.loaded() == (["1.1"], ["1.1"])
    assert sorted(rig.fake.models) == sorted(
        [
            "cnn",
            "efficientnet",
            *(f"deepfake__{n}" for n in ("cnn", NODE[10:], "ingest", "explain")),
        ]
    )
    assert rendered == [], "the page was rendered before"
    come_up(rig, management)
    assert rig.loaded() == (["1.1"], ["1.1"])
    assert rig.said[-3:] == [
        "The workflow deepfake is registered already.",
        "The model cnn is registered already.",
        "The model efficientnet is registered already.",
    ]


def test_what_does_not_load_gives_way_to_the_default(
    rig: Rig, management: ManagementClient, rendered: list[dict[str, str]]
) -> None:
    rig.fake.broken.add("efficientnet-1.1.mar")
    come_up(rig, management)
    assert rig.loaded() == (["1.0"], ["1.0"])
    assert any("the default ones serve: POST /workflows failed" in text for text in rig.said)
    assert rendered == [{"cnn": "1.0", "efficientnet": "1.0"}]
    assert Promotions.read(rig.settings.state_dir).choices["efficientnet"].serving == "1.1"


def test_a_default_that_does_not_load_is_an_error(rig: Rig, management: ManagementClient) -> None:
    rig.fake.broken |= {"efficientnet-1.1.mar", "efficientnet-1.0.mar"}
    with pytest.raises(OpsError, match="POST /workflows failed"):
        come_up(rig, management)


@pytest.mark.parametrize("spoil", ["cnn-1.0.mar", "ingest-1.0.mar"])
def test_nothing_unknown_is_loaded_at_the_start(
    rig: Rig, management: ManagementClient, spoil: str
) -> None:
    (rig.settings.model_store / spoil).write_bytes(b"x")
    with pytest.raises(OpsError, match=f"{spoil} is not the archive that was built"):
        come_up(rig, management)
    assert ("POST", "/workflows") not in rig.fake.calls


def one_version(_: Rig) -> None:
    """Nothing more."""


def two_versions(rig: Rig) -> None:
    rig.rollout.promote("efficientnet", "1.2")


def half_removed(rig: Rig) -> None:
    rig.rollout.promote("efficientnet", "1.2")
    rig.fake.handle("DELETE", "/workflows/deepfake", {}, b"")
    assert NODE in rig.fake.models
    assert not rig.fake.workflow_registered


@pytest.mark.parametrize("before", [one_version, two_versions, half_removed])
def test_a_workflow_can_be_removed_however_it_was_left(
    rig: Rig, management: ManagementClient, before: Callable[[Rig], None]
) -> None:
    come_up(rig, management)
    before(rig)
    deploy.remove_workflow(management)
    assert sorted(rig.fake.models) == ["cnn", "efficientnet"]
    deploy.deploy_workflow(rig.settings, management, rig.said.append)
    assert rig.fake.workflow_registered


def test_the_workflows_archive_is_no_part_of_the_store(
    rig: Rig, management: ManagementClient
) -> None:
    come_up(rig, management)
    assert (rig.settings.workflow_store / archive.WORKFLOW_ARCHIVE).is_file()
    assert not list(rig.settings.model_store.glob("*.war"))
