"""What the metrics APIs of a running service show, and whether dashboard and alerts can use it."""

from __future__ import annotations

import time
from collections.abc import Mapping

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from detection.errors import ERROR_TYPES
from detection.reasons import Reason
from detection.tally import COUNTERS
from handlers.counters import PROBE_HEADER
from ops.settings import WORKFLOW
from ops.tokens import metrics_token_file
from tests.support import pictures
from tests.support.monitoring import alert_queries, dashboard_queries, selectors
from tests.support.service import RunningService

pytestmark = pytest.mark.integration

NODES = {"ingest", "cnn", "efficientnet", "explain"}
Sample = tuple[Mapping[str, str], float]
# Prometheus adds these to whatever it scrapes, and `up` of its own.
ADDED = {"instance", "job"}
# They appear with the first failure.
SELDOM = {"deepfake_node_failures_total"}


def scrape(service: RunningService, path: str) -> dict[str, list[Sample]]:
    """Every sample that an address shows: name -> (labels, value)."""
    token = metrics_token_file(service.settings).read_text()
    url = f"http://127.0.0.1:{service.settings.ports.edge_metrics}{path}"
    response = requests.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=30)
    assert response.status_code == 200
    # Of a counter without "_total" in its name the parser makes one with it: hide the types.
    text = "".join(line for line in response.text.splitlines(True) if not line.startswith("# TYPE"))
    samples: dict[str, list[Sample]] = {}
    for metric in text_string_to_metric_families(text):
        for sample in metric.samples:
            samples.setdefault(sample.name, []).append((sample.labels, sample.value))
    return samples


def total(samples: dict[str, list[Sample]], name: str, **labels: str) -> float:
    """The sum of a metric's samples that have these labels."""
    return sum(
        value
        for found, value in samples.get(name, [])
        if all(found.get(label) == wanted for label, wanted in labels.items())
    )


@pytest.fixture(scope="module")
def growth(service: RunningService) -> dict[str, list[Sample]]:
    """The nodes' metrics after three pictures with a face and two that are none."""
    before = scrape(service, "/metrics")
    for _ in range(3):
        reply = requests.post(service.detect_url, data=pictures.jpeg(), timeout=60)
        assert reply.status_code == 200
    assert requests.post(service.detect_url, data=b"text", timeout=60).status_code == 415
    assert requests.post(service.detect_url, data=b"", timeout=60).status_code == 400
    deadline = time.monotonic() + 20
    while True:  # TorchServe reads a worker's counters off its log, some time after the reply
        grown = _growth(before, scrape(service, "/metrics"))
        counted = sum(total(grown, f"deepfake_{name}_total") for name in ("verdicts", "rejected"))
        if counted >= 5 or time.monotonic() > deadline:
            return grown
        time.sleep(0.2)


def _growth(
    before: dict[str, list[Sample]], after: dict[str, list[Sample]]
) -> dict[str, list[Sample]]:
    return {
        name: [(labels, value - total(before, name, **labels)) for labels, value in samples]
        for name, samples in after.items()
    }


def test_verdicts_and_faces_are_counted(growth: dict[str, list[Sample]]) -> None:
    assert total(growth, "deepfake_verdicts_total") == 3
    assert total(growth, "deepfake_faces_total") == 3
    assert total(growth, "deepfake_rejected_total", reason="unsupported_format") == 1
    assert total(growth, "deepfake_rejected_total", reason="empty_file") == 1
    assert total(growth, "deepfake_rejected_total") == 2


def test_the_service_s_own_probe_counts_as_no_verdict(service: RunningService) -> None:
    url = f"{service.settings.inference_url}/wfpredict/{WORKFLOW}"
    token = {"Authorization": f"Bearer {service.tokens.inference}"}
    before = total(scrape(service, "/metrics"), "deepfake_verdicts_total")
    for headers in ({PROBE_HEADER: "1"}, {PROBE_HEADER: "1"}, {}):
        headers |= {"Content-Type": "application/octet-stream", **token}
        reply = requests.post(url, data=pictures.jpeg(), headers=headers, timeout=60)
        assert reply.status_code == 200
    for _ in range(50):  # the server reads counts from what its workers print
        after = total(scrape(service, "/metrics"), "deepfake_verdicts_total")
        if after != before:
            break
    assert after == before + 1


def test_every_node_is_watched(growth: dict[str, list[Sample]]) -> None:
    # At least, as the service's own probe passes by.
    for node in NODES:
        assert total(growth, "deepfake_node_requests_total", node=node) >= 5
        assert total(growth, "deepfake_node_seconds_count", node=node) >= 5
        assert total(growth, "deepfake_node_seconds_sum", node=node) > 0
        name = f"deepfake__{node}"
        assert total(growth, "ts_queue_latency_microseconds", model_name=name) > 0
        assert total(growth, "ts_inference_latency_microseconds", model_name=name) > 0
    assert total(growth, "deepfake_replies_total", status="200") >= 3
    assert total(growth, "deepfake_replies_total", status="415") == 1
    assert total(growth, "deepfake_request_seconds_count") >= 5
    assert total(growth, "deepfake_node_failures_total") == 0


def test_nothing_is_in_flight_when_all_is_answered(service: RunningService) -> None:
    for _ in range(50):  # the probe may be passing by
        samples = scrape(service, "/metrics")
        if all(value == 0 for _, value in samples["deepfake_node_in_flight"]):
            return
    pytest.fail(f"in flight: {samples['deepfake_node_in_flight']}")


def test_labels_take_few_values(service: RunningService) -> None:
    samples = scrape(service, "/metrics")
    allowed = {
        "verdict": {"fake", "real", "uncertain"},
        "decided_by": {"cnn", "efficientnet"},
        "reason": set(ERROR_TYPES) | {reason.value for reason in Reason},
        "node": NODES,
        "kind": {"refused", "timeout", "abandoned", "error"},
        "status": {"200", "400", "413", "415", "422", "500", "503"},
    }
    for name, found in samples.items():
        if not name.startswith("deepfake_"):
            continue
        for labels, _ in found:
            for label, value in labels.items():
                assert label in {"le", "Hostname"} or value in allowed[label], (name, labels)
    assert not {"WorkerLoadTime", "PredictionTime"} & set(samples)


def test_the_edge_is_watched(service: RunningService) -> None:
    requests.get(service.url + "/nothing", timeout=30)
    samples = scrape(service, "/metrics/edge")
    assert total(samples, "caddy_http_request_duration_seconds_count", code="404") >= 1


def test_dashboard_and_alerts_ask_for_what_there_is(
    service: RunningService, growth: dict[str, list[Sample]]
) -> None:
    del growth  # everything has been counted once
    samples = scrape(service, "/metrics") | scrape(service, "/metrics/edge")
    for query in dashboard_queries() + alert_queries():
        for selector in selectors(query):
            if selector.metric == "up" or selector.metric in SELDOM:
                continue
            assert selector.metric in samples, query
            labels = {label for found, _ in samples[selector.metric] for label in found}
            assert selector.labels <= labels | ADDED, query


def test_every_counter_of_ours_is_on_the_dashboard() -> None:
    shown = {one.metric for query in dashboard_queries() for one in selectors(query)}
    assert shown >= set(COUNTERS) | SELDOM
