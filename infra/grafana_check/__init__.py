"""Whether our Grafana boards and alert rules fit the types that Grafana publishes."""

from infra.grafana_check.check import Finding, check, published_boards
from infra.grafana_check.errors import GrafanaCheckError

__all__ = ["Finding", "GrafanaCheckError", "check", "published_boards"]
