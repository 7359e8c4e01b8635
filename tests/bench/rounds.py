"""Rounds of measurements: each system in turn, again and again, so that none has the quiet hour."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.meter import BehindError, Cost
from tests.bench.mistakes import Mistakes
from tests.bench.phases import (
    LIVE_RATE,
    Pace,
    Plain,
    Publisher,
    Say,
    at_full_speed,
    paced,
    running,
    sessions,
)
from tests.bench.systems import ALL, BRIDGE, Running, System
from tests.support.stack import Stack
from tests.support.waiting import eventually


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    count: int = 100_000
    """Of readings at full speed, bridges get three times that, and Qala's other stages twice."""
    devices: int = 1000
    repeats: int = 3
    paced_rate: float = 5000.0
    """Readings a second."""
    paced_s: float = 9.0
    delay_rate: float = 2000.0
    """Readings a second while delays are measured."""
    delay_s: float = 6.0


@dataclass
class Figures:
    """All that was measured of one system, by stage; a None is a load it could not keep up with."""

    full: dict[str, list[Cost | None]] = field(default_factory=lambda: defaultdict(list))
    paced: dict[str, list[Cost | None]] = field(default_factory=lambda: defaultdict(list))
    delays_s: list[float] = field(default_factory=list)
    mistakes: Mistakes = field(default_factory=Mistakes)

    def memory_mib(self, stage: str) -> float:
        """The most memory that a stage had in any measurement."""
        costs = [*self.full[stage], *self.paced[stage]]
        return max((cost.peak_mib for cost in costs if cost), default=float("nan"))


@dataclass(frozen=True)
class Median:
    """The median of repeated runs, and the smallest and largest."""

    middle: float
    low: float
    high: float

    @classmethod
    def of(cls, costs: Sequence[Cost | None]) -> Median | None:
        """Of CPU microseconds per reading; None where one run could not keep up."""
        return cls._of_us([cost.us for cost in costs if cost], len(costs))

    @classmethod
    def together(cls, stages: Collection[Sequence[Cost | None]]) -> Median | None:
        """Of the sums of stages, each of one round; None where a stage could not keep up in one.

        Raises:
            ValueError: a stage was measured in fewer rounds than another.
        """
        rounds = list(zip(*stages, strict=True))
        sums = [sum(cost.us for cost in one if cost) for one in rounds if all(one)]
        return cls._of_us(sums, len(rounds))

    @classmethod
    def _of_us(cls, us: Sequence[float], wanted: int) -> Median | None:
        if not us or len(us) < wanted:
            return None
        return cls(statistics.median(us), min(us), max(us))


class Loads:
    """The recorded loads of a bench, all without faults."""

    def __init__(self, folder: Path, sizes: Sizes) -> None:
        paced = round(sizes.paced_rate * sizes.paced_s)
        delay = round(sizes.delay_rate * sizes.delay_s)
        longest = max(3 * sizes.count, paced, delay)
        whole = Plain.recorded(folder, longest, sizes.devices)
        self.devices = sizes.devices
        # a bridge reads ahead of what is in Kafka: of fewer, too little would be measured
        self.backlog = whole.first(3 * sizes.count)
        self.live = whole.first(2 * sizes.count)
        self.few = whole.first(max(1000, sizes.count // 50))
        """For what is fifty times slower than the others."""
        self.pace = Pace(
            spark=whole.first(1000),
            plain=whole.first(paced),
            rate=sizes.paced_rate,
            for_delay=whole.first(delay),
            delay_rate=sizes.delay_rate,
            probes=round(sizes.delay_s * 20) - 40,
        )


async def full_speed(
    stack: Stack, systems: Sequence[System], loads: Loads, found: dict[str, Figures], say: Say
) -> None:
    """Every stage of every system over a backlog, one after the other.

    One publication leaves the bridges' backlogs in the broker. What they make of it is the
    backlog of the stages behind them, but for a system that goes by the clock.
    """
    publisher = Publisher(stack)
    first = [system for system in systems if system.feeder is None]
    async with sessions(stack, first):
        await publisher.publish(loads.backlog, LIVE_RATE, paced=False)
        for system in first:
            figures = found[system.name]
            await _full(
                system,
                system.stages[0],
                loads.backlog.readings,
                devices=loads.devices,
                figures=figures,
                say=say,
            )
    for system in systems:
        figures = found[system.name]
        rest = [stage for stage in system.stages if stage not in {BRIDGE, ALL}]
        readings = loads.backlog.readings
        if rest and system.by_the_clock:
            readings = await _live(system, publisher, loads)
        for stage in rest:
            await _full(system, stage, readings, devices=loads.devices, figures=figures, say=say)


async def _live(system: System, publisher: Publisher, loads: Loads) -> int:
    """Write a log whose readings are as young as in daily work; returns how many."""
    await system.reset()
    load = loads.few if system.feeder else loads.live
    source = system.feeder or system
    async with running(source, BRIDGE) as started:
        await publisher.publish(load, LIVE_RATE, paced=True)
        await _reached(started[BRIDGE], load.readings)
    return load.readings


async def _reached(one: Running, readings: int) -> None:
    await eventually(one.meter.sample, lambda now: now.readings >= readings, timeout_s=60)


async def _full(
    system: System,
    stage: str,
    readings: int,
    *,
    devices: int,
    figures: Figures,
    say: Say,
) -> None:
    try:
        cost = await at_full_speed(system, stage, readings, devices)
    except BehindError as exc:
        say(f"{system.name} {stage}: {exc}")
        cost = None
    figures.full[stage].append(cost)
    if cost:
        say(f"{system.name} {stage}: {cost.us:.2f} µs at full speed, {cost.rate:,.0f}/s")


async def at_a_pace(
    stack: Stack, systems: Sequence[System], pace: Pace, found: dict[str, Figures], say: Say
) -> None:
    """All stages of each system together at a steady rate."""
    for system in systems:
        figures = found[system.name]
        if any(costs.count(None) > 1 for costs in figures.paced.values()):
            continue  # it could not keep up twice
        done = await paced(stack, system, pace)
        figures.delays_s += done.delays_s
        for stage, cost in done.costs.items():
            figures.paced[stage].append(cost)
            said = f"{cost.us:.2f} µs" if cost else "could not keep up"
            say(f"{system.name} {stage}: {said} at {pace.rate:,.0f}/s")
        if done.delays_s:
            say(f"{system.name}: {statistics.median(done.delays_s):.2f} s until it is a row")
        if done.behind_s > 0.5:
            say(f"the load came up to {done.behind_s:.1f} s late: the machine is too busy")
