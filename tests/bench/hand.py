"""The hand-written pipeline and stock Faust, as systems to measure."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from tests.bench.logs import forget_log, make_database, make_topics
from tests.bench.meter import Reached
from tests.bench.peers.wire import read_progress
from tests.bench.systems import BRIDGE, SINK, WORKER, Running, System, spawn
from tests.support.stack import Stack
from tests.support.waiting import eventually

FILTER: Final = "qala/v1/+/+/+/telemetry"
_READY_S: Final = 60.0


class Hand:
    """mqtt5, confluent-kafka and msgspec, in three scripts without durability."""

    name = "by hand"
    stages: tuple[str, ...] = (BRIDGE, WORKER, SINK)
    filters: tuple[str, ...] = (FILTER,)
    windows_policy = ""
    windows_shift_ms = 0
    by_the_clock = False
    feeder: System | None = None

    def __init__(self, stack: Stack, label: str = "hand") -> None:
        self.stack = stack
        self.label = label
        self.database = label
        self.client_id = f"bench-{label}"
        self.topic = f"{label}.readings"
        self.windows = f"{label}.windows"

    async def prepare(self) -> None:
        """Make its topics and its database."""
        await make_topics(self.stack, self.topic, self.windows)
        await make_database(self.stack, self.database)

    async def reset(self) -> None:
        """Nothing: a log of any age does."""

    def progress(self, stage: str) -> Path:
        """The file in which a stage says how far it is."""
        return self.stack.data / f"{self.label}-{stage}.progress"

    async def start(self, stage: str) -> Running:
        """Start one of its scripts."""
        file = self.progress(stage)
        file.unlink(missing_ok=True)
        ports = self.stack.ports
        kafka = ("--kafka", self.stack.kafka_connection.bootstrap, "--progress", str(file))
        group = ("--group", f"{self.label}-{stage}", "--topic", self.topic)
        own = {
            BRIDGE: (
                "--mqtt", str(ports.mqtt), "--client-id", self.client_id, "--topic", self.topic,
                *(f"--filter={name}" for name in self.filters),
            ),
            WORKER: (*group, "--output", self.windows),
            SINK: (
                *group, "--windows", self.windows, "--database", self.database,
                "--influx", str(ports.influx),
            ),
        }  # fmt: skip
        script = f"tests.bench.peers.hand_{stage}"
        argv = (sys.executable, "-m", script, *kafka, *own[stage])
        process = await spawn(self.stack, f"{self.label}-{stage}", *argv)
        return Running(process, lambda: _read(file))

    async def ready(self, stage: str, running: Running) -> None:
        """When it has begun to say how far it is."""
        await eventually(lambda: _begun(running, self.progress(stage)), timeout_s=_READY_S)


class Faust:
    """Stock Faust between the hand-written bridge and a sink of windows."""

    name = "stock Faust"
    stages: tuple[str, ...] = (WORKER,)
    filters: tuple[str, ...] = (FILTER,)
    windows_policy = ""
    windows_shift_ms = 0
    by_the_clock = True

    def __init__(self, stack: Stack) -> None:
        self._hand = Hand(stack, "faust")
        self.stack = stack
        self.client_id = self._hand.client_id
        self.database = self._hand.database
        self.feeder: System | None = self._hand

    async def prepare(self) -> None:
        """Make its topics and its database."""
        await self._hand.prepare()

    async def reset(self) -> None:
        """Forget what it had no time for."""
        await forget_log(self.stack, self._hand.topic)

    async def start(self, stage: str) -> Running:
        """Start a worker."""
        file = self._hand.progress(stage)
        file.unlink(missing_ok=True)
        argv = (sys.executable, "-m", "tests.bench.peers.faust_worker")
        process = await spawn(
            self.stack,
            "faust-worker",
            *argv,
            BENCH_KAFKA=self.stack.kafka_connection.bootstrap,
            BENCH_SOURCE=self._hand.topic,
            BENCH_OUTPUT=self._hand.windows,
            BENCH_DATA=str(self.stack.data / "faust"),
            BENCH_PROGRESS=str(file),
        )
        return Running(process, lambda: _read(file))

    async def ready(self, stage: str, running: Running) -> None:
        """When its timer runs."""
        await eventually(lambda: _begun(running, self._hand.progress(stage)), timeout_s=_READY_S)


async def _read(file: Path) -> Reached:
    return Reached(*read_progress(file))


async def _begun(running: Running, file: Path) -> bool:
    assert running.process.running, running.process.died()
    return file.exists() and bool(file.read_text())  # noqa: ASYNC240 -- a look that takes no time
