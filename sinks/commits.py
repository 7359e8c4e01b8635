"""What a sink has done is committed every ``commit_ms``."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import CommitFailedError, KafkaError

from schemas.group_watch import Wait
from schemas.readiness import Readiness
from sinks.progress import Progress

SOON_S: Final = 3.0
"""How long a commit may take that others wait for: at a rebalance, and at the end."""
ANSWER_S: Final = 8.0
"""How long one may take besides: a broker gives up after 5 s (``offsets.commit.timeout.ms``)."""

_log = structlog.get_logger(__name__)


class Commits:
    """The offsets of one consumer, as far as ``progress`` has them done."""

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        progress: Progress,
        *,
        every_ms: int,
        readiness: Readiness,
        part: str = "commits",
    ) -> None:
        """Say of ``part`` where Kafka takes no offsets."""
        self._consumer = consumer
        self._progress = progress
        self._every_s = every_ms / 1000
        self._readiness = readiness
        self._part = part
        self._taken = 0
        self._in_vain = False

    @property
    def awaited(self) -> Wait | None:
        """That a commit is taken, where the last one had no answer, or came from no member."""
        return Wait("no offset was taken", ("taken", self._taken)) if self._in_vain else None

    async def for_ever(self) -> None:
        """Commit every ``every_ms``."""
        while True:
            await asyncio.sleep(self._every_s)
            await self.once(within_s=ANSWER_S)

    async def once(self, *, within_s: float = SOON_S) -> None:
        """Commit what is done and ours; where Kafka doesn't take it, a later commit has it."""
        ours = self._consumer.assignment()
        ready = {p: offset for p, offset in self._progress.committable().items() if p in ours}
        if ready:
            try:
                async with asyncio.timeout(within_s):
                    await self._consumer.commit(ready)
            except (KafkaError, TimeoutError) as exc:
                self._in_vain = isinstance(exc, TimeoutError | CommitFailedError)
                _log.warning("offsets were not committed", error=type(exc).__name__)
                self._readiness.waiting(
                    self._part, f"Kafka does not take offsets ({type(exc).__name__})"
                )
                return
            self._progress.committed(ready)
            self._taken += 1
        self._in_vain = False
        self._readiness.working(self._part)
