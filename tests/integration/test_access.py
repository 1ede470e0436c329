"""Who can reach what: only the page and POST /api/detect, and TorchServe only with its tokens."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import socket
import stat
import subprocess
import sys

import grpc
import psutil
import pytest
import requests

from ops.settings import ROOT
from ops.tokens import INFERENCE_TOKEN_FILE, KEY_FILE, metrics_token_file
from tests.support import pictures, schema
from tests.support.knocking import DESCRIPTIONS, GRPC, HIDDEN, METHODS, TORCHSERVE, Call
from tests.support.service import RunningService, environment, family

pytestmark = pytest.mark.integration

FROM_TORCHSERVE = (
    "modelName",
    "workflowName",
    "InferenceDataType",
    "Healthy",
    "ts_inference",
    '"key"',
)


def send(service: RunningService, method: str, path: str) -> tuple[int, str]:
    """A request whose path is sent as it stands, without a client's tidying."""
    connection = http.client.HTTPConnection("127.0.0.1", service.settings.ports.edge, timeout=30)
    connection.putrequest(method, path, skip_accept_encoding=True)
    connection.putheader("Content-Length", "0")
    connection.endheaders()
    response = connection.getresponse()
    return response.status, response.read().decode(errors="replace")


@pytest.mark.parametrize("path", HIDDEN)
def test_nothing_else_is_reachable_through_the_edge(service: RunningService, path: str) -> None:
    for method in METHODS:
        status, body = send(service, method, path)
        assert 400 <= status < 500, (method, status)
        assert not any(mark in body for mark in FROM_TORCHSERVE)


def test_what_is_reachable_through_the_edge(service: RunningService) -> None:
    # The page's files, POST /api/detect and two health checks: the whole list.
    files = {
        "/" + file.relative_to(service.settings.site_dir).as_posix()
        for file in service.settings.site_dir.rglob("*")
        if file.is_file() and not file.name.startswith(".")
    }
    for path in ("/", "/healthz", "/readyz", *files):
        status, _ = send(service, "GET", path)
        # A folder's index is served under the folder's own address.
        assert status == 200 or (status == 308 and path.endswith("/index.html")), path
        assert send(service, "POST", path)[0] == 405
    picture = pictures.jpeg()
    assert requests.post(service.detect_url, data=picture, timeout=60).status_code == 200
    assert requests.post(service.url, data=picture, timeout=60).status_code == 405


