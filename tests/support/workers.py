"""A worker of the stream processor in the test's own process, where a test can reach into it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry

from schemas.connections import KafkaConnection
from schemas.readiness import Readiness
from streams.settings import StreamsSettings
from streams.stage import run_streams


class Running:
    """A worker in the test's own process, and what can be seen of it."""

    def __init__(self, kafka: KafkaConnection, data: Path, group: str, name: str) -> None:
        self.readiness = Readiness()
        self.registry = CollectorRegistry()
        self.stop = asyncio.Event()
        self.task = asyncio.create_task(
            run_streams(
                StreamsSettings(data=data, group=group, worker_id=name),
                kafka=kafka,
                readiness=self.readiness,
                registry=self.registry,
                stop=self.stop,
            )
        )

    def folded(self) -> float:
        """How many records it has folded."""
        return sum(
            sample.value
            for family in self.registry.collect()
            for sample in family.samples
            if sample.name == "qala_streams_records_total"
        )

    async def ended(self) -> None:
        """Wait for its end; raises what it ended with."""
        async with asyncio.timeout(40):
            await asyncio.shield(self.task)


@asynccontextmanager
async def running(
    kafka: KafkaConnection, data: Path, group: str, name: str = "one"
) -> AsyncIterator[Running]:
    """A worker of ``group``; it is told to stop at the end, and left behind where it does not."""
    policy = asyncio.get_event_loop_policy()  # which a worker sets for its process
    made = Running(kafka, data, group, name)
    try:
        yield made
    finally:
        made.stop.set()
        await asyncio.wait({made.task}, timeout=30)
        made.task.cancel()
        await asyncio.gather(made.task, return_exceptions=True)
        asyncio.set_event_loop_policy(policy)
