"""The queries of dashboard and alerts, and what they ask for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import promql_parser
import yaml

from ops.settings import ROOT

FOLDER = ROOT / "ops" / "monitoring"
DASHBOARD = FOLDER / "dashboard.json"
ALERTS = FOLDER / "alerts.yml"


@dataclass(frozen=True)
class Selector:
    """A metric that a query asks for, and the labels that it must have."""

    metric: str | None
    labels: frozenset[str]


def dashboard_queries() -> list[str]:
    """Every query of the dashboard, with Grafana's variables filled in."""
    dashboard: dict[str, Any] = json.loads(DASHBOARD.read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    return [query.replace("$__rate_interval", "1m").replace("$instance", ".*") for query in queries]


def alert_queries() -> list[str]:
    """Every query of the alerts."""
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    return [rule["expr"] for group in groups for rule in group["rules"]]


def selectors(query: str) -> list[Selector]:
    """What a query asks for; raises ValueError where it is not PromQL."""
    found: list[Selector] = []

    def visit(node: Any) -> bool:
        if isinstance(node, promql_parser.VectorSelector):
            labels = frozenset(matcher.name for matcher in node.matchers.matchers)
            found.append(Selector(node.name, labels))
        return True

    promql_parser.walk(promql_parser.parse(query), visit)
    return found
