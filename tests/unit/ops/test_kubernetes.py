"""The manifests, as far as that can be checked without a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from ops.settings import ROOT, Ports, Settings

FILES = sorted((ROOT / "ops" / "kubernetes").glob("*.yaml"))
# The oldest in which everything used is there (the `sleep` of preStop), and the newest known.
VERSIONS = ["1.32", kubernetes_validate.latest_version()]


def load(file: Path) -> dict[str, Any]:
    (document,) = yaml.safe_load_all(file.read_text())
    return dict(document)


MANIFESTS = {manifest["kind"]: manifest for manifest in map(load, FILES)}


@pytest.fixture
def pod() -> dict[str, Any]:
    return dict(MANIFESTS["Deployment"]["spec"]["template"]["spec"])


@pytest.fixture
def container(pod: dict[str, Any]) -> dict[str, Any]:
    detector, logs = pod["containers"]
    assert (detector["name"], logs["name"]) == ("detector", "logs")
    return dict(detector)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_manifests_fit_the_schemas(file: Path, version: str) -> None:
    kubernetes_validate.validate(load(file), version, strict=True)


def test_validation_finds_faults() -> None:
    broken = load(ROOT / "ops" / "kubernetes" / "deployment.yaml")
    broken["spec"]["template"]["spec"]["containers"][0]["memory"] = "1Gi"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, VERSIONS[-1], strict=True)


def test_everything_is_there_and_belongs_together(container: dict[str, Any]) -> None:
    assert set(MANIFESTS) == {
        "Deployment", "Service", "Ingress", "PodDisruptionBudget", "HorizontalPodAutoscaler",
        "NetworkPolicy",
    }  # fmt: skip
    labels = MANIFESTS["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert MANIFESTS["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert MANIFESTS["Service"]["spec"]["selector"] == labels
    assert MANIFESTS["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    assert MANIFESTS["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == labels
    target = MANIFESTS["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    assert target["name"] == MANIFESTS["Deployment"]["metadata"]["name"]
    assert MANIFESTS["HorizontalPodAutoscaler"]["spec"]["minReplicas"] >= 2
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"http": Ports().edge, "metrics": Ports().edge_metrics}


def test_the_pod_may_do_little(pod: dict[str, Any], container: dict[str, Any]) -> None:
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
    for one in pod["containers"]:
        assert one["securityContext"]["readOnlyRootFilesystem"] is True
        assert one["securityContext"]["allowPrivilegeEscalation"] is False
        assert one["securityContext"]["capabilities"]["drop"] == ["ALL"]
        assert set(one["resources"]["limits"]) >= {"cpu", "memory"}
        assert set(one["resources"]["requests"]) >= {"cpu", "memory"}
    mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounts == {"/var/lib/deepfake", "/tmp", "/var/run/secrets/deepfake"}  # noqa: S108


def test_probes_ask_whether_a_picture_was_judged(container: dict[str, Any]) -> None:
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"] == {"path": "/readyz", "port": "http"}


def test_only_the_edge_is_reachable() -> None:
    rules = MANIFESTS["NetworkPolicy"]["spec"]
    assert rules["egress"] == []
    assert set(rules["policyTypes"]) == {"Ingress", "Egress"}
    assert [rule["ports"] for rule in rules["ingress"]] == [
        [{"port": "http"}],
        [{"port": "metrics"}],
    ]
    (service_port,) = MANIFESTS["Service"]["spec"]["ports"]
    assert service_port["targetPort"] == "http"


def test_the_service_answers_to_the_ingress_host(container: dict[str, Any]) -> None:
    environment = {entry["name"]: entry["value"] for entry in container["env"]}
    settings = Settings.from_environment(environment)
    (rule,) = MANIFESTS["Ingress"]["spec"]["rules"]
    assert settings.edge_hosts == rule["host"]
    assert MANIFESTS["Ingress"]["spec"]["tls"][0]["hosts"] == [rule["host"]]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert str(settings.metrics_token_file).startswith(mounts["metrics-token"])
