"""Which offsets may be committed: those up to which every record's work is done (pure)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from aiokafka import TopicPartition


@dataclass(slots=True)
class Token:
    """One record in work. ``left`` counts its open parts; it is done at 0."""

    offset: int
    left: int = 1

    def more(self) -> None:
        """One more part of the record is in work."""
        self.left += 1

    def done(self) -> None:
        """One part of the record is done."""
        self.left -= 1


class Progress:
    """The records in work by partition, in the order of their offsets.

    ``generation`` grows each time partitions are dropped: what was fetched before then is not
    ours any more.
    """

    def __init__(self) -> None:
        self.generation = 0
        self._open: dict[TopicPartition, deque[Token]] = {}
        self._next: dict[TopicPartition, int] = {}
        self._committed: dict[TopicPartition, int] = {}

    def begin(self, partition: TopicPartition, offset: int) -> Token:
        """A record is taken into work; the caller calls `Token.done` when it has spread it."""
        token = Token(offset)
        self._open.setdefault(partition, deque()).append(token)
        return token

    def start(self, partition: TopicPartition, offset: int, generation: int) -> None:
        """Everything before ``offset`` was done before the partition was ours.

        It is what Kafka said in ``generation``; in a later one it says nothing any more.
        """
        if generation == self.generation and partition not in self._next:
            self._next[partition] = self._committed[partition] = offset

    def next_offsets(self) -> dict[TopicPartition, int]:
        """By partition the offset after its last contiguously done record."""
        for partition, tokens in self._open.items():
            while tokens and tokens[0].left == 0:
                self._next[partition] = tokens.popleft().offset + 1
        return dict(self._next)

    def committable(self) -> dict[TopicPartition, int]:
        """Those of `next_offsets` that have not been committed yet."""
        ready = self.next_offsets()
        return {p: offset for p, offset in ready.items() if self._committed.get(p) != offset}

    def committed(self, offsets: dict[TopicPartition, int]) -> None:
        """These offsets have been committed."""
        self._committed |= {p: offset for p, offset in offsets.items() if p in self._next}

    def drop(self, partitions: Iterable[TopicPartition]) -> None:
        """The partitions are no longer ours; their records' ends don't matter any more."""
        self.generation += 1
        for partition in partitions:
            for held in (self._open, self._next, self._committed):
                held.pop(partition, None)
