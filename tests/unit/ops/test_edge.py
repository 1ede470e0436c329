"""The real Caddy with our Caddyfile, in front of a small server that shows what reaches it."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests

from detection.limits import MAX_UPLOAD_BYTES
from ops.edge import CADDYFILE, caddy_program, environment, start_edge
from ops.ports import free_ports, is_free
from ops.settings import Ports, Settings
from ops.tokens import Tokens, write_inference_token
from tests.support import schema


class Mirror(BaseHTTPRequestHandler):
    """Answers with what arrived."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        seen = {"path": self.path, "bytes": len(body), "headers": dict(self.headers)}
        answer = json.dumps(seen).encode()
        self.send_response(int(self.headers.get("X-Answer", "200")))
        self.send_header("Content-Type", "application/json")
        self.send_header("Server", "secret/1.0")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def upstream() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def edge(
    upstream: ThreadingHTTPServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Settings]:
    folder = tmp_path_factory.mktemp("edge")
    port, *_ = free_ports(1)
    settings = Settings(
        run_dir=folder / "run",
        site_dir=folder / "site",
        ports=replace(Ports(), edge=port, inference=upstream.server_port),
    )
    settings.log_dir.mkdir(parents=True)
    settings.site_dir.mkdir()
    (settings.site_dir / "index.html").write_text("<h1>page</h1>")
    (settings.site_dir / ".secret").write_text("hidden")
    (settings.site_dir / "folder").mkdir()
    write_inference_token(settings.run_dir, Tokens("m", "first"))
    child = start_edge(settings)
    deadline = time.monotonic() + 30
    while is_free(port):
        assert child.exit_status() is None, (settings.log_dir / "caddy.log").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield settings
    child.stop()


def post(edge: Settings, **request: object) -> requests.Response:
    return requests.post(f"{edge.page_url}/api/detect", timeout=30, **request)  # type: ignore[arg-type]


def test_a_request_reaches_the_workflow_with_the_token(edge: Settings) -> None:
    headers = {"Authorization": "Bearer mine", "Cookie": "a=b", "Origin": "http://x.example"}
    seen = post(edge, data=b"picture", headers=headers).json()
    assert seen["path"] == "/wfpredict/deepfake"
    assert seen["bytes"] == 7
    assert seen["headers"]["Authorization"] == "Bearer first"
    assert not {"Cookie", "Origin", "X-Forwarded-For"} & set(seen["headers"])


def test_a_new_token_is_used_at_once(edge: Settings) -> None:
    write_inference_token(edge.run_dir, Tokens("m", "second"))
    assert post(edge, data=b"x").json()["headers"]["Authorization"] == "Bearer second"


@pytest.mark.parametrize("claimed", ["text/plain", "application/json", "image/png", "x"])
def test_a_bare_body_is_bytes_whatever_it_claims(edge: Settings, claimed: str) -> None:
    seen = post(edge, data=b"x", headers={"Content-Type": claimed}).json()
    assert seen["headers"]["Content-Type"] == "application/octet-stream"


def test_a_form_stays_a_form(edge: Settings) -> None:
    seen = post(edge, files={"data": b"x"}).json()
    assert seen["headers"]["Content-Type"].startswith("multipart/form-data; boundary=")


def test_the_limit_lets_the_largest_picture_through_and_no_more(edge: Settings) -> None:
    assert post(edge, data=bytes(MAX_UPLOAD_BYTES)).json()["bytes"] == MAX_UPLOAD_BYTES
    response = post(edge, data=bytes(MAX_UPLOAD_BYTES + 10**6))
    assert response.status_code == 413
    schema.check(response.json(), "error")
    assert "20 MiB" in response.json()["message"]


@pytest.mark.parametrize("status", [200, 400, 413, 415, 422, 500, 503])
def test_the_workflows_status_is_kept(edge: Settings, status: int) -> None:
    response = post(edge, data=b"x", headers={"X-Answer": str(status)})
    assert response.status_code == status
    assert response.headers["Cache-Control"] == "no-store"
    assert "Server" not in response.headers


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_token_is_not_the_clients_fault(edge: Settings, status: int) -> None:
    response = post(edge, data=b"x", headers={"X-Answer": str(status)})
    assert response.status_code == 503
    schema.check(response.json(), "error")


@pytest.mark.parametrize("path", ["/none", "/.secret", "/folder/", "/folder", "/api"])
def test_nothing_else_is_there(edge: Settings, path: str) -> None:
    response = requests.get(edge.page_url + path, timeout=30)
    assert response.status_code == 404
    schema.check(response.json(), "error")
    assert "Content-Security-Policy" in response.headers
    assert "Server" not in response.headers


def test_without_an_upstream_the_service_is_unavailable(tmp_path: Path) -> None:
    edge_port, nobody = free_ports(2)
    ports = replace(Ports(), edge=edge_port, inference=nobody)
    settings = Settings(run_dir=tmp_path, site_dir=tmp_path, ports=ports)
    settings.log_dir.mkdir()
    write_inference_token(tmp_path, Tokens("m", "i"))
    child = start_edge(settings)
    try:
        while is_free(edge_port):
            time.sleep(0.05)
        response = post(settings, data=b"x")
    finally:
        child.stop()
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    schema.check(response.json(), "error")


def test_a_host_name_alone_turns_https_on(tmp_path: Path) -> None:
    settings = Settings(
        run_dir=tmp_path,
        site_address="detector.example",
        edge_bind="0.0.0.0",
        edge_hosts="detector.example",
    )
    adapted = subprocess.run(
        [caddy_program(), "adapt", "--config", str(CADDYFILE), "--adapter", "caddyfile"],
        env=environment(settings),
        capture_output=True,
        check=True,
    )
    (server,) = json.loads(adapted.stdout)["apps"]["http"]["servers"].values()
    assert server["listen"] == ["0.0.0.0:443"]
    assert "automatic_https" not in server  # not switched off
    text = json.dumps(server)
    assert '"host": ["detector.example"]' in text
    assert "Strict-Transport-Security" in text
