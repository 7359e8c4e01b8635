"""Errors of a verification that cannot be made; what it finds is in its report."""

from __future__ import annotations

from infra.errors import InfraError


class VerifyError(InfraError):
    """InfluxDB does not answer, or refuses to be read."""
