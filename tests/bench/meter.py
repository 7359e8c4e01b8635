"""What a process costs: CPU seconds and memory from outside, progress from whoever knows it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Final, NamedTuple

import psutil


class Reached(NamedTuple):
    """How many readings a stage has dealt with since it was started.

    ``cpu_s`` is what it had cost by then, where the stage says so itself: what it says may be
    older than the moment at which it is asked. ``begun`` are those on which it may have spent
    something, where these may be many more.
    """

    readings: float
    cpu_s: float | None = None
    begun: float | None = None


Progress = Callable[[], Awaitable[Reached]]

_WARM: Final = 0.1
"""The share of the readings that is taken for warming up, and not measured."""
_EVERY_S: Final = 0.1
AROUND_S: Final = 1.0
"""How long `around_now` looks."""
_LOOKS: Final = 4


class BehindError(AssertionError):
    """A stage did not get through its readings in the time it was given, or in no time at all."""


class Sample(NamedTuple):
    """A moment of a process: readings dealt with, CPU seconds, loop time in seconds.

    ``begun`` are readings for which something was spent already.
    """

    readings: float
    cpu_s: float
    at_s: float
    begun: float = 0.0


@dataclass(frozen=True)
class Cost:
    """What a stage spent between two samples; ``peak_mib`` since it was started."""

    readings: float
    cpu_s: float
    wall_s: float
    peak_mib: float

    @property
    def us(self) -> float:
        """CPU microseconds (user and system) per reading."""
        return self.cpu_s / self.readings * 1e6 if self.readings else float("nan")

    @property
    def rate(self) -> float:
        """Readings a second."""
        return self.readings / self.wall_s if self.wall_s else float("nan")


def cpu_s(pid: int) -> float:
    """User and system time of a process and of its children, ended ones included, in seconds."""
    process = psutil.Process(pid)
    times = process.cpu_times()
    ended = times.children_user + times.children_system
    living = sum(sum(child.cpu_times()[:2]) for child in process.children(recursive=True))
    return float(times.user + times.system + ended + living)


def peak_mib(pid: int) -> float:
    """The most memory (resident set) that a process has had, in MiB."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


class Meter:
    """Measures one running process."""

    def __init__(self, pid: int, progress: Progress) -> None:
        self._pid = pid
        self._progress = progress

    async def sample(self) -> Sample:
        """Ask for the progress, and read what it has cost."""
        readings, spent_s, begun = await self._progress()
        if spent_s is None:
            spent_s = cpu_s(self._pid)
        now_s = asyncio.get_running_loop().time()
        return Sample(readings, spent_s, now_s, readings if begun is None else begun)

    def between(self, first: Sample, last: Sample) -> Cost:
        """The cost from one sample to another."""
        return Cost(
            readings=last.readings - first.readings,
            cpu_s=last.cpu_s - first.cpu_s,
            wall_s=last.at_s - first.at_s,
            peak_mib=peak_mib(self._pid),
        )

    async def until(self, readings: float, *, timeout_s: float, devices: int = 0) -> Cost:
        """The cost of ``readings`` at the stage's own speed, less the first tenth.

        Left out is at least the first reading of each of ``devices``, who take turns, and what was
        begun by then: what was spent on it is left out, too.

        Raises:
            BehindError: not done after ``timeout_s``, or sooner than it could be measured.
        """
        warm = max(_WARM * readings, devices)
        loop = asyncio.get_running_loop()
        end_s = loop.time() + timeout_s
        samples: list[Sample] = []
        while True:
            now = await self.sample()
            if now.readings >= readings:
                if not samples:
                    raise BehindError(f"{readings:,.0f} were over at once; give it more (--count)")
                first = samples[0]
                if first.begun >= now.readings:
                    raise BehindError("all was begun before it could be measured; give it more")
                return self.between(first._replace(readings=first.begun), now)
            if now.readings >= warm:
                samples.append(now)
            if now.at_s > end_s:
                raise BehindError(f"{now.readings:,.0f} of {readings:,.0f} after {timeout_s:.0f} s")
            await asyncio.sleep(_EVERY_S)


async def together(meters: Sequence[Meter]) -> list[Sample]:
    """A sample of each, as nearly at one time as can be."""
    return list(await asyncio.gather(*(meter.sample() for meter in meters)))


async def around_now(meters: Sequence[Meter]) -> list[Sample]:
    """For each the mean of a second: what is written in batches goes by jumps."""
    taken: list[list[Sample]] = []
    for left in reversed(range(_LOOKS)):
        taken.append(await together(meters))
        await asyncio.sleep(AROUND_S / _LOOKS if left else 0)
    return [Sample(*map(fmean, zip(*of_one, strict=True))) for of_one in zip(*taken, strict=True)]
