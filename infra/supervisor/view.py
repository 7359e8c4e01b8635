"""A picture of what runs, gathered once a second for the screen."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from pathlib import Path
from typing import Final

import aiohttp

from infra.screen import AlertRow, Snapshot, StageRow
from infra.supervisor.child import Child
from infra.supervisor.figures import CPU, MEMORY, Rates, of_process, scrape
from infra.supervisor.keyfigures import KEY_FIGURES, errors_of
from infra.supervisor.ownership import base_name
from infra.supervisor.records import read_probe, run_folder

_KEPT_EVENTS: Final = 20


class View:
    """Turns children and their metrics into snapshots."""

    def __init__(self, data: Path, session: aiohttp.ClientSession, speed: float | None) -> None:
        """``speed`` is that of the simulated clock, None for the real one."""
        self.events: deque[str] = deque(maxlen=_KEPT_EVENTS)
        self._data = data
        self._session = session
        self._speed = speed
        self._rates = Rates()
        self._started = time.monotonic()

    async def snapshot(self, children: list[Child], alerts: list[AlertRow]) -> Snapshot:
        """Ask every stage for its figures and make one picture."""
        figures = await asyncio.gather(*(self._figures(child) for child in children))
        now = time.monotonic()
        return Snapshot(
            data=str(self._data),
            up_s=now - self._started,
            simulated=any(child.name == "simulator" for child in children),
            speed=self._speed,
            stages=[
                self._row(child, now, found) for child, found in zip(children, figures, strict=True)
            ],
            alerts=alerts,
            events=list(self.events),
        )

    async def _figures(self, child: Child) -> dict[str, float]:
        if child.identity is None:
            return {}
        probe = read_probe(run_folder(self._data), child.name)
        scraped = None
        if probe is not None and probe.process == child.identity:
            scraped = await scrape(self._session, probe.port)
        return scraped or of_process(child.identity)

    def _row(self, child: Child, now: float, figures: dict[str, float]) -> StageRow:
        rates = self._rates.look(child.name, now, figures)
        keys = KEY_FIGURES.get(base_name(child.name))
        troubled = child.state != "ready" and child.reason
        return StageRow(
            name=child.name,
            state=child.state,
            rate=rates.get(keys.rate) if keys else None,
            lag=figures.get(keys.lag) if keys and keys.lag else None,
            errors=errors_of(keys, figures) if keys else None,
            restarts=child.restarts,
            cpu_pct=100 * rates[CPU] if CPU in rates else None,
            memory_bytes=figures.get(MEMORY),
            note=child.reason or "" if troubled else child.spec.address or "",
        )
