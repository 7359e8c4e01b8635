"""Commits what a sink has done, every now and then and before it lets go."""

from __future__ import annotations

import asyncio

from aiokafka import AIOKafkaConsumer

from schemas.readiness import Readiness
from sinks.kafka import committed
from sinks.progress import Progress


class Commits:
    """The offsets of one consumer, as far as ``progress`` has them done."""

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        progress: Progress,
        *,
        every_ms: int,
        readiness: Readiness,
    ) -> None:
        self._consumer = consumer
        self._progress = progress
        self._every_s = every_ms / 1000
        self._readiness = readiness

    async def for_ever(self) -> None:
        """Commit every ``every_ms``."""
        while True:
            await asyncio.sleep(self._every_s)
            await self.once()

    async def once(self) -> None:
        """Commit what is done and ours; where Kafka doesn't take it, a later commit has it."""
        ours = self._consumer.assignment()
        ready = {p: offset for p, offset in self._progress.committable().items() if p in ours}
        if ready and await committed(
            lambda: self._consumer.commit(ready), readiness=self._readiness
        ):
            self._progress.committed(ready)
