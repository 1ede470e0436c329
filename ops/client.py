"""Clients of TorchServe's HTTP APIs and of the edge. Every failure is one clear sentence."""

from collections.abc import Mapping
from typing import Any

import requests

from ops.errors import OpsError

_CONNECT_SECONDS = 5.0
Query = Mapping[str, str | int]


class _ApiClient:
    """Requests to one base address, with a token where one is needed."""

    def __init__(self, base_url: str, token: str | None = None, timeout: float = 300.0) -> None:
        self._base = base_url.rstrip("/")
        self._timeout = (_CONNECT_SECONDS, timeout)
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy of the environment has no business on loopback
        if token is not None:
            self._session.headers["Authorization"] = f"Bearer {token}"

    def _send(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> requests.Response:
        try:
            return self._session.request(
                method,
                f"{self._base}{path}",
                params=dict(query) if query else None,
                data=data,
                headers=dict(headers) if headers else None,
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
            raise OpsError(f"{method} {path} failed: {_reason(response)}.")
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

    def register_workflow(self, archive: str) -> None:
        """Register a workflow; its nodes are loaded when this returns.

        Args:
            archive: file name of a `.war` in the workflow store.
        """
        self._json("POST", "/workflows", query={"url": archive})

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

    def register_model(
        self, archive: str, name: str, *, batch_size: int, max_batch_delay_ms: int, workers: int = 1
    ) -> None:
        """Register one version of a model; it is loaded when this returns.

        Args:
            archive: file name of a `.mar` in the model store; the version is the archive's own.
            name: the model's name. The first version of a name becomes its default.
            batch_size: requests that one call of the handler may get.
            max_batch_delay_ms: how long to wait for more.
            workers: processes to start.
        """
        query: dict[str, str | int] = {
            "url": archive,
            "model_name": name,
            "batch_size": batch_size,
            "max_batch_delay": max_batch_delay_ms,
            "initial_workers": workers,
            "synchronous": "true",
        }
        self._json("POST", "/models", query=query)

    def unregister_model(self, name: str, version: str | None = None) -> None:
        """Take a model's default version, or one version, out of service."""
        self._json("DELETE", f"/models/{name}" + (f"/{version}" if version else ""))


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

    def predict(self, model: str, data: bytes) -> dict[str, Any]:
        """A model's reply to an image."""
        reply: dict[str, Any] = self._json("POST", f"/predictions/{model}", data=data, headers=_RAW)
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


_RAW = {"Content-Type": "application/octet-stream"}


def _reason(response: requests.Response) -> str:
    try:
        body = response.json()
        return f"{body['message']} (HTTP {response.status_code})".replace("\n", " ")
    except (ValueError, KeyError, TypeError):
        return f"HTTP {response.status_code} {response.reason}"
