"""The processes that faults befall: each by its pid, each started again under its own name."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Protocol

from infra.settings_sources import PROCESS_NAME
from tests.chaos.schedule import STAGES
from tests.support.servers import RunningServer
from tests.support.stack import Stack, StageProcess

_RESTART_AFTER_S = 1.0
_START_TIMEOUT_S = 300.0
"""A Kafka that was killed reads its logs again, while all others want to work, too."""

COMMANDS = {
    "bridge": ("bridge", "--id", "1"),
    "streams": ("streams",),
    "streams-2": ("streams",),
    "sink-influx": ("sink", "influx"),
    "sink-chat": ("sink", "chat"),
}


class Target(Protocol):
    """What a fault can be done to."""

    @property
    def name(self) -> str:
        """As the schedule calls it."""

    async def start(self) -> None:
        """Start it."""

    async def stop(self) -> None:
        """End it in order, with SIGTERM."""

    async def kill(self) -> None:
        """SIGKILL it."""

    def pause(self) -> None:
        """SIGSTOP it."""

    def resume(self) -> None:
        """SIGCONT it."""


class Stage:
    """A stage under a restart policy: one that ends by itself is started again, and counted."""

    def __init__(self, stack: Stack, name: str, environ: dict[str, str]) -> None:
        self.name = name
        self.ended: list[str] = []
        """How it ended each time that nobody had asked it to."""
        self._stack = stack
        self._environ = {**environ, PROCESS_NAME: name}
        self._process: StageProcess | None = None
        self._keeper: asyncio.Task[None] | None = None

    @property
    def process(self) -> StageProcess:
        """The process that runs, or ran last."""
        assert self._process is not None, f"{self.name} was never started"
        return self._process

    async def start(self) -> None:
        """Start it; does not wait until it is ready."""
        self._process = await self._run()
        self._keeper = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """SIGTERM; what does not end by then is killed."""
        await self.let_go()
        await self.process.stop()

    async def kill(self) -> None:
        """SIGKILL."""
        await self.let_go()
        await self.process.kill()

    def pause(self) -> None:
        """SIGSTOP; nothing where it ended by itself and is not started again yet."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self.process.running:
            self.process.signal(number)

    async def let_go(self) -> None:
        """Whatever becomes of it from now on, it is not started again."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)

    async def _run(self) -> StageProcess:
        return await self._stack.run(*COMMANDS[self.name], name=self.name, **self._environ)

    async def _keep(self) -> None:
        while True:
            await self.process.process.wait()
            self.ended.append(self.process.died())
            await asyncio.sleep(_RESTART_AFTER_S)
            self._process = await self._run()


class Processes:
    """Every process of a run by its name."""

    def __init__(self, stack: Stack, environ: dict[str, str]) -> None:
        self.stages = {name: Stage(stack, name, environ) for name in STAGES}
        self.servers: dict[str, RunningServer] = {one.name: one for one in stack.servers}
        for one in stack.servers:
            one.server = replace(one.server, ready_timeout_s=_START_TIMEOUT_S)

    @classmethod
    @asynccontextmanager
    async def of(cls, stack: Stack, environ: dict[str, str]) -> AsyncIterator[Processes]:
        """The processes of a stack; afterwards none is started again, and all can be stopped."""
        processes = cls(stack, environ)
        stages = list(processes.stages.values())
        try:
            yield processes
        finally:
            await asyncio.gather(*(stage.let_go() for stage in stages))

    def __getitem__(self, name: str) -> Target:
        return self.stages.get(name) or self.servers[name]

    @property
    def ended(self) -> list[str]:
        """How stages ended that nobody had asked to."""
        return [how for stage in self.stages.values() for how in stage.ended]
