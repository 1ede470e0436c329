"""A small HTTP server that keeps versions as TorchServe 0.12 does, and fails where it is told to.

For what a real one cannot be made to do: refuse one call of many, die between two, load a model
that judges wrongly. Its refusals are those that a real one was seen to give.
"""

from __future__ import annotations

import json
import re
import threading
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from ops import archive, trial
from ops.settings import MODELS, WORKFLOW

Reply = tuple[int, dict[str, Any] | list[Any]]


@dataclass
class Held:
    """A registered version."""

    archive: str
    batch_size: int
    max_batch_delay: int
    response_timeout: int
    ready: bool = True


@dataclass
class FakeTorchServe:
    """The server's contents, and how it fails.

    Attributes:
        store: the model store.
        workflow_store: folder of the workflow's archive.
        token: what it wants to see.
        workflow_registered: whether the workflow is.
        models: registered name -> version -> what is held.
        defaults: registered name -> default version.
        broken: archives whose workers do not start.
        alter: changes the judgement of a version: (name, version, judgement).
        before: called with method and path before each request is handled; may give a reply.
        calls: method and path of each request so far.
    """

    store: Path
    workflow_store: Path = Path()
    workflow_registered: bool = False
    token: str = "secret"
    models: dict[str, dict[str, Held]] = field(default_factory=dict)
    defaults: dict[str, str] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    alter: Callable[[str, str, dict[str, Any]], None] = lambda *_: None
    before: Callable[[str, str], Reply | None] = lambda *_: None
    calls: list[tuple[str, str]] = field(default_factory=list)

    def start_serving(self, versions: dict[str, str], *, alone: bool = True) -> None:
        """Hold the workflow with its nodes, and the models on their own too."""
        self.workflow_registered = True
        for model, version in versions.items():
            file = archive.model_file(model, version)
            for name in [f"{WORKFLOW}__{model}", *([model] if alone else [])]:
                self.models[name] = {version: Held(file, 8, 5, 120)}
                self.defaults[name] = version

    def changes(self) -> list[tuple[str, str]]:
        """The requests so far that changed something."""
        return [(method, path) for method, path in self.calls if method in {"PUT", "DELETE"}] + [
            (method, path) for method, path in self.calls if (method, path) == ("POST", "/models")
        ]

    def handle(self, method: str, path: str, query: dict[str, str], body: bytes) -> Reply:
        """Answer a request."""
        self.calls.append((method, path))
        told = self.before(method, path)
        if told is not None:
            return told
        parts = path.strip("/").split("/")
        if parts[0] == "wfpredict":
            return self._workflow(body)
        if parts[0] == "predictions":
            return self._predict(parts[1], parts[2] if len(parts) > 2 else None, body)
        if path == "/models":
            names = [{"modelName": name, "modelUrl": "x"} for name in self.models]
            return self._register(query) if method == "POST" else (200, {"models": names})
        if parts[0] == "workflows":
            return self._workflows(method, query)
        return self._model(method, parts)

    def _workflows(self, method: str, query: dict[str, str]) -> Reply:
        if method == "GET":
            names = [WORKFLOW] if self.workflow_registered else []
            return 200, {"workflows": [{"workflowName": name} for name in names]}
        if method == "POST":
            return self._register_workflow(self.workflow_store / query["url"])
        if not self.workflow_registered:
            return error(404, f"Workflow not found: {WORKFLOW}")
        self.workflow_registered = False
        nodes = [name for name in self.models if name.startswith(f"{WORKFLOW}__")]
        for name in [name for name in nodes if len(self.models[name]) == 1]:
            del self.models[name], self.defaults[name]
        if any(name in self.models for name in nodes):
            return error(500, f"Error while unregistering the workflow {WORKFLOW}.")
        return 200, {"status": "done"}

    def _register_workflow(self, war: Path) -> Reply:
        with zipfile.ZipFile(war) as opened:
            spec = opened.read(f"{WORKFLOW}.yaml").decode()
        for file in re.findall(r"url: (\S+)", spec):
            model, _, version = file.removesuffix(".mar").partition("-")
            name = f"{WORKFLOW}__{model}"
            if version in self.models.get(name, {}):
                return error(500, f"Model version {version} is already registered for {name}")
            if file in self.broken:
                return error(500, f"Workflow Node {name} failed to register.")
            self.models.setdefault(name, {})[version] = Held(file, 8, 5, 120)
            self.defaults.setdefault(name, version)
        self.workflow_registered = True
        return 200, {"status": "registered"}

    def _register(self, query: dict[str, str]) -> Reply:
        file, name = query["url"], query["model_name"]
        version = file.removesuffix(".mar").partition("-")[2]
        if version in self.models.get(name, {}):
            return error(409, f"Model version {version} is already registered for model {name}")
        if file in self.broken:
            return error(500, f"Failed to start workers for model {name} version: {version}")
        held = Held(
            file,
            int(query["batch_size"]),
            int(query["max_batch_delay"]),
            int(query.get("response_timeout", 60)),
        )
        self.models.setdefault(name, {})[version] = held
        self.defaults.setdefault(name, version)
        return 200, {"status": "registered"}

    def _model(self, method: str, parts: list[str]) -> Reply:
        name, held = parts[1], self.models.get(parts[1])
        if held is None:
            return error(404, f"Model not found: {name}")
        version = parts[2] if len(parts) > 2 else self.defaults[name]
        if method == "GET":
            wanted = list(held) if version == "all" else [version]
            return 200, [described(name, one, held[one]) for one in wanted]
        if version not in held:
            return error(404, f"Model version: {version} does not exist for model: {name}")
        if method == "PUT":
            self.defaults[name] = version
        elif self.defaults[name] == version and len(held) > 1:
            return error(403, f"Cannot remove default version for model {name}")
        else:
            del held[version]
            if not held:
                del self.models[name], self.defaults[name]
        return 200, {"status": "done"}

    def _predict(self, name: str, version: str | None, body: bytes) -> Reply:
        version = version or self.defaults[name]
        held = self.models.get(name, {}).get(version)
        if held is None:
            return error(404, f"Model version: {version} does not exist for model: {name}")
        judgement = self._judgement(held, body)
        self.alter(name, version, judgement)
        return 200, judgement

    def _workflow(self, _: bytes) -> Reply:
        held = {model: self._default(f"{WORKFLOW}__{model}") for model in MODELS}
        models = {model: self._judgement(one, b"")["model"] for model, one in held.items()}
        return 200, {"verdict": "real", "models": models}

    def _default(self, name: str) -> Held:
        return self.models[name][self.defaults[name]]

    def _judgement(self, held: Held, body: bytes) -> dict[str, Any]:
        about = archive.describe(self.store, held.archive)
        fake = body == trial.reference("sample-fake.jpg")
        face = {
            "box": [1, 2, 3, 4],
            "verdict": "fake" if fake else "real",
            "probability_fake": 0.9 if fake else 0.1,
            "grad_cam": {"grid": [[0.0, 1.0]]},
        }
        model = {key: about[key] for key in ("name", "version", "weights_sha256")}
        return {"model": model, "faces": [face]}


def described(name: str, version: str, held: Held) -> dict[str, Any]:
    """What TorchServe says of a version, as far as anybody here reads it."""
    return {
        "modelName": name,
        "modelVersion": version,
        "minWorkers": 1,
        "batchSize": held.batch_size,
        "maxBatchDelay": held.max_batch_delay,
        "responseTimeout": held.response_timeout,
        "workers": [{"status": "READY" if held.ready else "UNLOADING"}],
    }


def error(status: int, message: str) -> Reply:
    """A refusal in TorchServe's shape."""
    return status, {"code": status, "type": "Refusal", "message": message}


class Server:
    """Serves a `FakeTorchServe` on a free port until `close`."""

    def __init__(self, fake: FakeTorchServe) -> None:
        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                url = urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.headers["Authorization"] != f"Bearer {fake.token}":
                    status, content = error(400, "Token Authentication failed.")
                else:
                    query = dict(parse_qsl(url.query))
                    status, content = fake.handle(self.command, url.path, query, body)
                data = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                with suppress(BrokenPipeError):  # the client was told to end meanwhile
                    self.end_headers()
                    self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 - http.server wants it

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        self.port = int(self._server.server_port)

    def close(self) -> None:
        """Stop answering: connections are refused from now on."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
