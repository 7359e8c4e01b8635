"""A simulated city: seeded devices with believable values, faults on request, one publisher."""

from __future__ import annotations

from infra.simulator.city import City
from infra.simulator.run import simulate
from infra.simulator.settings import Faults, SimulatorSettings, parse_faults
from infra.simulator.summary import Summary

__all__ = [
    "City",
    "Faults",
    "SimulatorSettings",
    "Summary",
    "parse_faults",
    "simulate",
]
