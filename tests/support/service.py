"""Starts the real service for tests, on free ports and in folders of its own."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from ops import archive, state
from ops.client import InferenceClient, ManagementClient
from ops.ports import free_ports
from ops.settings import MODELS, ROOT, Ports, Settings
from ops.tokens import Tokens, read_tokens

# Imports of torch in six workers, while other work may hold the cores.
START_SECONDS = 600.0


@dataclass(frozen=True)
class RunningService:
    """A service under test."""

    settings: Settings
    process: subprocess.Popen[str]

    @property
    def url(self) -> str:
        """Address of the page."""
        return self.settings.page_url

    @property
    def detect_url(self) -> str:
        """Address that pictures are posted to."""
        return f"{self.url}/api/detect"

    @property
    def tokens(self) -> Tokens:
        """TorchServe's tokens."""
        return read_tokens(self.settings.run_dir)

    @property
    def management(self) -> ManagementClient:
        """Client of the management API."""
        return ManagementClient(self.settings.management_url, self.tokens.management)

    @property
    def inference(self) -> InferenceClient:
        """Client of the inference API."""
        return InferenceClient(self.settings.inference_url, self.tokens.inference)

    @property
    def torchserve(self) -> psutil.Process:
        """TorchServe's Java process."""
        running = state.read(self.settings.run_dir)
        assert running is not None
        return psutil.Process(running.groups[0])

    @property
    def edge(self) -> psutil.Process:
        """The edge's process."""
        running = state.read(self.settings.run_dir)
        assert running is not None
        return psutil.Process(running.groups[1])

    def workers(self) -> dict[str, int]:
        """Process number of each model's worker, by the model's name."""
        return {
            name: worker["pid"]
            for name in self.management.models()
            for worker in self.management.describe_model(name)[0]["workers"]
        }

    def log(self) -> str:
        """Everything TorchServe has logged."""
        return (self.settings.log_dir / "torchserve.log").read_text()

    def output(self) -> str:
        """Everything the supervising process has printed."""
        return (self.settings.run_dir.parent / "serve.out").read_text()


def model_store(folder: Path) -> Path:
    """Copy the serving versions into `folder` and build the archives there.

    Without committed versions (a new architecture is being trained) untrained networks stand in.
    """
    source = ROOT / "model_store"
    if (source / "serving.json").is_file():
        shutil.copyfile(source / "serving.json", folder / "serving.json")
        for name, version in archive.serving_versions(source).items():
            shutil.copytree(source / name / version, folder / name / version)
    else:
        for name in MODELS:
            write_untrained_version(folder, name, "1.0")
        (folder / "serving.json").write_text(json.dumps(dict.fromkeys(MODELS, "1.0")))
    archive.build_all(replace(Settings(), model_store=folder))
    return folder


def write_untrained_version(store: Path, name: str, version: str, seed: int = 0) -> Path:
    """Write a version folder of a network with random weights; returns the folder."""
    # Here, as importing torch takes seconds and most tests need none.
    import torch  # noqa: PLC0415

    from architectures import build  # noqa: PLC0415
    from architectures.weights import save_weights  # noqa: PLC0415

    torch.manual_seed(seed)
    detector = build(name)
    folder = store / name / version
    folder.mkdir(parents=True)
    weights = folder / "weights.safetensors"
    save_weights(detector, weights)
    description = {
        "name": name,
        "version": version,
        "architecture": name,
        "options": {},
        "preset": detector.preset.as_dict(),
        "classes": ["Fake", "Real"],
        "temperature": 1.0,
        "thresholds": {"fake": 0.7, "real": 0.3},
        "weights_sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "initialisation": "random",
        "command": "none",
        "created": "2000-01-01",
    }
    (folder / "model.json").write_text(json.dumps(description))
    return folder


def new_settings(store: Path, folder: Path) -> Settings:
    """Settings of a service on free ports, with its files in `folder`."""
    return Settings(
        run_dir=folder / "run",
        model_store=store,
        site_dir=folder / "site",
        state_dir=folder / "state",
        ports=Ports(*free_ports(7)),
    )


def environment(settings: Settings) -> dict[str, str]:
    """The environment in which `python -m ops.serve` has these settings."""
    return settings.as_environment()


def start(settings: Settings, prefix: Sequence[str] = ()) -> RunningService:
    """Start `python -m ops.serve` as the leader of a process group, as a shell would.

    Args:
        settings: of the service.
        prefix: what to put before the command.
    """
    output = settings.run_dir.parent / "serve.out"
    with output.open("w") as file:
        process = subprocess.Popen(
            [*prefix, sys.executable, "-m", "ops.serve"],
            cwd=ROOT,
            env=environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
    return RunningService(settings, process)


def wait_for_output(running: RunningService, text: str, seconds: float = START_SECONDS) -> None:
    """Wait until the service has printed `text`; fails with its output if it ends before."""
    deadline = time.monotonic() + seconds
    while text not in running.output():
        ended = running.process.poll() is not None
        assert not ended, f"the service ended:\n{running.output()}"
        assert time.monotonic() < deadline, f"no {text!r} in time:\n{running.output()}"
        time.sleep(0.1)


def family(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """A process and everything it started, as of now."""
    try:
        leader = psutil.Process(process.pid)
        return [leader, *leader.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def survivors(processes: list[psutil.Process], seconds: float = 30.0) -> list[psutil.Process]:
    """Those of the processes that still live after at most `seconds`."""
    left: list[psutil.Process] = psutil.wait_procs(processes, timeout=seconds)[1]
    return left


@contextmanager
def run_service(
    store: Path,
    folder: Path,
    *,
    workflow_engine: bool = True,
    settings: Settings | None = None,
    prefix: Sequence[str] = (),
) -> Iterator[RunningService]:
    """Run a service with everything loaded; ends it and checks that no process is left."""
    if settings is None:
        settings = replace(new_settings(store, folder), workflow_engine=workflow_engine)
    running = start(settings, prefix)
    try:
        wait_for_output(running, "Both models also answer")
        yield running
    finally:
        processes = family(running.process)
        if running.process.poll() is None:
            running.process.send_signal(signal.SIGTERM)
        left = survivors(processes, 60)
        for process in left:
            process.kill()
    assert not left, f"left behind: {left}"
    assert running.process.wait(5) == 0, running.output()
