"""Versions of a real TorchServe: promoted, rolled back and refused while pictures are judged."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from ops import archive
from ops.client import RefusedError
from ops.deploy import deploy_workflow, remove_workflow
from ops.settings import ROOT, WORKFLOW
from tests.support import pictures
from tests.support.rights import bound_by_rights, make_read_only
from tests.support.service import RunningService, environment, model_store, run_service
from tests.support.swapping import (
    HUNG_SECONDS,
    Load,
    add_another_version,
    add_version_that_does_not_load,
    copy_version,
    misplaced,
    swap,
    timed_rollout,
    weights_of,
)

pytestmark = pytest.mark.integration

MODEL = "efficientnet"
NODE = f"{WORKFLOW}__{MODEL}"
BROKEN = "6.6"
UNSOUND = "7.7"


def build(store: Path, version: str) -> None:
    archive.build(store, [archive.model_plan(store, MODEL, version)])


def add_unsound_version(store: Path) -> None:
    """A version that calls everything fake: it loads, and fails the check."""
    folder = copy_version(store, MODEL, serving(store), UNSOUND)
    description = json.loads((folder / "model.json").read_text())
    description["thresholds"] = {"fake": 0.0, "real": 0.0}
    (folder / "model.json").write_text(json.dumps(description))
    build(store, UNSOUND)


def serving(store: Path) -> str:
    return archive.serving_versions(store)[MODEL]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = model_store(tmp_path_factory.mktemp("versions"))
    add_version_that_does_not_load(store, MODEL, BROKEN)
    add_unsound_version(store)
    return store


@pytest.fixture(scope="module")
def other(store: Path) -> str:
    """The version to promote."""
    return add_another_version(store, MODEL)


@pytest.fixture(scope="module")
def running(
    store: Path, other: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningService]:
    assert other
    with run_service(store, tmp_path_factory.mktemp("service")) as service:
        yield service


def command(service: RunningService, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ops.versions", *arguments],
        cwd=ROOT,
        env=environment(service.settings),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def succeed(service: RunningService, *arguments: str) -> Any:
    done = command(service, *arguments, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def judge(service: RunningService) -> dict[str, Any]:
    reply: dict[str, Any] = requests.post(
        service.detect_url, data=pictures.jpeg(), timeout=60
    ).json()
    return reply


def loaded(service: RunningService) -> dict[str, list[str]]:
    """The versions under both names, the default first."""
    return {name: list(service.management.versions(name)) for name in (NODE, MODEL)}


def test_a_version_is_tried_promoted_and_rolled_back(
    running: RunningService, store: Path, other: str, tmp_path: Path
) -> None:
    first = serving(store)
    for name in ("plain JPEG", "palette PNG"):
        (tmp_path / name).write_bytes(pictures.valid()[name])
    assert succeed(running, "register", MODEL, other)["serving"] == first
    assert loaded(running) == {NODE: [first], MODEL: [first, other]}
    found = succeed(running, "compare", MODEL, other, str(tmp_path))
    assert (found["judged"], found["serving"]["version"]) == (2, first)
    assert judge(running)["models"][MODEL]["version"] == first

    settings = running.management.versions(NODE)[first]
    assert succeed(running, "promote", MODEL, other)["serving"] == other
    model = judge(running)["models"][MODEL]
    assert model["version"] == other
    assert model["weights_sha256"] == weights_of(store, MODEL, [other])[other]
    assert loaded(running) == {NODE: [other, first], MODEL: [other, first]}
    promoted = running.management.versions(NODE)[other]
    assert promoted.batch_size == settings.batch_size == archive.BATCH_SIZE
    assert promoted.max_batch_delay_ms == settings.max_batch_delay_ms
    assert promoted.response_seconds == settings.response_seconds
    page = requests.get(f"{running.url}/about.html", timeout=30).text
    assert re.search(rf'id="model-{MODEL}">[^<]*, version {re.escape(other)}</h3>', page)

    listed = succeed(running, "list")["models"][MODEL]
    assert (listed["serves"], listed["earlier"]) == (other, [first])
    assert succeed(running, "rollback", MODEL)["serving"] == first
    assert judge(running)["models"][MODEL]["version"] == first
    assert succeed(running, "unregister", MODEL, other)["changed"]
    assert loaded(running) == {NODE: [first], MODEL: [first]}


@pytest.mark.parametrize(
    ("version", "said"),
    [(BROKEN, "Failed to start workers"), (UNSOUND, "sample-real.jpg: it calls it fake")],
)
@pytest.mark.parametrize("action", ["register", "promote"])
def test_a_bad_version_is_taken_out_again(
    running: RunningService, store: Path, version: str, said: str, action: str
) -> None:
    before = loaded(running)
    done = command(running, action, MODEL, version)
    assert done.returncode == 1
    assert said in done.stderr
    assert loaded(running) == before
    assert judge(running)["models"][MODEL]["version"] == serving(store)


def test_only_archives_of_the_store_are_loaded(
    running: RunningService, store: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere-1.0.mar"
    shutil.copyfile(store / archive.model_file(MODEL, serving(store)), elsewhere)
    for url in (
        "http://127.0.0.1:9/remote-1.0.mar",
        "https://example.org/remote-1.0.mar",
        "s3://bucket/remote-1.0.mar",
        "ftp://127.0.0.1/remote-1.0.mar",
        elsewhere.as_uri(),
        str(elsewhere),
        f"../{elsewhere.name}",
    ):
        with pytest.raises(RefusedError) as caught:
            running.management.register_model(url, "remote", batch_size=1, max_batch_delay_ms=1)
        assert caught.value.status == 404, f"{url}: {caught.value}"
    assert "remote" not in running.management.models()
    assert not (store / elsewhere.name).exists()


def test_no_request_is_lost_while_versions_are_swapped(
    running: RunningService, store: Path, other: str
) -> None:
    first = serving(store)
    rollout, switches = timed_rollout(running)
    load = Load(running.detect_url, list(pictures.valid().values()), MODEL)
    with load.running(concurrency=16, at_least=200):
        load.wait_for(10)
        swap(rollout, MODEL, other, load.wait_for, 10)
    assert len(load.answers) >= 200
    assert [switch.version for switch in switches] == [other, first]
    assert [answer for answer in load.answers if answer.status != 200] == []
    assert [answer for answer in load.answers if answer.seconds > HUNG_SECONDS] == []
    assert misplaced(load.answers, first, switches) == []
    assert {answer.version for answer in load.answers} == {first, other}
    weights = weights_of(store, MODEL, (first, other))
    assert all(answer.weights == weights[answer.version] for answer in load.answers)
    assert "Timed out while executing" not in running.log()


def test_a_workflow_with_two_versions_of_a_node_can_be_removed_and_come_back(
    running: RunningService, store: Path, other: str
) -> None:
    rollout, _ = timed_rollout(running)
    rollout.promote(MODEL, other)
    remove_workflow(running.management)
    assert running.management.workflows() == []
    assert running.management.versions(NODE) == {}
    deploy_workflow(running.settings, running.management, lambda _: None)
    assert judge(running)["models"][MODEL]["version"] == other
    rollout.rollback(MODEL)
    assert judge(running)["models"][MODEL]["version"] == serving(store)
    assert rollout.unregister(MODEL, other).changed


def contents(store: Path) -> dict[Path, tuple[int, int]]:
    return {
        path: (path.stat().st_size, path.stat().st_mtime_ns) for path in sorted(store.rglob("*"))
    }


def test_promotions_outlive_the_service_and_the_store_may_be_read_only(tmp_path: Path) -> None:
    store, folder = tmp_path / "store", tmp_path / "service"
    store.mkdir()
    folder.mkdir()
    model_store(store)
    other = add_another_version(store, MODEL)
    before = contents(store)
    make_read_only(store)
    with run_service(store, folder, prefix=bound_by_rights()) as service:
        timed_rollout(service)[0].promote(MODEL, other)
    with run_service(store, folder, prefix=bound_by_rights()) as service:
        assert judge(service)["models"][MODEL]["version"] == other
        assert loaded(service) == {NODE: [other], MODEL: [other]}
        assert timed_rollout(service)[0].rollback(MODEL).serving == serving(store)
        assert judge(service)["models"][MODEL]["version"] == serving(store)
    assert contents(store) == before


def test_a_promoted_version_that_cannot_load_gives_way_to_the_default(tmp_path: Path) -> None:
    store, folder = tmp_path / "store", tmp_path / "service"
    store.mkdir()
    folder.mkdir()
    model_store(store)
    add_version_that_does_not_load(store, MODEL, "8.8")
    record = {MODEL: {"serving": "8.8", "earlier": []}, "cnn": {"serving": "9", "earlier": []}}
    (folder / "state").mkdir()
    (folder / "state" / "promotions.json").write_text(
        json.dumps({"models": record, "pending": None, "events": []})
    )
    with run_service(store, folder) as service:
        assert judge(service)["models"][MODEL]["version"] == serving(store)
        assert "not 9 as promoted" in service.output()
        assert "The promoted versions cannot be loaded, the default ones serve" in service.output()
        page = requests.get(f"{service.url}/about.html", timeout=30).text
        assert f", version {serving(store)}</h3>" in page
        assert "version 8.8" not in page
