"""TCP ports on loopback: finding a free one, and saying who has a taken one."""

from __future__ import annotations

import errno
import socket

import psutil

from infra.native.errors import PortInUseError
from infra.native.server import LOOPBACK


def free_port() -> int:
    """A TCP port on loopback that nobody listens on now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def check_port_free(name: str, port: int) -> None:
    """Refuse a port that someone listens on.

    Raises:
        PortInUseError: says which port, who has it where that can be seen, and what to do.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # as servers do: a connection of a former run that is still closing is no obstacle
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as exc:
            if exc.errno != errno.EADDRINUSE:
                raise PortInUseError(f"{name}: port {port} can't be used: {exc.strerror}") from exc
            raise PortInUseError(
                f"{name}: port {port} on {LOOPBACK} is in use{_listener(port)}; "
                f"see who has it with `ss -ltnp 'sport = :{port}'`, stop it, "
                "or move all ports with --port-offset"
            ) from exc


def _listener(port: int) -> str:
    """`` by NAME, pid N`` of the listener, or nothing where the system won't tell."""
    try:
        for connection in psutil.net_connections("tcp"):
            listens = connection.status == psutil.CONN_LISTEN
            if listens and connection.laddr.port == port and connection.pid:
                return f" by {psutil.Process(connection.pid).name()}, pid {connection.pid}"
    except (psutil.Error, OSError):
        return ""
    return ""
