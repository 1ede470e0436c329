"""The workflow as TorchServe holds it, with our engine and with its own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import requests

from ops.archive import BATCH_SIZE, node_workers, serving_versions
from ops.settings import WORKFLOW
from tests.support import pictures, schema
from tests.support.service import RunningService, run_service

pytestmark = pytest.mark.integration

NODES = ("ingest", "cnn", "efficientnet", "explain")


def test_the_war_registers_with_every_node(service: RunningService) -> None:
    assert service.management.workflows() == [WORKFLOW]
    versions = serving_versions(service.settings.model_store)
    for node in NODES:
        described = service.management.describe_model(f"{WORKFLOW}__{node}")[0]
        # A picture that its decoder chokes on takes no others down with it.
        assert described["batchSize"] == (1 if node == "ingest" else BATCH_SIZE)
        assert len(described["workers"]) == node_workers(len(os.sched_getaffinity(0)))
        assert {worker["status"] for worker in described["workers"]} == {"READY"}
        assert described["modelVersion"] == versions.get(node, "1.0")


def test_the_reply_names_the_weights_that_made_it(service: RunningService) -> None:
    reply = requests.post(service.detect_url, data=pictures.jpeg(), timeout=60).json()
    versions = serving_versions(service.settings.model_store)
    assert {name: model["version"] for name, model in reply["models"].items()} == versions


def test_workers_run_one_thread_each_way(service: RunningService) -> None:
    for worker in service.torchserve.children(recursive=True):
        assert worker.environ()["OMP_NUM_THREADS"] == "1"


def test_the_workflow_runs_on_torchserves_own_engine_too(archives: Path, tmp_path: Path) -> None:
    with run_service(archives, tmp_path, workflow_engine=False) as plain:
        reply = requests.post(plain.detect_url, data=pictures.jpeg(), timeout=60)
        assert reply.status_code == 200
        schema.check(reply.json())
        refused = requests.post(plain.detect_url, data=b"text", timeout=60)
        assert refused.status_code == 200  # that engine has no other
        assert refused.json()["code"] == 415
