"""Errors of the native servers."""

from __future__ import annotations

from infra.errors import InfraError


class ServerError(InfraError):
    """A native server can't be started or doesn't answer; the message says what to do."""


class MissingProgramError(ServerError):
    """A server's program or files are not on this machine."""


class PortInUseError(ServerError):
    """Another program listens on the port that a server needs."""


class ServerDiedError(ServerError):
    """A server's process ended before it was ready."""


class NotReadyError(ServerError):
    """A server runs but has not answered within its time."""
