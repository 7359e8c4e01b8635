"""Rows that say how far a partition has come, held back until all before them is written (pure).

Whoever shows a value as current asks InfluxDB for such a row of each partition. So a row may
come late, or not at all, but never before what it speaks for:

- of a tick in the telemetry: all readings before it in its partition;
- of a `WorkerProgress` in the rollups: all rollups before it in its partition, and all alerts
  and device states that were in Kafka when it was read. The worker sends it when they are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from aiokafka import TopicPartition

from schemas.lineprotocol import telemetry_row, worker_row
from schemas.measurements import DEFAULT_POLICY, LIVENESS_EVERY_MS
from schemas.records import WorkerProgress
from schemas.topics import ALERTS, DEVICES
from sinks.rows import horizon_ms

MOST_HELD: Final = 8
"""Rows held of one partition; a further one takes the place of the last, never of the first:
where writing is slow all the time, each row has to get its turn."""


@dataclass(slots=True, eq=False)
class Held:
    """A row of the record at ``offset``; ``row`` makes it of the wall clock in ms.

    ``others`` are the partitions of other topics that have to be written as well: up to
    ``ends``, the offsets after their last records, asked for after this record was read (None
    until then).
    """

    offset: int
    at_ms: int
    row: Callable[[int], str]
    others: tuple[TopicPartition, ...] = ()
    ends: Mapping[TopicPartition, int] | None = None


class Liveness:
    """The rows held back, by the partition whose progress they tell."""

    def __init__(self) -> None:
        self._held: dict[TopicPartition, deque[Held]] = {}
        self._ticked_ms: dict[TopicPartition, int] = {}

    def ticked(
        self, partition: TopicPartition, offset: int, at_ms: int, *, partitions: int, speed: float
    ) -> None:
        """A tick was read, which Kafka got at ``at_ms``; one of each step makes a row.

        ``partitions`` are those of the topic; ``speed`` is 1 unless the clock is simulated.
        """
        step_ms = max(1, int(LIVENESS_EVERY_MS * speed))
        if at_ms // step_ms <= self._ticked_ms.get(partition, -1) // step_ms:
            return
        self._ticked_ms[partition] = at_ms
        number = partition.partition
        held = Held(
            offset, at_ms, lambda _now_ms: telemetry_row(number, partitions, at_ms), ends={}
        )
        self._hold(partition, held)

    def worked(self, partition: TopicPartition, offset: int, progress: WorkerProgress) -> None:
        """The worker's progress was read from its ``partition`` of the rollups."""

        def row(now_ms: int) -> str:
            simulated = progress.speed is not None
            return worker_row(progress, None if simulated else (now_ms - progress.clock) / 1000)

        others = tuple(TopicPartition(topic, partition.partition) for topic in (ALERTS, DEVICES))
        self._hold(partition, Held(offset, progress.clock, row, others))

    def _hold(self, partition: TopicPartition, held: Held) -> None:
        waiting = self._held.setdefault(partition, deque())
        if len(waiting) >= MOST_HELD:
            waiting.pop()
        waiting.append(held)

    def unanswered(self) -> list[Held]:
        """Those that need the ends of other partitions; the caller sets `Held.ends`."""
        return [held for waiting in self._held.values() for held in waiting if held.ends is None]

    def wanted(self, done: Mapping[TopicPartition, int]) -> set[TopicPartition]:
        """The other partitions that the first rows wait for, by ``done`` only for them."""
        return {
            other
            for partition, waiting in self._held.items()
            if waiting and _written(partition, waiting[0], done)
            for other in waiting[0].ends or ()
        }

    def released(self, done: Mapping[TopicPartition, int], now_ms: int) -> list[str]:
        """The rows that may be written now, in their order; those of expired times are left out.

        ``done`` gives by partition the offset before which every record is written.
        """
        rows = []
        oldest_ms = horizon_ms(DEFAULT_POLICY, now_ms)
        for partition, waiting in self._held.items():
            while waiting and _written(partition, waiting[0], done) and _kept_up(waiting[0], done):
                held = waiting.popleft()
                if held.at_ms >= oldest_ms:
                    rows.append(held.row(now_ms))
        return rows

    def drop(self, partitions: Iterable[TopicPartition]) -> None:
        """The partitions are no longer ours."""
        for partition in partitions:
            self._held.pop(partition, None)
            self._ticked_ms.pop(partition, None)


def _written(partition: TopicPartition, held: Held, done: Mapping[TopicPartition, int]) -> bool:
    return done.get(partition, 0) > held.offset


def _kept_up(held: Held, done: Mapping[TopicPartition, int]) -> bool:
    return held.ends is not None and all(
        done.get(other, -1) >= end for other, end in held.ends.items()
    )
