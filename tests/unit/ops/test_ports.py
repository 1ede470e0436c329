from __future__ import annotations

import os
import socket
from dataclasses import replace

import pytest

from ops.errors import OpsError
from ops.ports import free_ports, is_free, require_free
from ops.settings import Ports


def test_free_ports_are_different_and_free() -> None:
    ports = free_ports(6)
    assert len(set(ports)) == 6
    assert all(is_free(port) for port in ports)


def test_a_taken_port_is_named_with_its_holder_and_the_way_out() -> None:
    ports = Ports(*free_ports(6))
    require_free(ports)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", ports.management))
        listener.listen()
        assert not is_free(ports.management)
        with pytest.raises(OpsError) as caught:
            require_free(ports)
    sentence = str(caught.value)
    assert f"Port {ports.management} for TorchServe's management API is taken" in sentence
    assert f"process {os.getpid()}" in sentence
    assert "make serve MANAGEMENT_PORT=" in sentence


def test_the_same_port_twice() -> None:
    ports = Ports(*free_ports(6))
    with pytest.raises(OpsError, match="asked for twice, by PORT and METRICS_PORT"):
        require_free(replace(ports, metrics=ports.edge))
