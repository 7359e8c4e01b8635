"""One outage under load: a server stopped, watched, started again; drained and verified."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import aiohttp

from dashboards.signals import liveness
from infra.supervisor.records import read_probe, run_folder
from tests.chaos.pressure_watch import Seen, Watch
from tests.support.city_stack import STAGES, CityStack, city_stack
from tests.support.servers import RunningServer
from tests.support.stack import StageProcess
from tests.support.waiting import eventually

Stopped = Literal["kafka", "influxdb"]

BOUNDS_MIB: Final = {"bridge": 256, "streams": 256, "sink-influx": 224, "sink-chat": 160}
"""Most resident memory of each stage in MiB, whatever is away and for however long.

docs/buffers.md says what it is made of.
"""
WHO_WAITS: Final[dict[Stopped, frozenset[str]]] = {
    "kafka": frozenset(STAGES),
    "influxdb": frozenset({"sink-influx"}),
}
"""The stages whose ``/ready`` must name the server that is away; the others must be ready."""
SERVER_NAMES: Final[dict[Stopped, str]] = {"kafka": "Kafka", "influxdb": "InfluxDB"}
WARM_S: Final = 15.0
CAUGHT_UP_S: Final = 5.0
"""With no more than so many seconds' readings missing in InfluxDB, the backlog is drained."""
_TYPES: Final = "/^(passage|scene|temperature|air|audio|ticket)$/"
_LIVE_SHARE: Final = 0.999
_SETTLED_S: Final = 120.0
_SIMULATOR_ENDS_S: Final = 90.0
"""It waits up to half a minute for the broker's last PUBACKs."""


@dataclass
class Outcome:
    """What a run came to. ``silent`` are stages that at the outage's end did not say what is wrong.

    ``reached`` is how many readings a second were made meanwhile, which a busy machine may keep
    below ``rate``. ``drain_s`` runs from the server's first answer to the moment at which all is
    live again.
    """

    stopped: Stopped
    seconds: float
    rate: float
    reached: float
    stages: dict[str, Seen]
    broker_mib: float
    drain_s: float
    verified: dict[str, Any]
    silent: list[str] = field(default_factory=list)
    complaining: list[str] = field(default_factory=list)
    """Stages that the outage does not touch, and that were not ready at its end."""

    @property
    def over(self) -> list[str]:
        """Stages that were above their bound."""
        return [name for name, seen in self.stages.items() if seen.most_mib > BOUNDS_MIB[name]]

    @property
    def ok(self) -> bool:
        """Whether bounds were kept, all was told, and nothing was lost."""
        return bool(self.verified["ok"]) and not (self.over or self.silent or self.complaining)


async def under_pressure(
    data: Path,
    *,
    stopped: Stopped,
    seconds: float,
    rate: float,
    warm_s: float = WARM_S,
    drain_s: float = 900.0,
    say: Callable[[str], None] = lambda _text: None,
) -> Outcome:
    """Run the city at ``rate`` readings a second, and stop a server for ``seconds`` of it.

    Raises:
        AssertionError: the backlog was not drained within ``drain_s``.
    """
    async with city_stack(data, chat=True) as city:
        server = city.stack.kafka if stopped == "kafka" else city.stack.influxdb
        stages = dict(zip(STAGES, city.stack.stages, strict=True))
        watch = Watch(city, stages)
        watching = asyncio.create_task(watch.run())
        ledger = data / "ledger.ndjson"
        simulator = await city.stack.run(
            "simulate", "--rate", f"{rate:g}", "--devices", "200", "--sites", "12",
            "--ledger", str(ledger), name="simulator",
        )  # fmt: skip
        try:
            await eventually(lambda: _drained(city, rate), timeout_s=120, every_s=1.0)
            await asyncio.sleep(warm_s)  # a load to measure, not a wait for something
            watch.settled()
            say(f"{stopped} is stopped for {seconds:g} s")
            outcome = await _outage(city, watch, server, stopped, seconds, rate)
            say(f"{stopped} is back; the backlog drains")
            began_s = time.monotonic()
            await eventually(lambda: _drained(city, rate), timeout_s=drain_s, every_s=1.0)
            outcome.drain_s = time.monotonic() - began_s
            say(f"drained after {outcome.drain_s:.0f} s; the ledger is verified")
            outcome.verified = await _verified(city, simulator, ledger)
            outcome.broker_mib = watch.broker_mib
            assert not watching.done(), f"nobody watched: {watching!r}"
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        return outcome


async def _outage(  # noqa: PLR0917 -- one caller, just above
    city: CityStack,
    watch: Watch,
    server: RunningServer,
    stopped: Stopped,
    seconds: float,
    rate: float,
) -> Outcome:
    made, began_s = await _made(city), time.monotonic()
    await server.stop()
    await asyncio.sleep(seconds)
    reached = (await _made(city) - made) / (time.monotonic() - began_s)
    outcome = Outcome(stopped, seconds, rate, reached, watch.seen, watch.broker_mib, 0.0, {})
    for name, seen in watch.seen.items():
        if name not in WHO_WAITS[stopped]:
            if seen.waits:
                outcome.complaining.append(name)
        elif not any(SERVER_NAMES[stopped] in why for why in seen.now.values()):
            outcome.silent.append(name)
    await server.start()
    return outcome


async def _drained(city: CityStack, rate: float) -> bool:
    """Whether InfluxDB has what was made until now, and all stages vouch for all partitions."""
    made = await _made(city)
    behind = made - await _stored(city)
    if made == 0 or behind > rate * CAUGHT_UP_S:
        return False
    for stage in (liveness.SINK, liveness.STREAMS):
        shares = await city.rows(stage.query)
        if not shares or (shares[0]["value"] or 0) < _LIVE_SHARE:
            return False
    return True


async def _made(city: CityStack) -> float:
    """Distinct readings that the simulator has made so far."""
    probe = read_probe(run_folder(city.stack.data), "simulator")
    if probe is None:
        return 0.0
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{probe.port}/metrics") as answer,
    ):
        for line in (await answer.text()).splitlines():
            if line.startswith("qala_simulator_readings_total "):
                return float(line.split()[1])
    return 0.0


async def _verified(city: CityStack, simulator: StageProcess, ledger: Path) -> dict[str, Any]:
    """End the simulated city, and compare its ledger with what is stored."""
    simulator.signal(signal.SIGTERM)
    async with asyncio.timeout(_SIMULATOR_ENDS_S):
        assert await simulator.process.wait() == 0, simulator.died()
    seen = [-1]

    async def still() -> bool:
        seen.append(await _stored(city))
        return seen[-1] == seen[-2]

    await eventually(still, timeout_s=_SETTLED_S, every_s=3.0)
    report = await city.verify(
        ledger
    )  # takes minutes where it is a million, so not again and again
    return report if report["ok"] else await city.verify(ledger)


async def _stored(city: CityStack) -> int:
    rows = await city.rows(f'SELECT count("seq") FROM "raw".{_TYPES}')
    return sum(row["count"] for row in rows)
