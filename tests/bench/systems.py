"""What is measured: systems of up to three stages, each a process of its own, on one stack."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from ingest import MqttOptions, connect_mqtt
from schemas.connections import MqttConnection
from tests.bench.meter import Meter, Progress, Reached
from tests.support.stack import Stack, StageProcess

BRIDGE: Final = "bridge"
WORKER: Final = "worker"
SINK: Final = "sink"
WORKER_AND_SINK: Final = "worker and sink"
ALL: Final = "all in one"
STAGES: Final = (BRIDGE, WORKER, SINK, WORKER_AND_SINK, ALL)
_EXPIRY_S: Final = 3600


@dataclass(frozen=True)
class Running:
    """A started stage and its meter."""

    process: StageProcess
    progress: Progress

    @property
    def meter(self) -> Meter:
        """Measures it; an error where it ended by itself."""

        async def asked() -> Reached:
            assert self.process.running, self.process.died()
            return await self.progress()

        return Meter(self.process.pid, asked)

    async def stop(self) -> None:
        """End it in order."""
        await self.process.stop()


class System(Protocol):
    """One way from MQTT to InfluxDB."""

    name: str
    stack: Stack
    """The servers that it runs on."""
    stages: tuple[str, ...]
    """Which of `STAGES` it has, the one that reads MQTT first."""
    feeder: System | None
    """Whose bridge, unmeasured, feeds a system that has none."""
    client_id: str
    """Of its MQTT session."""
    filters: tuple[str, ...]
    """What its session subscribes to."""
    database: str
    """Where its rows land."""
    windows_policy: str
    """The retention policy of its 10 s windows; empty for the database's own."""
    windows_shift_ms: int
    """How long after a window's start its row is dated."""
    by_the_clock: bool
    """Whether its worker minds how old readings are: then its backlog is written live."""

    async def prepare(self) -> None:
        """Make its topics and database; called once."""

    async def reset(self) -> None:
        """Forget what waits in its log and would disturb what is measured next."""

    async def start(self, stage: str) -> Running:
        """Start a stage; returns before it is ready."""

    async def ready(self, stage: str, running: Running) -> None:
        """Return when a started stage takes work."""


async def spawn(stack: Stack, name: str, *argv: str, **environ: str) -> StageProcess:
    """Start a program of a peer, with ``environ`` in its environment; stopped with the stack."""
    log = stack.data / "logs" / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env=os.environ | environ,
            start_new_session=True,
        )
    stage = StageProcess(name, process, log)
    stack.stages.append(stage)
    return stage


async def open_session(mqtt: MqttConnection, client_id: str, filters: Sequence[str]) -> None:
    """Make the broker keep what matches for a client that is away."""
    options = MqttOptions(client_id=client_id, clean_start=True, session_expiry_s=_EXPIRY_S)
    link = await connect_mqtt(mqtt, options)
    await link.subscribe(filters)
    await link.disconnect()


async def end_session(mqtt: MqttConnection, client_id: str) -> None:
    """Make the broker forget a session and all that waits for it."""
    link = await connect_mqtt(mqtt, MqttOptions(client_id=client_id, clean_start=True))
    await link.disconnect(end_session=True)
