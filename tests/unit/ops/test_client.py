"""The clients against a small server that answers as TorchServe does."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar

import pytest

from ops.client import (
    EdgeClient,
    InferenceClient,
    LoadedVersion,
    ManagementClient,
    RefusedError,
    TokenClient,
)
from ops.errors import OpsError
from ops.ports import free_ports


class Answers(BaseHTTPRequestHandler):
    """Answers by path, and remembers what was asked."""

    replies: ClassVar[dict[str, tuple[int, bytes]]] = {}
    seen: ClassVar[list[tuple[str, str, str | None]]] = []

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.seen.append((self.command, self.path, self.headers.get("Authorization")))
        status, body = self.replies.get(self.path.split("?")[0], (404, b"{}"))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 - names that http.server wants

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    Answers.replies, Answers.seen = {}, []
    server = HTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def reply(path: str, content: object, status: int = 200) -> None:
    Answers.replies[path] = (status, json.dumps(content).encode())


def test_lists(address: str) -> None:
    reply("/workflows", {"workflows": [{"workflowName": "deepfake", "workflowUrl": "x"}]})
    reply("/models", {"models": [{"modelName": "cnn", "modelUrl": "x"}]})
    client = ManagementClient(address, "secret")
    assert client.workflows() == ["deepfake"]
    assert client.models() == ["cnn"]
    assert {token for _, _, token in Answers.seen} == {"Bearer secret"}


def test_registration_gives_batch_settings_and_waits(address: str) -> None:
    reply("/models", {"status": "ok"})
    client = ManagementClient(address, "secret")
    client.register_model("cnn-2.0.mar", "deepfake__cnn", batch_size=8, max_batch_delay_ms=5)
    query = "model_name=deepfake__cnn&batch_size=8&max_batch_delay=5&initial_workers=1"
    path = f"/models?url=cnn-2.0.mar&{query}&synchronous=true"
    assert Answers.seen[0][:2] == ("POST", path)


def test_a_refusal_becomes_one_sentence(address: str) -> None:
    error = {"code": 409, "type": "Conflict", "message": "Workflow deepfake\nis registered"}
    reply("/workflows", error, 409)
    with pytest.raises(OpsError) as caught:
        ManagementClient(address, "secret").register_workflow(
            "deepfake.war", response_timeout=20, startup_timeout=180
        )
    assert str(caught.value) == (
        "POST /workflows failed: Workflow deepfake is registered (HTTP 409)."
    )


def test_an_answer_that_is_no_json(address: str) -> None:
    Answers.replies["/workflows"] = (200, b"<html>")
    with pytest.raises(OpsError, match="something other than JSON"):
        ManagementClient(address, "secret").workflows()


def test_nobody_there() -> None:
    address = f"http://127.0.0.1:{free_ports(1)[0]}"
    with pytest.raises(OpsError, match="Nothing answers at http://127"):
        ManagementClient(address, "secret").workflows()
    assert not InferenceClient(address, "secret").healthy()


def test_health(address: str) -> None:
    reply("/ping", {"status": "Healthy"})
    assert InferenceClient(address, "secret").healthy()
    reply("/ping", {"status": "Unhealthy"}, 500)
    assert not InferenceClient(address, "secret").healthy()


def test_a_reply_without_a_verdict_is_an_error(address: str) -> None:
    client = EdgeClient(address)
    reply("/api/detect", {"verdict": "real"})
    assert client.detect(b"x") == {"verdict": "real"}
    reply("/api/detect", {"code": 503, "type": "service_unavailable", "message": "Wait."}, 503)
    with pytest.raises(OpsError, match=r"did not judge the picture: Wait\. \(HTTP 503\)"):
        client.detect(b"x")
    Answers.replies["/api/detect"] = (502, b"")
    with pytest.raises(OpsError, match="HTTP 502"):
        client.detect(b"x")


def test_a_proxy_of_the_environment_is_not_asked(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    reply("/ping", {})
    assert InferenceClient(address, "secret").healthy()


def held(version: str, status: str = "READY") -> dict[str, object]:
    return {
        "modelVersion": version,
        "minWorkers": 1,
        "batchSize": 8,
        "maxBatchDelay": 5,
        "responseTimeout": 120,
        "workers": [{"status": status}],
    }


def test_versions_come_with_their_settings_the_default_first(address: str) -> None:
    reply("/models/deepfake__cnn", [held("2.0")])
    reply("/models/deepfake__cnn/all", [held("1.0", "UNLOADING"), held("2.0")])
    found = ManagementClient(address, "secret").versions("deepfake__cnn")
    assert list(found) == ["2.0", "1.0"]
    assert found["2.0"] == LoadedVersion("2.0", 8, 5, 120, 1, ready=True)
    assert not found["1.0"].ready


def test_a_model_that_is_not_registered_has_no_versions(address: str) -> None:
    client = ManagementClient(address, "secret")
    assert client.versions("cnn") == {}
    reply("/models/cnn", {"message": "no"}, 500)
    with pytest.raises(RefusedError) as caught:
        client.versions("cnn")
    assert caught.value.status == 500


def test_set_default(address: str) -> None:
    reply("/models/cnn/2.0/set-default", {"status": "ok"})
    ManagementClient(address, "secret").set_default("cnn", "2.0")
    assert Answers.seen[0][:2] == ("PUT", "/models/cnn/2.0/set-default")


def test_one_version_is_asked(address: str) -> None:
    reply("/predictions/cnn/2.0", {"model": {"version": "2.0"}})
    reply("/predictions/cnn", {"model": {"version": "1.0"}})
    client = InferenceClient(address, "secret")
    assert client.predict("cnn", b"x", "2.0")["model"]["version"] == "2.0"
    assert client.predict("cnn", b"x")["model"]["version"] == "1.0"


def test_a_token_is_read_anew_with_each_request(address: str) -> None:
    reply("/ping", {})
    tokens = iter(["first", "second"])
    client = InferenceClient(address, lambda: next(tokens))
    assert client.healthy()
    assert client.healthy()
    assert [token for _, _, token in Answers.seen] == ["Bearer first", "Bearer second"]


def test_a_workflow_is_registered_with_its_timeouts(address: str) -> None:
    reply("/workflows", {"status": "ok"})
    ManagementClient(address, "secret").register_workflow(
        "deepfake.war", response_timeout=20, startup_timeout=180
    )
    path = "/workflows?url=deepfake.war&response_timeout=20&startup_timeout=180"
    assert Answers.seen[0][:2] == ("POST", path)


def test_a_token_is_renewed_with_the_api_key(address: str) -> None:
    reply("/token", {})
    TokenClient(address, "api-key").renew("inference")
    assert Answers.seen == [("GET", "/token?type=inference", "Bearer api-key")]
