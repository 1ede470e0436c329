"""Starting and stopping: one clear sentence for what stands in the way, and no process left."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from ops import state
from ops.archive import serving_versions
from ops.settings import ROOT, Settings
from tests.support.service import (
    RunningService,
    environment,
    family,
    new_settings,
    start,
    survivors,
    wait_for_output,
)

pytestmark = pytest.mark.integration


def run(module: str, settings: Settings) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module],
        cwd=ROOT,
        env=environment(settings),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def started_half_way(store: Path, folder: Path) -> RunningService:
    """A service whose workers are just loading."""
    running = start(new_settings(store, folder))
    wait_for_output(running, "Loading the workflow", 120)
    deadline = time.monotonic() + 60
    while len(family(running.process)) < 5 and time.monotonic() < deadline:
        time.sleep(0.05)
    return running


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_starting_leaves_no_process(
    archives: Path, tmp_path: Path, sign: signal.Signals
) -> None:
    running = started_half_way(archives, tmp_path)
    processes = family(running.process)
    assert len(processes) >= 5
    os.killpg(running.process.pid, sign)  # as the terminal does on Ctrl-C
    os.killpg(running.process.pid, sign)  # an impatient second time must not break it
    assert not survivors(processes, 60)
    assert running.process.wait(5) == 0
    assert running.output().rstrip().endswith("Stopped.")
    assert state.read(running.settings.run_dir) is None


def test_a_killed_supervisor_leaves_no_process(archives: Path, tmp_path: Path) -> None:
    running = started_half_way(archives, tmp_path)
    processes = family(running.process)
    running.process.kill()
    assert not survivors(processes, 60)
    assert run("ops.stop", running.settings).returncode == 0
    assert state.read(running.settings.run_dir) is None


def test_a_second_start_says_that_one_runs(service: RunningService) -> None:
    second = run("ops.serve", service.settings)
    assert second.returncode == 1
    assert second.stdout.startswith("error: The service already runs at http://127.0.0.1:")
    assert "make stop" in second.stdout
    assert len(second.stdout.splitlines()) == 1
    assert service.process.poll() is None


@pytest.mark.parametrize("field", ["edge", "inference", "management", "grpc_inference"])
def test_a_taken_port_is_named(archives: Path, tmp_path: Path, field: str) -> None:
    settings = new_settings(archives, tmp_path)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", getattr(settings.ports, field)))
        listener.listen()
        result = run("ops.serve", settings)
    assert result.returncode == 1
    assert len(result.stdout.splitlines()) == 1
    assert result.stdout.startswith(f"error: Port {getattr(settings.ports, field)} ")
    assert "PORT=" in result.stdout
    assert result.stderr == ""


def test_missing_weights_are_named(tmp_path: Path) -> None:
    settings = new_settings(tmp_path, tmp_path)
    result = run("ops.serve", settings)
    assert result.returncode == 1
    assert len(result.stdout.splitlines()) == 1
    assert "serving.json is missing" in result.stdout


def test_status_of_a_running_service(service: RunningService) -> None:
    result = run("ops.status", service.settings)
    assert result.returncode == 0, result.stdout
    assert service.url in result.stdout
    versions = serving_versions(service.settings.model_store)
    models = [f"{model} {version}: worker" for model, version in versions.items()]
    assert len(models) == 2
    for name in ("deepfake__ingest", "deepfake__explain", "Edge: answers", *models):
        assert name in result.stdout


def test_deploy_again_changes_nothing(service: RunningService) -> None:
    before = service.workers()
    result = run("ops.deploy", service.settings)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "registered already" in result.stdout
    assert service.workers() == before


@pytest.mark.parametrize("module", ["ops.status", "ops.deploy", "ops.stop"])
def test_nothing_runs(archives: Path, tmp_path: Path, module: str) -> None:
    result = run(module, replace(new_settings(archives, tmp_path), run_dir=tmp_path / "none"))
    assert result.returncode == (0 if module == "ops.stop" else 1)
    assert len((result.stdout + result.stderr).splitlines()) == 1
