"""Boards as Grafana's JSON, built with grafana-foundation-sdk from `dashboards.model`."""

from __future__ import annotations

from dashboards.grafana.page import dashboard, dashboard_json
from dashboards.grafana.queries import DATASOURCE_TYPE, DATASOURCE_UID

__all__ = ["DATASOURCE_TYPE", "DATASOURCE_UID", "dashboard", "dashboard_json"]
