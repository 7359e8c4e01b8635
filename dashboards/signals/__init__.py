"""Every query of every board, once. See `dashboards.model.Signal`."""

from __future__ import annotations
