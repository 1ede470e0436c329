"""Everything that is tried without a token: the list that the access tests go through."""

from __future__ import annotations

from dataclasses import dataclass

# Addresses of TorchServe, files beside the page, and ways around the edge.
HIDDEN = [
    "/ping",
    "/api-description",
    "/models",
    "/models?url=file:///tmp/evil.mar",
    "/models/deepfake__cnn",
    "/models/deepfake__cnn/1.0/set-default",
    "/workflows",
    "/workflows?url=deepfake.war",
    "/workflows/deepfake",
    "/predictions/cnn",
    "/predictions/cnn/1.0",
    "/predictions/deepfake__cnn",
    "/explanations/cnn",
    "/invocations",
    "/wfpredict/deepfake",
    "/metrics",
    "/metrics/edge",
    "/token?type=inference",
    "/v1/models/cnn:predict",
    "/v2/models/cnn/infer",
    "/v2/health/ready",
    "/api",
    "/api/",
    "/api/detect/",
    "/api/detect/models",
    "/api/detect/../../models",
    "/api/detect/..%2f..%2fmodels",
    "/api/detect%2f..%2fmodels",
    "/api/..;/models",
    "//models",
    "/healthz/",
    "/healthz/../models",
    "/readyz/models",
    "/../run/key_file.json",
    "/%2e%2e/run/key_file.json",
    "/..%5crun%5ckey_file.json",
    "/key_file.json",
    "/inference.token",
    "/metrics.token",
    "/run/key_file.json",
    "/logs/torchserve.log",
    "/.hidden",
    "/.git/config",
    "/Caddyfile",
    "/config/",
    "/config.properties",
    "/debug/pprof/",
    "/model_store/serving.json",
    "/cnn-1.0.mar",
]
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT")

# Every call of the inference and the management API, as their descriptions list them.
TORCHSERVE = [
    ("inference", "GET", "/ping"),
    ("inference", "GET", "/predictions/cnn"),
    ("inference", "POST", "/predictions/cnn"),
    ("inference", "PUT", "/predictions/cnn"),
    ("inference", "OPTIONS", "/predictions/cnn"),
    ("inference", "POST", "/predictions/cnn/1.0"),
    ("inference", "POST", "/predictions/deepfake__explain"),
    ("inference", "POST", "/explanations/cnn"),
    ("inference", "POST", "/invocations"),
    ("inference", "POST", "/v1/models/cnn:predict"),
    ("inference", "POST", "/wfpredict/deepfake"),
    ("inference", "GET", "/wfpredict/deepfake"),
    ("inference", "POST", "/models/cnn/invoke"),
    ("inference", "GET", "/models"),
    ("inference", "GET", "/token?type=inference"),
    ("management", "GET", "/models"),
    ("management", "GET", "/models/cnn"),
    ("management", "GET", "/models/deepfake__cnn/all"),
    ("management", "POST", "/models?url=cnn-1.0.mar"),
    ("management", "PUT", "/models/cnn?min_worker=0"),
    ("management", "PUT", "/models/cnn/1.0/set-default"),
    ("management", "DELETE", "/models/cnn"),
    ("management", "DELETE", "/models/deepfake__cnn/1.0"),
    ("management", "GET", "/workflows"),
    ("management", "GET", "/workflows/deepfake"),
    ("management", "POST", "/workflows?url=deepfake.war"),
    ("management", "DELETE", "/workflows/deepfake"),
    ("management", "GET", "/token?type=management"),
    ("management", "GET", "/token?type=inference"),
    ("management", "GET", "/ping"),
]
# What it shows to anybody on the machine: the description of its own API, the same everywhere.
DESCRIPTIONS = [("OPTIONS", "/"), ("GET", "/api-description")]


@dataclass(frozen=True)
class Call:
    """A gRPC call: which port, which method, the request's bytes, whether it streams replies."""

    api: str
    method: str
    request: bytes = b""
    streams: bool = False


def _name(name: str) -> bytes:
    """A message whose first field is a string."""
    return bytes([0x0A, len(name)]) + name.encode()


_INFERENCE = "org.pytorch.serve.grpc.inference.InferenceAPIsService"
_OPEN = "org.pytorch.serve.grpc.openinference.GRPCInferenceService"
_MANAGEMENT = "org.pytorch.serve.grpc.management.ManagementAPIsService"
GRPC = [
    Call("inference", f"/{_INFERENCE}/Ping"),
    Call("inference", f"/{_INFERENCE}/Predictions", _name("cnn")),
    Call("inference", f"/{_INFERENCE}/StreamPredictions", _name("cnn"), streams=True),
    Call("inference", f"/{_OPEN}/ServerLive"),
    Call("inference", f"/{_OPEN}/ServerReady"),
    Call("inference", f"/{_OPEN}/ServerMetadata"),
    Call("inference", f"/{_OPEN}/ModelReady", _name("cnn")),
    Call("inference", f"/{_OPEN}/ModelMetadata", _name("cnn")),
    Call("inference", f"/{_OPEN}/ModelInfer", _name("cnn")),
    Call("inference", f"/{_MANAGEMENT}/ListModels"),
    Call("inference", "/grpc.health.v1.Health/Check"),
    Call(
        "inference", "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", streams=True
    ),
    Call("management", f"/{_MANAGEMENT}/ListModels"),
    Call("management", f"/{_MANAGEMENT}/DescribeModel", _name("cnn")),
    Call("management", f"/{_MANAGEMENT}/RegisterModel"),
    Call("management", f"/{_MANAGEMENT}/ScaleWorker", _name("cnn")),
    Call("management", f"/{_MANAGEMENT}/SetDefault", _name("cnn")),
    Call("management", f"/{_MANAGEMENT}/UnregisterModel", _name("cnn")),
    Call("management", f"/{_INFERENCE}/Predictions", _name("cnn")),
]
