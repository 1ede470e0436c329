"""What a node imports decides its memory and its start; most nodes must do without torch."""

from __future__ import annotations

import subprocess
import sys

import pytest

WITHOUT_TORCH = (
    "batch", "engine", "errors", "evidence", "explain", "faces", "image", "ingest", "jpeg", "judge",
    "limits", "message", "overlay", "pipeline", "quiet", "reasons", "records", "reply", "session",
    "sniff", "tally", "upright", "verdict", "version",
)  # fmt: skip


def modules_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_nodes_without_a_network_start_without_torch() -> None:
    modules = modules_after("import " + ", ".join(f"detection.{name}" for name in WITHOUT_TORCH))
    assert not modules & {"torch", "torchvision", "architectures", "matplotlib", "sklearn"}


def test_limits_and_package_are_light() -> None:
    modules = modules_after("import detection, detection.limits, detection.errors")
    assert not modules & {"torch", "numpy", "PIL", "cv2", "onnxruntime"}


@pytest.mark.parametrize("module", ["explain", "reply"])
def test_explain_needs_no_face_detector(module: str) -> None:
    assert not modules_after(f"import detection.{module}") & {"torch", "onnxruntime", "cv2"}
