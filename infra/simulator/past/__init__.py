"""A simulated city's past, made by the real encoders and written straight into InfluxDB."""

from __future__ import annotations

from infra.simulator.past.errors import FillError
from infra.simulator.past.fill import Filled, fill
from infra.simulator.past.writers import Told

__all__ = ["FillError", "Filled", "Told", "fill"]
