"""What each process has in memory and says on ``/ready``, looked at once a second."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import aiohttp
import psutil

from infra.supervisor.records import read_probe, run_folder
from tests.support.city_stack import CityStack
from tests.support.stack import StageProcess

EVERY_S: Final = 1.0
_ANSWER_S: Final = 5.0
_MIB: Final = 1024 * 1024
_FIGURES: Final = re.compile(r"\d+(?= s\b)")


@dataclass
class Seen:
    """One stage during a run: MiB of resident memory, and what it waited for.

    ``said`` counts, by sentence (figures of seconds left out), the looks at which ``/ready``
    gave it as a reason; ``now`` are the reasons of the last look, by part. ``restarts`` counts
    how often it ended by itself and was started again, as a supervisor does.
    """

    before_mib: float = 0.0
    most_mib: float = 0.0
    mib: float = 0.0
    said: Counter[str] = field(default_factory=Counter)
    now: dict[str, str] = field(default_factory=dict)
    restarts: int = 0

    @property
    def waits(self) -> bool:
        """Whether ``/ready`` gave a reason at the last look."""
        return bool(self.now)


class Watch:
    """Looks at stages for as long as it runs, and starts again those that ended."""

    def __init__(self, city: CityStack, stages: dict[str, StageProcess]) -> None:
        self.seen = {name: Seen() for name in stages}
        self.broker_mib = 0.0
        """The most memory of Mosquitto, which holds what bridges can't take, in MiB."""
        self._city = city
        self._stages = stages

    async def run(self) -> None:
        """Look once a second until cancelled."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(_ANSWER_S)) as session:
            while True:
                for name in self._stages:
                    await self._look(session, name)
                broker = self._city.stack.mosquitto
                if broker.running:
                    self.broker_mib = max(self.broker_mib, _rss_mib(broker.pid))
                await asyncio.sleep(EVERY_S)

    def settled(self) -> None:
        """What the processes have in memory now is what they have before an outage."""
        for seen in self.seen.values():
            seen.before_mib = seen.most_mib = seen.mib
            seen.said.clear()

    async def _look(self, session: aiohttp.ClientSession, name: str) -> None:
        seen, stage = self.seen[name], self._stages[name]
        if not stage.running:
            seen.restarts += 1
            seen.now = {"process": f"ended: {stage.died()}"}
            self._stages[name] = await self._city.start(name)
        else:
            seen.mib = _rss_mib(stage.pid)
            seen.most_mib = max(seen.most_mib, seen.mib)
            seen.now = await _reasons(session, self._city.stack.data, name)
        for part, why in seen.now.items():
            seen.said[f"{part}: {_FIGURES.sub('…', why)}"] += 1


def _rss_mib(pid: int) -> float:
    try:
        return float(psutil.Process(pid).memory_info().rss) / _MIB
    except psutil.NoSuchProcess:
        return 0.0


async def _reasons(session: aiohttp.ClientSession, data: Path, name: str) -> dict[str, str]:
    """What the stage ``name`` waits for, by part; of one that gives no answer, that it does not."""
    probe = read_probe(run_folder(data), name)
    if probe is None:
        return {"probe": "there is none"}
    try:
        async with session.get(f"http://127.0.0.1:{probe.port}/ready") as answer:
            body = await answer.json()
    except (aiohttp.ClientError, TimeoutError) as exc:
        return {"probe": f"/ready does not answer ({type(exc).__name__})"}
    reasons: dict[str, str] = body["reasons"]
    return reasons
