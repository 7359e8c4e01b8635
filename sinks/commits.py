"""Commits what a sink has done, every now and then and before it lets go."""

from __future__ import annotations

import asyncio
from typing import Final

from aiokafka import AIOKafkaConsumer

from schemas.kafka_watch import PART
from schemas.readiness import Readiness
from sinks.errors import StuckClientError
from sinks.kafka import COMMIT_S, committed
from sinks.progress import Progress

LIMIT_S: Final = 60.0
"""So long commits may fail in a row; a rebalance and a lost session take 16 s at most."""


class Commits:
    """The offsets of one consumer, as far as ``progress`` has them done.

    After Kafka was killed aiokafka's coordinator can hang for ever (a known fault of 0.14: a sink
    fetches on, and its commits all time out). Only a new client mends that.
    """

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        progress: Progress,
        *,
        every_ms: int,
        readiness: Readiness,
        limit_s: float = LIMIT_S,
    ) -> None:
        self._consumer = consumer
        self._progress = progress
        self._every_s = every_ms / 1000
        self._readiness = readiness
        self._limit_s = limit_s

    async def for_ever(self) -> None:
        """Commit every ``every_ms``.

        Raises:
            StuckClientError: for ``limit_s`` nothing was taken, while Kafka answered others.
        """
        clock = asyncio.get_running_loop().time
        waited_s = 0.0
        while True:
            await asyncio.sleep(self._every_s)
            began_s = clock()
            if await self.once() or PART in self._readiness.reasons:
                waited_s = 0.0
                continue
            # a process that was halted meanwhile has not waited for longer than an attempt lasts
            waited_s += min(clock() - began_s, COMMIT_S)
            if waited_s > self._limit_s:
                raise StuckClientError(
                    f"Kafka answers, and has taken no offset of this sink for {waited_s:.0f} s: "
                    "its client hangs; the sink ends, to be started again"
                )

    async def once(self) -> bool:
        """Commit what is done and ours; where Kafka doesn't take it (False), a later one has it."""
        ours = self._consumer.assignment()
        ready = {p: offset for p, offset in self._progress.committable().items() if p in ours}
        if not ready:
            return True
        taken = await committed(lambda: self._consumer.commit(ready), readiness=self._readiness)
        if taken:
            self._progress.committed(ready)
        return taken
