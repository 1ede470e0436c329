"""Fixtures for all tests."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

# Before torch is imported anywhere: the cores are shared with the servers under test.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

from tests.support.service import RunningService, model_store, run_service

ROOT = Path(__file__).resolve().parent.parent


def pytest_configure() -> None:
    """Lets the programs under test hear Ctrl-C.

    Shells ignore it for what they start in the background, and every child inherits that.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _absent(what: str) -> None:
    """Nothing may be skipped in CI, where everything must be there."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} is missing, and CI must have it")
    pytest.skip(f"{what} is missing")


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The image set, beside the repository unless DATA_ROOT says otherwise."""
    folder = Path(os.environ.get("DATA_ROOT") or ROOT.parent / "shared" / "data")
    if not (folder / "manifest.csv").is_file():
        _absent("The image set")
    return folder


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a Chromium or Chrome."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name)
        if found:
            return found
    _absent("Chromium")
    raise AssertionError


@pytest.fixture(scope="session")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model store with the serving versions and the archives built from them."""
    return model_store(tmp_path_factory.mktemp("model_store"))


@pytest.fixture(scope="session")
def service(archives: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """The real service, TorchServe and edge, on free ports of its own."""
    with run_service(archives, tmp_path_factory.mktemp("run")) as running:
        yield running
