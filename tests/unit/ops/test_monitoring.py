"""Dashboard, alerts and scrape configuration; test_metrics.py holds them against a real service."""

from __future__ import annotations

import json

import pytest
import yaml

from ops.settings import Ports
from tests.support.monitoring import (
    ALERTS,
    DASHBOARD,
    FOLDER,
    Selector,
    alert_queries,
    dashboard_queries,
    selectors,
)


def test_a_query_is_taken_apart() -> None:
    query = 'sum by (x) (rate(a_total{l="1"}[5m])) / on (y) label_replace(b, "y", "$1", "x", ".*")'
    expected = [Selector("a_total", frozenset({"l"})), Selector("b", frozenset())]
    assert selectors(query) == expected
    with pytest.raises(ValueError, match="parenthesis"):
        selectors("sum(")


@pytest.mark.parametrize("query", dashboard_queries() + alert_queries())
def test_every_query_is_promql_and_asks_for_something(query: str) -> None:
    assert selectors(query)


def test_the_dashboard_is_complete() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]
    assert len(set(places)) == len(places)
    for panel in panels:
        assert panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
    variables = {variable["name"] for variable in dashboard["templating"]["list"]}
    assert variables == {"datasource", "instance"}


def test_every_alert_says_what_to_do() -> None:
    for group in yaml.safe_load(ALERTS.read_text())["groups"]:
        for rule in group["rules"]:
            assert rule["labels"]["severity"] in {"page", "ticket"}
            assert set(rule["annotations"]) == {"summary", "action"}


def test_the_scrape_configuration_asks_the_edge() -> None:
    configuration = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    assert configuration["rule_files"] == [ALERTS.name]
    paths = {job["metrics_path"] for job in configuration["scrape_configs"]}
    assert paths == {"/metrics", "/metrics/edge"}
    for job in configuration["scrape_configs"]:
        assert job["authorization"]["credentials_file"].endswith("metrics.token")
        assert job["static_configs"] == [{"targets": [f"127.0.0.1:{Ports().edge_metrics}"]}]
