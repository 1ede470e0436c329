from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from ops.errors import OpsError
from ops.settings import Ports, Settings


def test_defaults_are_loopback_and_the_documented_ports() -> None:
    settings = Settings.from_environment({})
    assert settings == Settings()
    assert settings.page_url == "http://127.0.0.1:8000"
    assert settings.inference_url == "http://127.0.0.1:8080"
    assert settings.edge_bind == "127.0.0.1"
    assert settings.workflow_engine


def test_every_port_has_its_own_variable() -> None:
    variables = [variable for _, variable in Settings().ports.named().values()]
    numbers = {variable: str(9000 + index) for index, variable in enumerate(variables)}
    ports = Settings.from_environment(numbers).ports
    named = {variable: str(number) for number, variable in ports.named().values()}
    assert named == numbers


@pytest.mark.parametrize("text", ["0", "65536", "-1", "http", "8000.0", " 8000"])
def test_what_is_no_port_is_named(text: str) -> None:
    with pytest.raises(OpsError, match=r"^PORT=.* is not a port"):
        Settings.from_environment({"PORT": text})


def test_empty_variables_mean_the_defaults() -> None:
    # make exports its variables even when nobody has set them
    names = Settings().as_environment({})
    assert Settings.from_environment(dict.fromkeys(names, "")) == Settings()


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("detector.example", "https://detector.example"),
        ("detector.example, www.detector.example", "https://detector.example"),
        ("http://detector.example:8080", "http://detector.example:8080"),
    ],
)
def test_the_page_of_a_public_site(address: str, url: str) -> None:
    assert Settings.from_environment({"SITE_ADDRESS": address}).page_url == url


def test_torchserves_engine_can_be_chosen() -> None:
    assert not Settings.from_environment({"WORKFLOW_ENGINE": "torchserve"}).workflow_engine


def test_folders_are_named_by_variables() -> None:
    settings = Settings.from_environment({"STATE_DIR": "/a", "RUN_DIR": "/b"})
    assert str(settings.state_dir) == "/a"
    assert str(settings.workflow_store) == "/b/workflows"
    assert str(settings.versions_lock) == "/b/versions.lock"


def test_settings_survive_the_way_through_an_environment(tmp_path: Path) -> None:
    settings = Settings(
        run_dir=tmp_path / "run",
        model_store=tmp_path / "store",
        site_dir=tmp_path / "site",
        state_dir=tmp_path / "state",
        ports=Ports(1, 2, 3, 4, 5, 6, 7),
        site_address="detector.example",
        edge_bind="0.0.0.0",
        edge_hosts="detector.example",
        max_requests=8,
        metrics_bind="10.0.0.1",
        metrics_token_file=tmp_path / "token",
        json_output=True,
        token_minutes=5.0,
        workflow_engine=False,
    )
    # Or a setting that was added since would be forgotten here.
    assert all(
        getattr(settings, field.name) != getattr(Settings(), field.name)
        for field in fields(Settings)
    )
    for one in (settings, Settings()):
        assert Settings.from_environment(one.as_environment({})) == one


@pytest.mark.parametrize("text", ["0", "-1", "many", "10001"])
def test_a_senseless_limit_is_refused(text: str) -> None:
    with pytest.raises(OpsError, match=r"^MAX_REQUESTS=.* give a number from 1 to 10000"):
        Settings.from_environment({"MAX_REQUESTS": text})


@pytest.mark.parametrize(("text", "minutes"), [("", 60.0), ("5", 5.0), ("0.1", 0.1)])
def test_minutes_that_a_token_lives(text: str, minutes: float) -> None:
    assert Settings.from_environment({"TOKEN_MINUTES": text}).token_minutes == minutes


@pytest.mark.parametrize("text", ["0", "-1", "ten", "nan", "inf"])
def test_a_token_must_live_for_some_time(text: str) -> None:
    with pytest.raises(OpsError, match="TOKEN_MINUTES"):
        Settings.from_environment({"TOKEN_MINUTES": text})
