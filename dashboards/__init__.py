"""Boards as code: Grafana and console views of what Qala stores."""
