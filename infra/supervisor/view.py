"""A picture of what runs, gathered once a second for the screen."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from pathlib import Path
from typing import Final, NamedTuple

import aiohttp

from infra.screen import AlertBoard, Snapshot, StageRow
from infra.supervisor.child import Child
from infra.supervisor.figures import CPU, MEMORY, Rates, of_process, scrape, waits_for
from infra.supervisor.keyfigures import KEY_FIGURES, failures_of, rejected_of
from infra.supervisor.ownership import base_name
from infra.supervisor.records import State, read_probe, run_folder

_KEPT_EVENTS: Final = 20


class _Look(NamedTuple):
    """One process at one moment; ``by_hand`` is the state of one that a user has started."""

    figures: dict[str, float]
    by_hand: State | None = None
    note: str = ""


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

    async def snapshot(self, children: list[Child], alerts: AlertBoard) -> Snapshot:
        """Ask every stage for its figures and make one picture."""
        seen = await asyncio.gather(*(self._look(child) for child in children))
        now = time.monotonic()
        return Snapshot(
            data=str(self._data),
            up_s=now - self._started,
            simulated=any(child.name == "simulator" for child in children),
            speed=self._speed,
            stages=[
                self._row(child, now, look) for child, look in zip(children, seen, strict=True)
            ],
            alerts=alerts,
            events=list(self.events),
        )

    async def _look(self, child: Child) -> _Look:
        probe = read_probe(run_folder(self._data), child.name)
        if child.identity is None:
            if probe is None or not probe.process.alive():
                return _Look({})
            # one started by hand does its work under its name
            waits = await waits_for(self._session, probe.port)
            figures = await scrape(self._session, probe.port)
            state: State = "waiting" if waits else "ready"
            note = f"started by hand, pid {probe.process.pid}"
            return _Look(figures or {}, state, f"{note}; {waits}" if waits else note)
        scraped = None
        if probe is not None and probe.process == child.identity:
            scraped = await scrape(self._session, probe.port)
        return _Look(scraped or of_process(child.identity))

    def _row(self, child: Child, now: float, look: _Look) -> StageRow:
        figures = look.figures
        rates = self._rates.look(child.name, now, figures)
        keys = KEY_FIGURES.get(base_name(child.name))
        troubled = child.state != "ready" and child.reason
        note = child.reason or "" if troubled else child.spec.address or ""
        return StageRow(
            name=child.name,
            state=look.by_hand or child.state,
            rate=rates.get(keys.rate) if keys else None,
            lag=figures.get(keys.lag) if keys and keys.lag else None,
            rejected=rejected_of(keys, figures) if keys else None,
            failures=failures_of(keys, figures) if keys else None,
            restarts=child.restarts,
            cpu_pct=100 * rates[CPU] if CPU in rates else None,
            memory_bytes=figures.get(MEMORY),
            note=look.note or note,
        )
