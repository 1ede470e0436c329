"""The networks by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from architectures.cnn import build_cnn
from architectures.detector import Detector
from architectures.efficientnet import build_efficientnet

_BUILDERS: dict[str, Callable[..., Detector]] = {
    "cnn": build_cnn,
    "efficientnet": build_efficientnet,
}

NAMES = tuple(_BUILDERS)


def build(name: str, **options: Any) -> Detector:
    """Builds a network with random weights.

    Args:
        name: One of `NAMES`.
        options: The network's own options; see its module.

    Raises:
        ValueError: No network has that name, or it has no such option.
    """
    if name not in _BUILDERS:
        raise ValueError(f"unknown network {name!r}; known are {', '.join(NAMES)}")
    try:
        return _BUILDERS[name](**options)
    except TypeError as error:
        raise ValueError(f"options {options} do not fit network {name!r}: {error}") from error
