from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import yaml

from ops.properties import METRICS_CONFIG


class FakeMetrics:
    """Adds up the counters that the server's configuration declares."""

    def __init__(self) -> None:
        declared = yaml.safe_load(METRICS_CONFIG.read_text())["model_metrics"]["counter"]
        self._labels = {entry["name"]: entry["dimensions"] for entry in declared}
        self.counts: Counter[tuple[str, ...]] = Counter()

    def get_metric(self, metric_name: str) -> FakeMetric:
        return FakeMetric(metric_name, self._labels[metric_name], self.counts)


class FakeMetric:
    def __init__(self, name: str, labels: list[str], counts: Counter[tuple[str, ...]]) -> None:
        self._name, self._labels, self._counts = name, labels, counts

    def add_or_update(self, value: float, dimension_values: list[str]) -> None:
        assert len(dimension_values) == len(self._labels)
        self._counts[self._name, *dimension_values] += int(value)


class FakeContext:
    """Records what a handler tells TorchServe."""

    def __init__(self, model_dir: str = "") -> None:
        self.system_properties: dict[str, Any] = {"model_dir": model_dir}
        self.statuses: dict[int, int] = {}
        self.types: dict[int, str] = {}
        self.metrics = FakeMetrics()
        self.headers: dict[int, dict[str, str]] = {}

    def get_request_header(self, idx: int, key: str) -> str | None:
        return self.headers.get(idx, {}).get(key)

    def set_response_status(self, code: int = 200, phrase: str = "", idx: int = 0) -> None:
        assert isinstance(phrase, str)
        self.statuses[idx] = code

    def set_response_content_type(self, idx: int, value: str) -> None:
        self.types[idx] = value


@pytest.fixture
def context() -> FakeContext:
    return FakeContext()
