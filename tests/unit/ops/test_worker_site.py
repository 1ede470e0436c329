"""What `ops/torchserve/worker/sitecustomize.py` makes of a worker's start."""

from __future__ import annotations

import os
import subprocess
import sys

from ops.properties import METRICS_CONFIG
from ops.server import _WORKER_SITE

# As `ts/model_service_worker.py` does it.
WORKER = """
import logging, sys
from ts.metrics.metric_cache_yaml_impl import MetricsCacheYamlImpl
from ts.protocol import otf_message_handler

logging.basicConfig(stream=sys.stdout, format="%(message)s", level=logging.INFO)
metrics = MetricsCacheYamlImpl(config_file_path=sys.argv[1])
metrics.initialize_cache()
metrics.model_name = "cnn"
logging.info("Backend received inference at: %d", 1)
metrics.add_time("PredictionTime", 1.5)
metrics.get_metric("deepfake_verdicts_total").add_or_update(2, ["fake"])
logging.info("Torch worker started.")
print("torch", type(sys.modules["torch"]).__name__)
"""


def test_a_worker_prints_counts_but_no_line_for_each_batch() -> None:
    printed = run(WORKER)
    names = [line.partition(":")[0] for line in printed if "Successfully loaded" not in line]
    assert names == [
        "[METRICS]deepfake_verdicts_total.Count",
        "Torch worker started.",
        "torch _LoadedAtFirstUse",
    ]


def run(code: str) -> list[str]:
    """The lines that a worker prints."""
    result = subprocess.run(
        [sys.executable, "-c", code, str(METRICS_CONFIG)],
        env=os.environ | {"PYTHONPATH": str(_WORKER_SITE)},
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return result.stdout.splitlines()
