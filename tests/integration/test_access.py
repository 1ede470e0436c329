"""Who can reach what: only the page and POST /api/detect, and TorchServe only with its tokens."""

from __future__ import annotations

import http.client
import socket
import stat

import psutil
import pytest
import requests

from ops.tokens import INFERENCE_TOKEN_FILE, KEY_FILE
from tests.support import pictures, schema
from tests.support.service import RunningService

pytestmark = pytest.mark.integration

# What an attacker would try: TorchServe's addresses, files beside the page, ways around the edge.
HIDDEN = [
    "/ping",
    "/models",
    "/models/deepfake__cnn",
    "/workflows",
    "/workflows/deepfake",
    "/predictions/cnn",
    "/predictions/deepfake__cnn",
    "/explanations/cnn",
    "/wfpredict/deepfake",
    "/metrics",
    "/token?type=inference",
    "/v2/models/cnn/infer",
    "/api",
    "/api/",
    "/api/detect/",
    "/api/detect/models",
    "/api/detect/../../models",
    "/api/detect/..%2f..%2fmodels",
    "/api/detect%2f..%2fmodels",
    "/api/..;/models",
    "//models",
    "/../run/key_file.json",
    "/%2e%2e/run/key_file.json",
    "/..%5crun%5ckey_file.json",
    "/key_file.json",
    "/.hidden",
    "/Caddyfile",
    "/config/",
]
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
    for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"):
        status, body = send(service, method, path)
        assert 400 <= status < 500, (method, status)
        assert not any(mark in body for mark in FROM_TORCHSERVE)


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


@pytest.mark.parametrize(
    ("api", "method", "path"),
    [
        ("inference", "GET", "/ping"),
        ("inference", "POST", "/predictions/cnn"),
        ("inference", "POST", "/wfpredict/deepfake"),
        ("management", "GET", "/models"),
        ("management", "POST", "/models?url=cnn-1.0.mar"),
        ("management", "DELETE", "/models/cnn"),
        ("management", "GET", "/workflows"),
        ("management", "DELETE", "/workflows/deepfake"),
    ],
)
def test_torchserve_wants_a_token(
    service: RunningService, api: str, method: str, path: str
) -> None:
    base = {
        "inference": service.settings.inference_url,
        "management": service.settings.management_url,
    }[api]
    other = service.tokens.management if api == "inference" else service.tokens.inference
    for token in (None, "wrong", other):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        response = requests.request(method, base + path, headers=headers, timeout=30)
        assert response.status_code in {400, 401, 403}, (token, response.text)
    assert "deepfake" in service.management.workflows()


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
    for name in (KEY_FILE, INFERENCE_TOKEN_FILE):
        assert stat.S_IMODE((run_dir / name).stat().st_mode) == 0o600
    requests.post(service.detect_url, data=pictures.jpeg(), timeout=60)
    logs = "".join(file.read_text() for file in service.settings.log_dir.iterdir())
    processes = [service.torchserve, service.edge, *service.torchserve.children(recursive=True)]
    commands = " ".join(part for process in processes for part in process.cmdline())
    page = requests.get(service.url, timeout=30).text
    for token in (service.tokens.inference, service.tokens.management):
        assert token not in logs
        assert token not in commands
        assert token not in page
