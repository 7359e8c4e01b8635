"""Boards as code: what Qala stores, as Grafana shows it and as Qala draws it itself.

`dashboards.grafana`, `dashboards.lint` and what draws stand apart: few commands need them.
"""

from dashboards.boards import Entry, build_all, catalogue
from dashboards.errors import DashboardError, LimitError, QueryError
from dashboards.influxql import ALL, interpolate, interval_ms
from dashboards.limits import Limits, read_limits, shipped_rules

__all__ = [
    "ALL",
    "DashboardError",
    "Entry",
    "LimitError",
    "Limits",
    "QueryError",
    "build_all",
    "catalogue",
    "interpolate",
    "interval_ms",
    "read_limits",
    "shipped_rules",
]