def test_the_service_tells_that_it_is_ready(service: RunningService) -> None:
    assert requests.get(service.url + "/healthz", timeout=30).json() == {"status": "alive"}
    assert requests.get(service.url + "/readyz", timeout=30).json() == {"status": "ready"}
    done = subprocess.run(
        [sys.executable, "-m", "ops.probe"],
        cwd=ROOT,
        env=environment(service.settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "The reference picture was judged.\n"), done.stderr


def test_the_page_is_there(service: RunningService) -> None:
    response = requests.get(service.url, timeout=30)
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_only_post_reaches_the_api(service: RunningService, method: str) -> None:
    response = requests.request(method, service.detect_url, timeout=30)
    assert response.status_code == 405
    assert response.headers["Allow"] == "POST"
    if method != "HEAD":
        schema.check(response.json(), "error")


def test_a_foreign_host_name_is_refused(service: RunningService) -> None:
    for path in ("/", "/api/detect"):
        headers = {"Host": "attacker.example"}
        response = requests.post(service.url + path, headers=headers, timeout=30)
        assert response.status_code == 421
        schema.check(response.json(), "error")
    port = service.settings.ports.edge
    assert requests.get(f"http://localhost:{port}", timeout=30).status_code == 200


@pytest.mark.parametrize("path", ["/", "/nothing", "/api/detect"])
def test_security_headers_on_every_answer(service: RunningService, path: str) -> None:
    headers = requests.get(service.url + path, timeout=30).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "Server" not in headers
    assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize(("api", "method", "path"), TORCHSERVE)
def test_torchserve_wants_a_token(
    service: RunningService, api: str, method: str, path: str
) -> None:
    before = sorted(service.workers().items())
    base = {
        "inference": service.settings.inference_url,
        "management": service.settings.management_url,
    }[api]
    tokens = service.tokens
    other = tokens.management if api == "inference" else tokens.inference
    metrics = metrics_token_file(service.settings).read_text()
    for header in (
        None,
        "wrong",
        f"Bearer {other}",
        f"Bearer {metrics}",
        other,
        "Bearer ",
        "Bearer",
    ):
        headers = {"Authorization": header} if header else {}
        response = requests.request(method, base + path, headers=headers, timeout=30)
        assert response.status_code in {400, 401, 403}, (header, response.text)
        assert "verdict" not in response.text
        assert not any(token in response.text for token in (tokens.management, tokens.inference))
    assert sorted(service.workers().items()) == before


@pytest.mark.parametrize(("method", "path"), DESCRIPTIONS)
def test_without_a_token_torchserve_shows_its_description_only(
    service: RunningService, method: str, path: str
) -> None:
    for base in (service.settings.inference_url, service.settings.management_url):
        shown = requests.request(method, base + path, timeout=30)
        assert shown.json()["info"]["title"] == "TorchServe APIs"
        assert not any(name in shown.text for name in ("deepfake", "efficientnet", "cnn"))


def knock(port: int, call: Call, metadata: list[tuple[str, str]] | None) -> None:
    """Make a gRPC call, and read what it answers."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        if call.streams:
            list(channel.unary_stream(call.method)(call.request, timeout=30, metadata=metadata))
        else:
            channel.unary_unary(call.method)(call.request, timeout=30, metadata=metadata)


@pytest.mark.parametrize("call", GRPC, ids=lambda call: f"{call.api}:{call.method}")
def test_torchserves_grpc_ports_want_a_token(service: RunningService, call: Call) -> None:
    tokens, ports = service.tokens, service.settings.ports
    port = ports.grpc_inference if call.api == "inference" else ports.grpc_management
    other = tokens.management if call.api == "inference" else tokens.inference
    before = sorted(service.workers().items())
    for header in (None, "Bearer wrong", f"Bearer {other}", "Bearer "):
        metadata = [("authorization", header)] if header else None
        with pytest.raises(grpc.RpcError) as refused:
            knock(port, call, metadata)
        # "Unimplemented": the port does not know the service at all.
        allowed = {grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNIMPLEMENTED}
        assert refused.value.code() in allowed, header
    assert sorted(service.workers().items()) == before


def test_the_grpc_ports_take_the_right_token(service: RunningService) -> None:
    # Or the test above would show nothing.
    metadata = [("authorization", f"Bearer {service.tokens.inference}")]
    with grpc.insecure_channel(f"127.0.0.1:{service.settings.ports.grpc_inference}") as channel:
        ping = channel.unary_unary("/org.pytorch.serve.grpc.inference.InferenceAPIsService/Ping")
        assert b"Healthy" in ping(b"", timeout=30, metadata=metadata)


@pytest.mark.parametrize(
    "path", ["/models", "/ping", "/predictions/cnn", "/wfpredict/deepfake", "/"]
)
def test_torchserves_metrics_port_shows_metrics_only(service: RunningService, path: str) -> None:
    # TorchServe knows no token there, so nothing else may be behind it.
    for method in ("GET", "POST", "PUT", "DELETE"):
        response = requests.request(
            method, service.settings.metrics_url + path, data=pictures.jpeg(), timeout=30
        )
        assert response.status_code in {404, 405}


def test_torchserve_listens_on_loopback_only(service: RunningService) -> None:
    processes = [service.torchserve, service.edge, *service.torchserve.children(recursive=True)]
    addresses = {
        connection.laddr
        for process in processes
        for connection in process.net_connections(kind="tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    ports = service.settings.ports
    assert {address.port for address in addresses} == {
        number for number, _ in ports.named().values()
    }
    assert all(address.ip in {"127.0.0.1", "::ffff:127.0.0.1"} for address in addresses)


def test_remote_archives_are_not_loaded(service: RunningService) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(1)
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/evil.mar"
        headers = {"Authorization": f"Bearer {service.tokens.management}"}
        url = f"{service.settings.management_url}/models"
        response = requests.post(url, params={"url": address}, headers=headers, timeout=30)
        assert response.status_code >= 400
        with pytest.raises(TimeoutError):
            listener.accept()


def test_tokens_are_private(service: RunningService) -> None:
    run_dir = service.settings.run_dir
    assert stat.S_IMODE(run_dir.stat().st_mode) == 0o700
    for name in (KEY_FILE, INFERENCE_TOKEN_FILE, metrics_token_file(service.settings).name):
        assert stat.S_IMODE((run_dir / name).stat().st_mode) == 0o600
        assert (run_dir / name).stat().st_uid == os.getuid()
    # Whatever makes the services talk: a judgement, an error, a refused token, a strange address.
    requests.post(service.detect_url, data=pictures.jpeg(), timeout=60)
    requests.post(service.detect_url, data=b"x", timeout=60)
    requests.get(service.settings.inference_url + "/ping", timeout=30)
    wrong = {"Authorization": "Bearer wrong"}
    requests.get(service.settings.management_url + "/models", headers=wrong, timeout=30)
    keys = json.loads((run_dir / KEY_FILE).read_text())
    tokens = [entry["key"] for entry in keys.values()]
    tokens.append(metrics_token_file(service.settings).read_text())
    assert len(tokens) == 4
    logs = "".join(file.read_text() for file in service.settings.log_dir.iterdir())
    site = "".join(
        file.read_text(errors="replace")
        for file in service.settings.site_dir.rglob("*")
        if file.is_file()
    )
    processes = [process for process in psutil.process_iter() if process.is_running()]
    commands = " ".join(" ".join(command(process)) for process in processes)
    surroundings = " ".join(
        f"{process.environ()}" for process in family(service.process) if process.is_running()
    )
    for token in tokens:
        assert token not in logs
        assert token not in service.output()
        assert token not in site
        assert token not in commands
        assert token not in surroundings


def command(process: psutil.Process) -> list[str]:
    """The command line of a process, which may have ended meanwhile."""
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


def test_logs_are_json_and_say_nothing_of_pictures(service: RunningService) -> None:
    name = "a-very-private-name.jpg"
    headers = {"User-Agent": "a-very-private-agent", "Cookie": "a-very-private-cookie"}
    for data in (pictures.jpeg(), b"a-very-private-text", pictures.jpeg()[:2000]):
        requests.post(service.detect_url, files={"data": (name, data)}, headers=headers, timeout=60)
    requests.get(service.url + "/?a-very-private-query", headers=headers, timeout=30)
    for file in ("torchserve.log", "caddy.log", "access.log", "probe.log"):
        lines = (service.settings.log_dir / file).read_text().splitlines()
        assert lines, file
        for line in lines:
            assert {"level"} <= set(json.loads(line)), line
    everything = "".join(file.read_text() for file in service.settings.log_dir.iterdir())
    assert "a-very-private" not in everything
    digest = hashlib.sha256(pictures.jpeg()).hexdigest()
    assert digest not in everything
