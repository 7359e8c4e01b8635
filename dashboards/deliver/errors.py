"""Errors of bringing boards to a Grafana."""

from __future__ import annotations

from dashboards.errors import DashboardError


class DeliverError(DashboardError):
    """Boards can't be written or sent; the message says what and what to do."""


class GrafanaError(DeliverError):
    """A Grafana doesn't answer, or refuses what it was sent."""
