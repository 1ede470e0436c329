"""How every network that runs on ONNX Runtime is opened: threads, waiting and memory."""

from __future__ import annotations

from pathlib import Path

import onnxruntime

_ERRORS_ONLY = 3  # log level


def open_session(
    model: Path | bytes, threads: int = 1, *, keep_memory: bool = False
) -> onnxruntime.InferenceSession:
    """Opens an ONNX model on the CPU.

    Waiting threads sleep instead of spinning, which would take the cores from the other workers.

    Args:
        model: The file, or its bytes.
        threads: Threads of one run.
        keep_memory: Whether what a run needed is kept for the next one, which is faster; only for
            inputs of bounded size, as the largest one is paid for ever after.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    options.enable_cpu_mem_arena = keep_memory
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(
        model if isinstance(model, bytes) else str(model),
        options,
        providers=["CPUExecutionProvider"],
    )
