"""Hands the counts of replies to TorchServe, whose metrics API shows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from detection.tally import COUNTERS, tally

PROBE_HEADER = "X-Deepfake-Probe"
"""Header of a request that only asks whether the service judges; the edge lets none through."""


class Metric(Protocol):
    """The part of `ts.metrics.caching_metric.CachingMetric` that is used here."""

    def add_or_update(self, value: float, dimension_values: list[str]) -> None:
        """Add to the counter with these values of its labels."""


class Metrics(Protocol):
    """The part of `ts.metrics.metric_cache_yaml_impl.MetricsCacheYamlImpl` that is used here."""

    def get_metric(self, metric_name: str) -> Metric:
        """Give a counter that `ops/torchserve/metrics.yaml` declares; raises for another."""


class Counters:
    """The service's own counters."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = {name: metrics.get_metric(name) for name in COUNTERS}

    def add(self, replies: Iterable[Mapping[str, Any]]) -> None:
        """Count the replies to a batch."""
        for (name, labels), number in tally(replies).items():
            self._metrics[name].add_or_update(number, list(labels))
