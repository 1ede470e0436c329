from __future__ import annotations

from pathlib import Path

from detection.limits import MAX_UPLOAD_BYTES
from ops.properties import BASE, for_service, read_properties, write_properties
from ops.settings import Ports, Settings


def test_a_file_is_read_back_as_written(tmp_path: Path) -> None:
    properties = for_service(Settings())
    write_properties(tmp_path / "p", properties)
    assert read_properties(tmp_path / "p") == properties


def test_a_service_has_its_own_ports_and_folders(tmp_path: Path) -> None:
    settings = Settings(model_store=tmp_path, ports=Ports(1, 2, 3, 4, 5, 6))
    properties = for_service(settings)
    assert properties["inference_address"] == "http://127.0.0.1:2"
    assert properties["management_address"] == "http://127.0.0.1:3"
    assert properties["metrics_address"] == "http://127.0.0.1:4"
    assert properties["grpc_inference_port"] == "5"
    assert properties["grpc_management_port"] == "6"
    assert properties["model_store"] == str(tmp_path)
    assert properties["workflow_store"] == str(settings.run_dir / "workflows")


def test_the_repositorys_file_is_closed_to_the_outside() -> None:
    properties = read_properties(BASE)
    for key in ("inference_address", "management_address", "metrics_address"):
        assert properties[key].startswith("http://127.0.0.1:")
    for key in ("grpc_inference_address", "grpc_management_address"):
        assert properties[key] == "127.0.0.1"
    assert properties["disable_token_authorization"] == "false"
    assert properties["allowed_urls"] == "none"
    assert not any(key.startswith("cors_") for key in properties)


def test_torchserve_takes_more_than_the_edge_lets_through() -> None:
    assert int(read_properties(BASE)["max_request_size"]) > MAX_UPLOAD_BYTES + 2**20
