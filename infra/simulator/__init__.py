"""A simulated city: its days, its devices under load, what goes wrong."""

from __future__ import annotations

from infra.simulator.city import City
from infra.simulator.own_pace import OwnPace
from infra.simulator.run import simulate
from infra.simulator.settings import Faults, SimulatorSettings, parse_faults
from infra.simulator.summary import Summary

__all__ = [
    "City",
    "Faults",
    "OwnPace",
    "SimulatorSettings",
    "Summary",
    "parse_faults",
    "simulate",
]
