"""What every simulated run is asked for, and what must be true of it afterwards."""

from __future__ import annotations

import asyncio
from pathlib import Path

from prometheus_client import CollectorRegistry

from infra.ledger import LedgerWriter
from infra.simulator import SimulatorSettings, Summary, simulate
from schemas.clock import Clock, RealClock
from schemas.connections import MqttConnection
from schemas.readiness import Readiness

FAULTS = "duplicates=1%,disorder=0.5%,late=0.5%,malformed=0.1%"
ALL_FAULTS = "duplicates=2%,disorder=2%,late=3%,malformed=3%,wrong_clock=2%,quirks=2%,reset=10%"


async def run_simulator(
    mqtt: MqttConnection,
    ledger: Path | None = None,
    *,
    clock: Clock | None = None,
    readiness: Readiness | None = None,
    registry: CollectorRegistry | None = None,
    stop: asyncio.Event | None = None,
    **settings,
) -> Summary:
    return await simulate(
        SimulatorSettings(**settings),
        mqtt=mqtt,
        clock=clock or RealClock(),
        ledger=LedgerWriter(ledger) if ledger else None,
        registry=registry or CollectorRegistry(),
        readiness=readiness or Readiness(),
        stop=stop or asyncio.Event(),
    )


def assert_all_is_there(report: dict[str, object], readings: int) -> None:
    assert report["lost"] == 0, report
    assert report["valid_distinct"] == report["stored"] == readings, report
    assert report["rejected"] == report["malformed"] > 0, report  # type: ignore[operator]
    assert report["ok"], report
