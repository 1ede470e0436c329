"""The real Caddy with our Caddyfile, in front of a small server that shows what reaches it."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests

from detection.limits import MAX_UPLOAD_BYTES
from ops.edge import CADDYFILE, caddy_program, environment, start_edge
from ops.ports import free_ports, is_free
from ops.readiness import write_ready_until
from ops.settings import Ports, Settings
from ops.tokens import Tokens, write_inference_token
from tests.support import schema


class Mirror(BaseHTTPRequestHandler):
    """Answers with what arrived."""

    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        time.sleep(float(self.headers.get("X-Slow", "0")))
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


@contextmanager
def running_edge(settings: Settings) -> Iterator[Settings]:
    """The edge, from the moment it listens."""
    settings.log_dir.mkdir(parents=True, exist_ok=True)
    child = start_edge(settings)
    try:
        deadline = time.monotonic() + 60
        while is_free(settings.ports.edge):
            assert child.exit_status() is None, child.last_words()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield settings
    finally:
        child.stop()


def new_settings(folder: Path, upstream: int) -> Settings:
    edge, metrics = free_ports(2)
    ports = replace(Ports(), edge=edge, inference=upstream, edge_metrics=metrics, metrics=upstream)
    return Settings(run_dir=folder / "run", site_dir=folder / "site", ports=ports, max_requests=4)


@pytest.fixture(scope="module")
def edge(
    upstream: ThreadingHTTPServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Settings]:
    settings = new_settings(tmp_path_factory.mktemp("edge"), upstream.server_port)
    settings.run_dir.mkdir()
    settings.site_dir.mkdir()
    (settings.site_dir / "index.html").write_text("<h1>page</h1>")
    (settings.site_dir / ".secret").write_text("hidden")
    (settings.site_dir / "folder").mkdir()
    write_inference_token(settings.run_dir, Tokens("m", "first"))
    with running_edge(settings):
        yield settings


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
    (nobody,) = free_ports(1)
    settings = new_settings(tmp_path, nobody)
    settings.run_dir.mkdir()
    write_inference_token(settings.run_dir, Tokens("m", "i"))
    with running_edge(settings):
        response = post(settings, data=b"x")
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    schema.check(response.json(), "error")


def test_an_edge_that_was_killed_starts_again(
    tmp_path: Path, upstream: ThreadingHTTPServer
) -> None:
    settings = new_settings(tmp_path, upstream.server_port)
    settings.log_dir.mkdir(parents=True)
    write_inference_token(settings.run_dir, Tokens("m", "i"))
    child = start_edge(settings)
    while is_free(settings.ports.edge):
        assert child.exit_status() is None, child.last_words()
        time.sleep(0.05)
    os.kill(child.pid, signal.SIGKILL)
    child.stop()
    assert (settings.run_dir / "uploads.sock").exists()
    with running_edge(settings):
        assert post(settings, data=b"x").status_code == 200


def test_more_than_can_be_judged_is_refused_at_once(edge: Settings) -> None:
    with ThreadPoolExecutor(edge.max_requests) as pool:
        slow = [
            pool.submit(post, edge, data=b"x", headers={"X-Slow": "3"})
            for _ in range(edge.max_requests)
        ]
        time.sleep(1)
        refused = post(edge, data=bytes(10**6))
        assert not any(one.done() for one in slow)
        assert [one.result().status_code for one in slow] == [200] * edge.max_requests
    assert refused.status_code == 503
    assert int(refused.headers["Retry-After"]) > 0
    schema.check(refused.json(), "error")
    assert post(edge, data=b"x").status_code == 200


def slow_upload(edge: Settings) -> socket.socket:
    """A client that has sent only the beginning of a picture."""
    client = socket.create_connection(("127.0.0.1", edge.ports.edge), timeout=30)
    head = "POST /api/detect HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nx"
    client.sendall(head.encode())
    return client


def test_slow_clients_keep_nobody_from_being_judged(edge: Settings) -> None:
    # More than may be judged at once; they hold places for uploads only.
    clients = [slow_upload(edge) for _ in range(2 * edge.max_requests - 1)]
    try:
        time.sleep(0.5)
        assert post(edge, data=b"x").status_code == 200
        clients.append(slow_upload(edge))
        time.sleep(0.5)
        refused = post(edge, data=bytes(10**6))
        assert refused.status_code == 503
        assert int(refused.headers["Retry-After"]) > 0
    finally:
        for client in clients:
            client.close()
    deadline = time.monotonic() + 30
    while post(edge, data=b"x").status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_chunked_body_is_cut_off_at_the_limit(edge: Settings) -> None:
    def body() -> Iterator[bytes]:
        for _ in range(MAX_UPLOAD_BYTES // 2**20 + 2):
            yield bytes(2**20)

    response = post(edge, data=body())
    assert response.status_code == 413
    schema.check(response.json(), "error")
    assert post(edge, data=iter([b"pic", b"ture"])).status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_checks_are_read_only_and_ask_for_no_name(edge: Settings, path: str) -> None:
    write_ready_until(edge.run_dir, time.time() + 60)
    response = requests.get(edge.page_url + path, headers={"Host": "10.0.0.7"}, timeout=30)
    assert response.status_code == 200
    assert response.json()["status"] in {"alive", "ready"}
    assert response.headers["Cache-Control"] == "no-store"
    for method in ("POST", "PUT", "DELETE"):
        assert requests.request(method, edge.page_url + path, timeout=30).status_code == 405
    assert requests.get(f"{edge.page_url}{path}/x", timeout=30).status_code == 404


@pytest.mark.parametrize("content", ["0", "1", "", "never", "-5"])
def test_without_a_recent_judgement_the_service_is_not_ready(edge: Settings, content: str) -> None:
    (edge.run_dir / "ready").write_text(content)
    response = requests.get(edge.page_url + "/readyz", timeout=30)
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    schema.check(response.json(), "error")
    assert requests.get(edge.page_url + "/healthz", timeout=30).status_code == 200


def test_metrics_want_their_token(edge: Settings) -> None:
    token = (edge.run_dir / "metrics.token").read_text()
    assert stat.S_IMODE((edge.run_dir / "metrics.token").stat().st_mode) == 0o600
    base = f"http://127.0.0.1:{edge.ports.edge_metrics}"
    for path in ("/metrics", "/metrics/edge", "/models", "/"):
        for header in (None, "Bearer wrong", "Bearer ", token, f"Basic {token}", "Bearer first"):
            headers = {"Authorization": header} if header else {}
            assert requests.get(base + path, headers=headers, timeout=30).status_code == 401
    with_token = {"Authorization": f"Bearer {token}"}
    nodes = requests.get(base + "/metrics", headers=with_token, timeout=30).json()
    assert nodes["path"] == "/metrics"
    assert "Authorization" not in nodes["headers"]
    own = requests.get(base + "/metrics/edge", headers=with_token, timeout=30).text
    assert "caddy_http_requests_total" in own
    for path in ("/models", "/", "/metrics/x"):
        assert requests.get(base + path, headers=with_token, timeout=30).status_code == 404
    assert requests.post(base + "/metrics", headers=with_token, timeout=30).status_code == 405


def test_the_access_log_names_nobody(edge: Settings) -> None:
    headers = {
        "Cookie": "private-cookie",
        "User-Agent": "private-agent",
        "Authorization": "private-a",
    }
    post(edge, files={"data": ("private-name.jpg", b"private-bytes")}, headers=headers)
    requests.get(edge.page_url + "/?q=private-query", headers=headers, timeout=30)
    requests.get(edge.page_url + "/healthz", timeout=30)
    time.sleep(0.5)
    lines = (edge.log_dir / "access.log").read_text().splitlines()
    entries = [json.loads(line) for line in lines]
    uris = {entry["request"]["uri"] for entry in entries}
    assert {"/api/detect", "/"} <= uris
    assert not uris & {"/healthz", "/readyz"}
    assert {entry["request"]["remote_ip"] for entry in entries} == {"127.0.0.0"}
    assert all("private" not in line for line in lines)
    assert all("Bearer" not in line for line in lines)


def test_https_with_the_same_file(tmp_path: Path, upstream: ThreadingHTTPServer) -> None:
    settings = new_settings(tmp_path, upstream.server_port)
    address = f"https://localhost:{settings.ports.edge}"
    settings = replace(settings, site_address=address, edge_hosts="localhost")
    settings.run_dir.mkdir()
    settings.site_dir.mkdir()
    (settings.site_dir / "index.html").write_text("<h1>page</h1>")
    write_inference_token(settings.run_dir, Tokens("m", "first"))
    with running_edge(settings):
        authority = settings.run_dir / "caddy/caddy/pki/authorities/local/root.crt"
        deadline = time.monotonic() + 60
        while not list(settings.run_dir.glob("caddy/caddy/certificates/**/localhost.crt")):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        time.sleep(1)  # it is written a moment before it is served
        page = requests.get(address, verify=str(authority), timeout=30)
        assert page.headers["Strict-Transport-Security"] == "max-age=31536000"
        reply = requests.post(f"{address}/api/detect", data=b"x", verify=str(authority), timeout=30)
        assert reply.json()["headers"]["Authorization"] == "Bearer first"


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
    servers = json.loads(adapted.stdout)["apps"]["http"]["servers"].values()
    listening = {tuple(server["listen"]) for server in servers}
    assert listening == {("0.0.0.0:443",), ("127.0.0.1:8083",), ("unix/uploads.sock|0600",)}
    (server,) = (one for one in servers if one["listen"] == ["0.0.0.0:443"])
    assert "automatic_https" not in server  # not switched off
    text = json.dumps(server)
    assert '"host": ["detector.example"]' in text
    assert "Strict-Transport-Security" in text
