"""Fixtures of the training tests: a tiny set to train on, another to evaluate with versions."""

from pathlib import Path

import pytest

from detection.version import ModelVersion
from tests.support.small_evaluation import SmallData, face, small_data, small_store
from tests.support.tiny_data import (
    portrait,
    tiny_loader,
    tiny_regions,
    tiny_root,
    tiny_samples,
)
from training.explanations import Forgeries, make_forgeries
from training.manifest import REAL
from training.subjects import load_versions

__all__ = [
    "face",
    "portrait",
    "small_data",
    "small_store",
    "tiny_loader",
    "tiny_regions",
    "tiny_root",
    "tiny_samples",
]


@pytest.fixture(scope="package")
def cnn_version(small_store: Path) -> ModelVersion:
    """An untrained cnn of the small store."""
    (loaded,) = load_versions(["cnn"], small_store)
    return loaded


@pytest.fixture(scope="package")
def forgeries(small_data: SmallData) -> Forgeries:
    """Forgeries of known place of six faces of the small data."""
    reals = [sample for sample in small_data.samples if sample.label == REAL][:6]
    return make_forgeries(reals, small_data.loader)
