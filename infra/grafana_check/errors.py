"""Errors of the check of boards against Grafana's types."""

from __future__ import annotations

from infra.errors import InfraError


class GrafanaCheckError(InfraError):
    """The check can't be run, or can't be trusted."""
