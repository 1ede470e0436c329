"""The probe against a small server that stands in for TorchServe."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from handlers.counters import PROBE_HEADER
from ops.ports import free_ports
from ops.probe import Finding, Watch, note, probe
from ops.readiness import is_ready, write_ready_until
from ops.reference import reference_picture
from ops.settings import Ports, Settings
from ops.tokens import KEY_FILE

JUDGED = {"verdict": "real", "faces": [{"box": [1, 2, 3, 4]}]}
NO_FACE = {"verdict": "uncertain", "faces": [{"box": None}]}
ERROR = {"code": 503, "type": "service_unavailable", "message": "busy"}


class Server(ThreadingHTTPServer):
    answer: tuple[int, Any] = (200, JUDGED)
    seen: tuple[dict[str, str], bytes] = ({}, b"")


class Answer(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen = (dict(self.headers), body)
        status, reply = self.server.answer
        self.send_response(status)
        self.end_headers()
        self.wfile.write(reply if isinstance(reply, bytes) else json.dumps(reply).encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def settings(server: Server, tmp_path: Path) -> Settings:
    key = {"key": "the-token", "expiration time": "x"}
    (tmp_path / KEY_FILE).write_text(json.dumps({"management": key, "inference": key}))
    (tmp_path / "logs").mkdir()
    return Settings(run_dir=tmp_path, ports=replace(Ports(), inference=server.server_port))


def test_the_reference_picture_is_judged(settings: Settings, server: Server) -> None:
    assert probe(settings) == (Finding.JUDGED, "The reference picture was judged.")
    headers, body = server.seen
    assert headers["Authorization"] == "Bearer the-token"
    assert headers[PROBE_HEADER] == "1"
    assert body == reference_picture()


@pytest.mark.parametrize(
    ("status", "reply", "finding"),
    [
        (200, NO_FACE, Finding.FAILED),
        (200, {"verdict": "real"}, Finding.FAILED),
        (200, [1], Finding.FAILED),
        (200, b"not JSON", Finding.FAILED),
        (500, {"code": 500, "type": "internal_error", "message": ""}, Finding.FAILED),
        (400, {"code": 400, "type": "InvalidKeyException", "message": ""}, Finding.FAILED),
        (503, ERROR, Finding.BUSY),
    ],
)
def test_whatever_else_is_answered_is_no_judgement(
    settings: Settings, server: Server, status: int, reply: object, finding: Finding
) -> None:
    server.answer = (status, reply)
    found, sentence = probe(settings)
    assert found is finding
    assert "the-token" not in sentence


def test_nobody_answers(settings: Settings) -> None:
    (nobody,) = free_ports(1)
    silent = replace(settings, ports=replace(settings.ports, inference=nobody))
    assert probe(silent)[0] is Finding.FAILED
    (settings.run_dir / KEY_FILE).unlink()
    assert probe(settings)[0] is Finding.FAILED


def test_readiness_follows_the_findings(settings: Settings) -> None:
    assert not is_ready(settings.run_dir)
    note(settings, Finding.BUSY)
    assert not is_ready(settings.run_dir)
    note(settings, Finding.JUDGED)
    assert is_ready(settings.run_dir)
    note(settings, Finding.BUSY)
    assert is_ready(settings.run_dir)
    note(settings, Finding.FAILED)
    assert not is_ready(settings.run_dir)
    write_ready_until(settings.run_dir, time.time() - 1)
    assert not is_ready(settings.run_dir)


def test_readiness_is_written_in_place(tmp_path: Path) -> None:
    # So that a full disk does not end it.
    write_ready_until(tmp_path, time.time() + 60)
    before = (tmp_path / "ready").stat()
    write_ready_until(tmp_path, 0)
    after = (tmp_path / "ready").stat()
    assert (after.st_ino, after.st_size) == (before.st_ino, before.st_size)
    assert not is_ready(tmp_path)


def wait_until_ready(settings: Settings) -> None:
    deadline = time.monotonic() + 60
    while not is_ready(settings.run_dir):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_the_watch_is_started_again_and_ends_in_not_ready(settings: Settings) -> None:
    watch = Watch(settings)
    try:
        watch.ensure()
        wait_until_ready(settings)
        assert watch._child is not None
        watch._child.stop()
        write_ready_until(settings.run_dir, 0)
        watch._started -= 60
        watch.ensure()
        wait_until_ready(settings)
    finally:
        watch.stop()
    assert not is_ready(settings.run_dir)
    lines = (settings.log_dir / "probe.log").read_text().splitlines()
    assert [json.loads(line)["level"] for line in lines] == ["INFO", "INFO"]
