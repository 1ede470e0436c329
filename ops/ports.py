"""Finds out, before anything is started, whether a port is free and who has it."""

import socket

import psutil

from ops.errors import OpsError
from ops.settings import LOOPBACK, Ports


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could listen on `port` of `host` now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As the servers do: a port in TIME_WAIT is free, one that is listened on is not.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_ports(count: int) -> list[int]:
    """`count` different ports on loopback that are free now."""
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_STREAM) for _ in range(count)]
    try:
        for one in sockets:
            one.bind((LOOPBACK, 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()


def require_free(ports: Ports, edge_bind: str = LOOPBACK) -> None:
    """Check all ports of the service.

    Raises:
        OpsError: one is taken, or two settings name the same one; the sentence names the port,
            who has it where that can be seen, and what to do.
    """
    seen: dict[int, str] = {}
    for purpose, (port, variable) in ports.named().items():
        if port in seen:
            raise OpsError(f"Port {port} is asked for twice, by {seen[port]} and {variable}.")
        seen[port] = variable
        if not is_free(port, edge_bind if variable == "PORT" else LOOPBACK):
            raise OpsError(
                f"Port {port} for {purpose} is taken{_holder(port)}: stop that program, or choose "
                f"another port with `make serve {variable}={_next_free(port)}`."
            )


def _next_free(port: int) -> int:
    return next((p for p in range(port + 10, min(port + 1000, 65536), 10) if is_free(p)), port + 1)


def _holder(port: int) -> str:
    try:
        listening = psutil.net_connections(kind="tcp")
    except psutil.Error:
        return ""
    for connection in listening:
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port:
            if connection.pid is None:
                return ""
            try:
                return f" by process {connection.pid} ({psutil.Process(connection.pid).name()})"
            except psutil.Error:
                return f" by process {connection.pid}"
    return ""
