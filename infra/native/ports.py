"""TCP ports on loopback: finding a free one, and saying who has a taken one."""

from __future__ import annotations

import errno
import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path
from typing import Final

import psutil

from infra.native.errors import PortInUseError
from infra.native.server import LOOPBACK

_OUTGOING: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
_USUAL_FIRST_OUTGOING: Final = 32_768
_LOWEST: Final = 15_000
_FEWEST: Final = 1_000


def free_port() -> int:
    """A TCP port on loopback that nobody listens on, and that is given to nobody else.

    It lies below the ports that the system gives to outgoing connections, one of which could
    take it before a server does; and other processes of this user that ask get another one, for
    as long as this one lives.

    Raises:
        PortInUseError: there is none.
    """
    ports = range(_LOWEST, max(_first_outgoing(), _LOWEST + _FEWEST))
    for port in random.sample(ports, len(ports)):
        if _is_free(port) and _reserved(port):
            return port
    raise PortInUseError(f"no port from {ports.start} to {ports.stop - 1} is free on {LOOPBACK}")


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def _reserved(port: int) -> bool:
    """Take the port's lock, which is held until this process ends."""
    folder = Path(tempfile.gettempdir()) / f"qala-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    handle = os.open(folder / str(port), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return False
    return True


def _first_outgoing() -> int:
    try:
        return int(_OUTGOING.read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return _USUAL_FIRST_OUTGOING


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
