"""Clients of TorchServe's HTTP APIs and of the edge. Every failure is one clear sentence."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import requests

from ops.errors import OpsError

_CONNECT_SECONDS = 5.0
Query = Mapping[str, str | int]
Token = str | Callable[[], str] | None
"""A token, or what reads the one that is valid now: it is asked before each request."""


class RefusedError(OpsError):
    """The server answered, and refused.

    Attributes:
        status: the HTTP status.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class LoadedVersion:
    """A version of a model as TorchServe holds it.

    Attributes:
        version: its name.
        batch_size: requests that one call of the handler may get.
        max_batch_delay_ms: how long a batch waits for more.
        response_seconds: how long a batch may take.
        workers: processes meant to run.
        ready: whether one of them is ready.
    """

    version: str
    batch_size: int
    max_batch_delay_ms: int
    response_seconds: int
    workers: int
    ready: bool


class _ApiClient:
    """Requests to one base address, with a token where one is needed."""

    def __init__(self, base_url: str, token: Token = None, timeout: float = 300.0) -> None:
        self._base = base_url.rstrip("/")
        self._timeout = (_CONNECT_SECONDS, timeout)
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy of the environment has no business on loopback
        self._token = token

    def _send(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> requests.Response:
        token = self._token() if callable(self._token) else self._token
        access = {"Authorization": f"Bearer {token}"} if token is not None else {}
        try:
            return self._session.request(
                method,
                f"{self._base}{path}",
                params=dict(query) if query else None,
                data=data,
                headers={**access, **(headers or {})},
                timeout=self._timeout,
            )
        except requests.Timeout as error:
            raise OpsError(f"{self._base} did not answer {method} {path} in time.") from error
        except requests.RequestException as error:
            raise OpsError(
                f"Nothing answers at {self._base}: is the service running (`make status`)?"
            ) from error

    def _json(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        response = self._send(method, path, query=query, data=data, headers=headers)
        if not response.ok:
            raise RefusedError(
                f"{method} {path} failed: {_reason(response)}.", response.status_code
            )
        try:
            return response.json()
        except ValueError as error:
            raise OpsError(f"{method} {path} answered with something other than JSON.") from error


class ManagementClient(_ApiClient):
    """TorchServe's management API: workflows, models and their versions."""

    def workflows(self) -> list[str]:
        """Names of the registered workflows."""
        listing = self._json("GET", "/workflows")
        return [entry["workflowName"] for entry in listing["workflows"]]

    def register_workflow(
        self, archive: str, *, response_timeout: int, startup_timeout: int
    ) -> None:
        """Register a workflow; its nodes are loaded when this returns.

        Args:
            archive: file name of a `.war` in the workflow store.
            response_timeout: seconds after which a node's silent worker counts as hung and is
                started again. TorchServe's own defaults do not reach workflows, so they are given.
            startup_timeout: the same while it loads.
        """
        query: dict[str, str | int] = {
            "url": archive,
            "response_timeout": response_timeout,
            "startup_timeout": startup_timeout,
        }
        self._json("POST", "/workflows", query=query)

    def unregister_workflow(self, name: str) -> None:
        """Take a workflow and its nodes out of service."""
        self._json("DELETE", f"/workflows/{name}")

    def models(self) -> list[str]:
        """Names of the registered models, workflow nodes (`<workflow>__<node>`) among them."""
        return [
            entry["modelName"]
            for entry in self._json("GET", "/models", query={"limit": 1000})["models"]
        ]

    def describe_model(self, name: str, version: str | None = None) -> list[dict[str, Any]]:
        """What TorchServe says of a model's default version, of one version, or (`all`) of all."""
        path = f"/models/{name}" + (f"/{version}" if version else "")
        described: list[dict[str, Any]] = self._json("GET", path)
        return described

    def versions(self, name: str) -> dict[str, LoadedVersion]:
        """The registered versions of a model, its default first; empty if there is none."""
        try:
            default = self.describe_model(name)[0]
        except RefusedError as error:
            if error.status == 404:
                return {}
            raise
        found = [default, *self.describe_model(name, "all")]
        return {entry["modelVersion"]: _loaded(entry) for entry in found}

    def set_default(self, name: str, version: str) -> None:
        """Make a registered version the one that answers, from the next request on."""
        self._json("PUT", f"/models/{name}/{version}/set-default")

    def register_model(
        self,
        archive: str,
        name: str,
        *,
        batch_size: int,
        max_batch_delay_ms: int,
        workers: int = 1,
        response_seconds: int | None = None,
    ) -> None:
        """Register one version of a model; it is loaded when this returns.

        Args:
            archive: file name of a `.mar` in the model store; the version is the archive's own.
            name: the model's name. The first version of a name becomes its default.
            batch_size: requests that one call of the handler may get.
            max_batch_delay_ms: how long to wait for more.
            workers: processes to start.
            response_seconds: how long a batch may take; TorchServe's default if not given.
        """
        query: dict[str, str | int] = {
            "url": archive,
            "model_name": name,
            "batch_size": batch_size,
            "max_batch_delay": max_batch_delay_ms,
            "initial_workers": workers,
            "synchronous": "true",
        }
        if response_seconds is not None:
            query["response_timeout"] = response_seconds
        self._json("POST", "/models", query=query)

    def unregister_model(self, name: str, version: str | None = None) -> None:
        """Take a model's default version, or one version, out of service.

        TorchServe refuses the default version while there are others. Requests that wait for the
        version are lost: see that there are none.
        """
        self._json("DELETE", f"/models/{name}" + (f"/{version}" if version else ""))


class TokenClient(_ApiClient):
    """The management API's renewal of tokens; wants the API key as its token."""

    def renew(self, kind: str) -> None:
        """Have a new token written into the key file; the one before lives out its time.

        Args:
            kind: `inference` or `management`.
        """
        self._json("GET", "/token", query={"type": kind})


class InferenceClient(_ApiClient):
    """TorchServe's inference API."""

    def healthy(self) -> bool:
        """Whether the server answers its ping (it says nothing of single models)."""
        try:
            return self._send("GET", "/ping").status_code == 200
        except OpsError:
            return False

    def workflow(self, name: str, data: bytes) -> dict[str, Any]:
        """A workflow's reply to an image; an error reply is returned as any other."""
        reply: dict[str, Any] = self._json("POST", f"/wfpredict/{name}", data=data, headers=_RAW)
        return reply

    def predict(self, model: str, data: bytes, version: str | None = None) -> dict[str, Any]:
        """The reply to an image of a model's default version, or of one version.

        Raises:
            RefusedError: there was none; the picture may be to blame (status 4xx).
        """
        path = f"/predictions/{model}" + (f"/{version}" if version else "")
        reply: dict[str, Any] = self._json("POST", path, data=data, headers=_RAW)
        return reply


class EdgeClient(_ApiClient):
    """The service as its users see it."""

    def detect(self, data: bytes) -> dict[str, Any]:
        """The reply to an image.

        Raises:
            OpsError: the service refused it or could not judge it.
        """
        response = self._send("POST", "/api/detect", data=data, headers=_RAW)
        try:
            reply: dict[str, Any] = response.json()
        except ValueError:
            reply = {}
        if "verdict" not in reply:
            raise OpsError(f"The service did not judge the picture: {_reason(response)}.")
        return reply

    def page_status(self) -> int:
        """HTTP status of the page."""
        return self._send("GET", "/").status_code


def _loaded(entry: Mapping[str, Any]) -> LoadedVersion:
    return LoadedVersion(
        version=entry["modelVersion"],
        batch_size=int(entry["batchSize"]),
        max_batch_delay_ms=int(entry["maxBatchDelay"]),
        response_seconds=int(entry["responseTimeout"]),
        workers=int(entry["minWorkers"]),
        ready=any(worker["status"] == "READY" for worker in entry["workers"]),
    )


_RAW = {"Content-Type": "application/octet-stream"}


def _reason(response: requests.Response) -> str:
    try:
        body = response.json()
        return f"{body['message']} (HTTP {response.status_code})".replace("\n", " ")
    except (ValueError, KeyError, TypeError):
        return f"HTTP {response.status_code} {response.reason}"
