"""What a user of `qala up` sees: a live screen on a terminal, plain lines elsewhere."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import aiohttp
from rich.console import Console
from rich.live import Live
from rich.text import Text

from infra.screen import as_svg, render, summary_line
from infra.supervisor.alerttail import AlertTail
from infra.supervisor.child import Child
from infra.supervisor.plan import Plan
from infra.supervisor.view import View
from infra.words import state_text
from schemas.clock import parse_clock

_SCREEN_S: Final = 1.0
_LINE_S: Final = 10.0


class Display:
    """Says what happens; ``console`` decides by being a terminal or not."""

    def __init__(self, plan: Plan, console: Console, picture: Path | None = None) -> None:
        """Nothing is shown yet; ``picture`` is a file that gets each screen as an SVG."""
        self._plan = plan
        self._console = console
        self._picture = picture
        self._live: Live | None = None
        self._view: View | None = None
        self._told: dict[str, str] = {}

    def say(self, line: str) -> None:
        """One line, above the live screen where there is one."""
        self._print(Text(f"{_now()}  {line}"))

    def _print(self, text: Text) -> None:
        # The terminal may be closed, or a pipe's reader gone (Rich then raises SystemExit): what
        # runs must be stopped in order all the same.
        with suppress(OSError, SystemExit):
            self._console.print(text, soft_wrap=True)

    def stopping(self, name: str) -> None:
        """A process is being asked to stop."""
        self.say(f"stopping {name} …")

    def changed(self, child: Child) -> None:
        """Tell a change of state; a new reason in the same state is the screen's matter."""
        if self._told.get(child.name, "stopped") == child.state:
            return
        before = self._told.get(child.name)
        self._told[child.name] = child.state
        if before is None and child.state == "starting":
            return  # told by whoever started it
        # why it is started again was told when it ended
        told = child.state == "ready" or (child.state == "starting" and before == "backoff")
        why = f"  {child.reason}" if child.reason and not told else ""
        if self._view is not None:
            self._view.events.append(f"{_now()} {child.name} {child.state}{why}")
        if self._live is None:
            line = Text(f"{_now()}  {child.name:<12}  ")
            self._print(line.append_text(state_text(child.state)).append(why))

    async def show(
        self,
        children: Mapping[str, Child],
        session: aiohttp.ClientSession,
        until: asyncio.Event,
    ) -> None:
        """Show what runs until ``until`` is set: every second on a terminal, else every ten."""
        clock = parse_clock(self._plan.clock)
        self._view = View(self._plan.data, session, clock.speed)
        tail = AlertTail(self._plan.ports.kafka_connection())
        following = asyncio.create_task(tail.follow(), name="follow alerts")
        try:
            if self._console.is_terminal:
                await self._screen(self._view, tail, children, until)
            else:
                await self._lines(self._view, tail, children, until)
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            self._view = None

    async def _screen(
        self, view: View, tail: AlertTail, children: Mapping[str, Child], until: asyncio.Event
    ) -> None:
        with Live(console=self._console, auto_refresh=False, transient=True) as live:
            self._live = live
            try:
                while not until.is_set():
                    snapshot = await view.snapshot(list(children.values()), tail.board())
                    live.update(render(snapshot), refresh=True)
                    if self._picture is not None:
                        self._picture.write_text(as_svg(snapshot), encoding="utf-8")
                    await _wait(until, _SCREEN_S)
            finally:
                self._live = None

    async def _lines(
        self, view: View, tail: AlertTail, children: Mapping[str, Child], until: asyncio.Event
    ) -> None:
        while not until.is_set():
            await view.snapshot(list(children.values()), tail.board())  # rates need two looks
            await _wait(until, _SCREEN_S)
            if not until.is_set():
                snapshot = await view.snapshot(list(children.values()), tail.board())
                self.say(summary_line(snapshot))
                await _wait(until, _LINE_S - _SCREEN_S)


async def _wait(until: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(until.wait(), seconds)


def _now() -> str:
    return time.strftime("%H:%M:%S")
