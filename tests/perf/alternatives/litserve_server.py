"""LitServe around our own judgement in one process: the server an engineer would pick today.

One worker a core with one thread each. Batching is off: on a CPU a picture costs the same in a
batch, and waiting for one costs latency. Pictures come as base64 in JSON: LitServe pickles uploads
for its workers, and a form's file above 1 MiB lies on disk and cannot be pickled.

Run as `python -m tests.perf.alternatives.litserve_server STORE PORT WORKERS`.
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

import litserve
from fastapi import Response

from detection.pipeline import Pipeline


class DetectApi(litserve.LitAPI):  # type: ignore[misc]
    """Judges the picture in `{"image": base64}`, posted to /predict."""

    def __init__(self, store: str) -> None:
        super().__init__()
        self._store = store

    def setup(self, device: str) -> None:
        self._pipeline = Pipeline(Path(self._store), device=device)

    def decode_request(self, request) -> bytes:  # type: ignore[no-untyped-def]  # noqa: ANN001
        # No annotation: LitServe would have FastAPI check the body against it.
        return base64.b64decode(request["image"])

    def predict(self, data: bytes) -> dict[str, Any]:
        return self._pipeline.judge(data)

    def encode_response(self, reply: dict[str, Any]) -> Response:
        return Response(json.dumps(reply, separators=(",", ":")), media_type="application/json")


if __name__ == "__main__":
    server = litserve.LitServer(
        DetectApi(sys.argv[1]), accelerator="cpu", workers_per_device=int(sys.argv[3])
    )
    server.run(port=int(sys.argv[2]), host="127.0.0.1", generate_client_file=False)
