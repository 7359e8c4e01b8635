"""Errors of a simulated past that cannot be written."""

from __future__ import annotations

from infra.errors import InfraError


class FillError(InfraError):
    """InfluxDB can't be filled: it is away, refuses rows, or holds something already."""
