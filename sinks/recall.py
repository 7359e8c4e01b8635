"""Before an assignment's first readings become rows: what InfluxDB has of wrong clocks is recalled.

The memory of first receive times dies with the process. But what it knew are rows, so a sink
that takes partitions over asks for those, and a reading that comes again overwrites its row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from schemas.readiness import Readiness
from schemas.readings import READING_STRUCTS
from schemas.topics import TELEMETRY
from sinks.backoff import Backoff
from sinks.contract import Trouble
from sinks.progress import Progress
from sinks.rows import FirstTime, RowMaker

RECALL_MS: Final = 3_600_000
"""How long before the first record that is read, and before now, rows are recalled."""
_SLACK_MS: Final = 600_000
"""And so much more, so that a partition that lags a little behind another asks no second time."""
_NOWHERE: Final = TopicPartition(TELEMETRY, -1)
"""No partition of anybody: to ask for its records takes none, and keeps us in the group."""
_NOTE: Final = "wrong clocks"


class WrittenClocks(Protocol):
    """Where rows of readings whose clock was not believed can be asked for."""

    async def since(
        self, measurement: str, from_ms: int, most: int
    ) -> Sequence[FirstTime] | Trouble:
        """The newest ``most`` of them from ``from_ms`` on, or why they can't be read.

        ``final`` trouble is that of reading alone: rows can be written all the same.
        """


class Recall:
    """Sees to it that the maker knows the first times before it is given the readings.

    Not only the clock decides how far back is asked, but also Kafka's time of the records: a sink
    that was away for a day reads what is a day old, and a simulated clock may show any time.
    ``troubled`` is told each trouble that is waited out and, with None, its end.
    """

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        written: WrittenClocks,
        maker: RowMaker,
        progress: Progress,
        *,
        most: int,
        backoff: Backoff,
        readiness: Readiness,
        troubled: Callable[[Trouble | None], None],
    ) -> None:
        self._consumer = consumer
        self._written = written
        self._maker = maker
        self._progress = progress
        self._most = most
        self._backoff = backoff
        self._readiness = readiness
        self._troubled = troubled
        self._asked: tuple[int, int] | None = None

    async def before(self, fetched: Mapping[TopicPartition, Sequence[ConsumerRecord]]) -> None:
        """Wait until the maker knows the hour before these records; see `hour_before`."""
        firsts = [records[0].timestamp for p, records in fetched.items() if p.topic == TELEMETRY]
        if firsts:
            await self.hour_before(min(firsts))

    async def hour_before(self, at_ms: int) -> None:
        """Wait until the maker knows what was written since then, asked for in this assignment.

        Ends early where the partitions are lost meanwhile: then their records are not ours.
        """
        from_ms = at_ms - RECALL_MS
        generation = self._progress.generation
        while self._progress.generation == generation and not self._knows(generation, from_ms):
            trouble = await self._ask(from_ms - _SLACK_MS)
            if trouble is None:
                self._asked = (generation, from_ms - _SLACK_MS)
                self._backoff.reset()
            self._troubled(trouble)
            if trouble:
                await self._stay(self._backoff.wait_s(trouble.retry_after_s))
        if self._progress.generation != generation:
            self._troubled(None)  # nothing is waited for until partitions come

    def _knows(self, generation: int, from_ms: int) -> bool:
        return (
            self._asked is not None and self._asked[0] == generation and self._asked[1] <= from_ms
        )

    async def _ask(self, from_ms: int) -> Trouble | None:
        """Ask for each type of readings; what can't be read for good is noted and done without."""
        for measurement in READING_STRUCTS:
            found = await self._written.since(measurement, from_ms, self._most)
            await self._stay(0)
            if not isinstance(found, Trouble):
                self._maker.recall(found)
            elif found.final:
                self._readiness.note(_NOTE, found.reason)
                return None
            else:
                return found
        self._readiness.note(_NOTE, None)
        return None

    async def _stay(self, seconds: float) -> None:
        """Wait, and count as one who reads: else the group would give our partitions away."""
        await self._consumer.getmany(_NOWHERE, timeout_ms=round(seconds * 1000))
