"""How a system is measured: at full speed over a backlog, paced while all of it runs, for delay."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from tests.bench.delay import delays_s
from tests.bench.load import Load, record
from tests.bench.meter import AROUND_S, BehindError, Cost, Meter, around_now
from tests.bench.replay import Replayed
from tests.bench.systems import ALL, BRIDGE, Running, System, end_session, open_session
from tests.support.stack import Stack

Say = Callable[[str], None]

LIVE_RATE: Final = 18_000
"""Readings a second into the log that a worker then reads: many in an envelope, and still in
time for their windows, so that the common path is measured and not the one of late readings."""
_WARM_S: Final = 3.5
_TIMEOUT_S: Final = 90.0

Costs = Mapping[str, Cost | None]
"""By stage; None where it could not keep up."""


@dataclass(frozen=True)
class Plain:
    """A load on disk, or its first messages; without faults one message is one reading."""

    file: Path
    readings: int

    @classmethod
    def recorded(cls, folder: Path, count: int, devices: int) -> Plain:
        """Record one without faults, to be replayed at any rate."""
        made = record(count=count, devices=devices, rate=LIVE_RATE)
        return cls(load_for(folder, made, "plain"), count)

    def first(self, readings: int) -> Plain:
        """The first readings of it."""
        assert readings <= self.readings
        return Plain(self.file, readings)


class Publisher:
    """Starts replays against a stack's broker."""

    def __init__(self, stack: Stack) -> None:
        self._mqtt = stack.mqtt_connection.url.get_secret_value()

    async def publish(self, load: Plain, rate: float, *, paced: bool) -> Replayed:
        """Publish a recorded load and return when the broker has all of it."""
        unpaced = () if paced else ("--unpaced",)
        part = ("--count", str(load.readings))
        argv = (str(load.file), "--mqtt", self._mqtt, "--rate", str(rate), *part, *unpaced)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.bench.replay", *argv, stdout=asyncio.subprocess.PIPE
        )
        said, _ = await process.communicate()
        assert process.returncode == 0, "the replay failed; its error is above"
        return msgspec.json.decode(said, type=Replayed)


async def begin(system: System, stages: Sequence[str], started: dict[str, Running]) -> None:
    """Start stages, the last one first, and return when all are ready."""
    for stage in reversed(stages):
        started[stage] = await system.start(stage)
    for stage, one in started.items():
        await system.ready(stage, one)


@asynccontextmanager
async def running(system: System, *stages: str) -> AsyncIterator[dict[str, Running]]:
    """Stages of a system, ready; they are stopped at the end, the first one first.

    The broker then keeps nothing for it: what others are measured with would wait for it.
    """
    started: dict[str, Running] = {}
    try:
        await begin(system, stages, started)
        yield started
        for one in started.values():
            assert one.process.running, one.process.died()
    finally:
        for stage in stages:
            if stage in started:
                await started[stage].stop()
        if {BRIDGE, ALL} & set(stages):
            await end_session(system.stack.mqtt_connection, system.client_id)


@asynccontextmanager
async def fed(system: System, *stages: str) -> AsyncIterator[None]:
    """While this lasts these stages of what feeds a system without a bridge run, unmeasured."""
    if system.feeder is None:
        yield
        return
    async with running(system.feeder, *stages):
        yield


async def at_full_speed(system: System, stage: str, readings: int, devices: int) -> Cost:
    """Let a stage work off what ``devices`` have left for it; its cost."""
    one = await system.start(stage)
    try:
        return await one.meter.until(readings, timeout_s=_TIMEOUT_S, devices=devices)
    finally:
        await one.stop()


@asynccontextmanager
async def sessions(stack: Stack, systems: Sequence[System]) -> AsyncIterator[None]:
    """While this lasts the broker keeps messages for these systems, who are away."""
    for system in systems:
        await open_session(stack.mqtt_connection, system.client_id, system.filters)
    try:
        yield
    finally:
        for system in systems:
            await end_session(stack.mqtt_connection, system.client_id)


@dataclass(frozen=True)
class Pace:
    """A load at a steady rate, and one without measuring that shows when all stages take part."""

    spark: Plain
    plain: Plain
    rate: float
    """Readings a second, of both."""
    for_delay: Plain
    delay_rate: float
    probes: int


@dataclass(frozen=True)
class Paced:
    """What came of it; no delays where a system writes no raw rows, or could not keep up."""

    costs: Costs
    delays_s: list[float]
    behind_s: float


async def paced(stack: Stack, system: System, pace: Pace) -> Paced:
    """All stages of a system under a steady load, after a warm-up; then under another for delay."""
    publisher = Publisher(stack)
    await system.reset()
    async with fed(system, BRIDGE), running(system, *system.stages) as started:
        meters: dict[str, Meter] = {stage: one.meter for stage, one in started.items()}
        await publisher.publish(pace.spark, pace.rate, paced=True)
        await _begun(list(meters.values()))
        loop = asyncio.get_running_loop()
        ends_s = loop.time() + pace.plain.readings / pace.rate  # or later, by the publisher's start
        publishing = asyncio.create_task(publisher.publish(pace.plain, pace.rate, paced=True))
        try:
            await asyncio.sleep(_WARM_S)
            first = await around_now(list(meters.values()))
            await asyncio.sleep(max(0.0, ends_s - AROUND_S - loop.time()))
            last = await around_now(list(meters.values()))
            done = await publishing
            costs = {
                stage: _kept_up(meter.between(before, after), pace.rate)
                for (stage, meter), before, after in zip(meters.items(), first, last, strict=True)
            }
        finally:
            publishing.cancel()
        delays: list[float] = []
        if system.feeder is None and all(costs.values()):
            load = publisher.publish(pace.for_delay, pace.delay_rate, paced=True)
            publishing = asyncio.create_task(load)
            await asyncio.sleep(1.0)
            delays = await delays_s(stack, system.database, probes=pace.probes)
            await publishing
        return Paced(costs, delays, done.behind_s)


def _kept_up(cost: Cost, rate: float) -> Cost | None:
    """None where a stage did less than nine tenths of what came: its cost is of another load."""
    return cost if cost.rate >= 0.9 * rate else None


async def _begun(meters: Sequence[Meter]) -> None:
    loop = asyncio.get_running_loop()
    end_s = loop.time() + 20
    while not all([(await meter.sample()).readings > 0 for meter in meters]):
        if loop.time() > end_s:
            raise BehindError("a stage had no reading after 20 s")
        await asyncio.sleep(0.2)


def load_for(folder: Path, recorded: Load, name: str) -> Path:
    """Save a load under ``name``."""
    file = folder / f"{name}.msgpack"
    recorded.save(file)
    return file
