"""Fixtures of the training tests: a tiny set to train on, another to evaluate with versions."""

from tests.support.small_evaluation import face, small_data, small_store
from tests.support.tiny_data import (
    portrait,
    tiny_loader,
    tiny_regions,
    tiny_root,
    tiny_samples,
)

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
