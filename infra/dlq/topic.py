"""Reading the topic of dead letters: letters, and the marks of their replays.

A mark stands in the partition of its letter, behind it. So whoever reads a partition from a
letter to its end knows all that became of that letter.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Final

from msgspec import Struct

from infra.dlq.filters import Filter
from infra.dlq.letters import Letter, Mark, Ref, letter_of, mark_of
from infra.topic_reader import OpenTopic, Record, open_topic
from schemas.connections import KafkaConnection
from schemas.deadletters import is_replay_mark
from schemas.topics import DEAD_LETTERS

_STEP: Final = 500
_DISORDER_MS: Final = 60_000
"""Writers' clocks may differ by this, so a record's neighbours may be a little older or newer."""


class Count(Struct):
    """Letters of one reason, those of them that were replayed, and when the newest was written."""

    letters: int = 0
    replayed: int = 0
    newest_ms: int = 0


class LetterTopic:
    """The dead letters' topic, as far as it was filled when it was opened."""

    def __init__(self, topic: OpenTopic, begin: Mapping[int, int], end: Mapping[int, int]) -> None:
        """Look at ``topic`` from ``begin`` to ``end`` (offsets by partition)."""
        self._topic = topic
        self._begin = begin
        self._end = end
        self.partitions = len(topic.partitions)
        """How many the topic has, as has the telemetry topic."""

    async def newest(self, wanted: Filter, limit: int) -> list[Letter]:
        """The newest ``limit`` letters that are meant, the newest first.

        Reads backwards in steps, so that a full topic costs no more than what is asked for.
        """
        found: list[Letter] = []
        begin = await self._from(wanted)
        for partition, first in begin.items():
            found += await self._newest_of(partition, first, wanted, limit)
        return sorted(found, key=lambda letter: (letter.written_ms, letter.ref), reverse=True)[
            :limit
        ]

    async def _newest_of(
        self, partition: int, first: int, wanted: Filter, limit: int
    ) -> list[Letter]:
        seen = _Seen()
        upper = self._end[partition]
        while upper > first and len(seen.letters) < limit:
            lower = max(first, upper - _STEP)
            async for record in self._topic.between({partition: lower}, {partition: upper}):
                seen.take(record, wanted.wants)
            upper = lower
        return seen.result()

    async def chosen(self, wanted: Filter) -> list[Letter]:
        """All letters that are meant, by partition and offset."""
        seen = _Seen()
        async for record in self._topic.between(await self._from(wanted), self._end):
            seen.take(record, wanted.wants)
        return seen.result()

    async def counted(self, wanted: Filter) -> dict[str, Count]:
        """How many letters are meant, by reason; holds none of them in memory."""
        counts: dict[str, Count] = {}
        marks = _Seen()
        async for record in self._topic.between(await self._from(wanted), self._end):
            letter = marks.take(record, wanted.wants, keep=False)
            if letter is not None:
                count = counts.setdefault(letter.reason, Count())
                count.letters += 1
                count.newest_ms = max(count.newest_ms, letter.written_ms)
        for letter in await self.named(marks.marked):
            if wanted.wants(letter):
                counts[letter.reason].replayed += letter.state == "replayed"
        return counts

    async def named(self, refs: Collection[Ref]) -> list[Letter]:
        """Those of ``refs`` that are letters, by partition and offset."""
        seen = _Seen()
        async for record in self._topic.between(self._lowest(refs), self._end):
            seen.take(record, lambda letter: letter.ref in refs)
        return seen.result()

    async def followers(self, ref: Ref) -> list[Letter]:
        """Letters in the partition of ``ref`` that replays of it made."""
        seen = _Seen()
        async for record in self._topic.between(self._lowest([ref]), self._end):
            seen.take(record, lambda letter: letter.replay_of == ref)
        return seen.result()

    async def bodies(self, refs: Collection[Ref]) -> AsyncIterator[tuple[Ref, bytes]]:
        """The bytes of letters, as they are in Kafka, by partition and offset."""
        highest: dict[int, int] = {}
        for ref in refs:
            highest[ref.partition] = max(highest.get(ref.partition, 0), ref.offset + 1)
        for partition, lowest in sorted(self._lowest(refs).items()):
            end = {partition: min(highest[partition], self._end[partition])}
            async for record in self._topic.between({partition: lowest}, end):
                ref = Ref(record.partition, record.offset)
                if ref in refs:
                    yield ref, record.value or b""

    def _lowest(self, refs: Collection[Ref]) -> dict[int, int]:
        lowest: dict[int, int] = {}
        for ref in refs:
            if ref.partition in self._begin:
                lower = min(lowest.get(ref.partition, ref.offset), ref.offset)
                lowest[ref.partition] = max(lower, self._begin[ref.partition])
        return lowest

    async def _from(self, wanted: Filter) -> Mapping[int, int]:
        if wanted.since_ms is None:
            return self._begin
        return await self._topic.since(max(0, wanted.since_ms - _DISORDER_MS))


class _Seen:
    """Letters that are meant, and all marks, gathered from records in any order."""

    def __init__(self) -> None:
        self.letters: list[Letter] = []
        self._marks: dict[Ref, list[Mark]] = defaultdict(list)

    @property
    def marked(self) -> Collection[Ref]:
        """The letters of which a mark was seen."""
        return self._marks.keys()

    def take(
        self, record: Record, wanted: Callable[[Letter], bool], *, keep: bool = True
    ) -> Letter | None:
        """Take a record in; gives the letter that it is, where that one is meant."""
        if is_replay_mark(record.headers):
            mark = mark_of(record.timestamp, record.headers)
            if mark is not None:
                self._marks[mark.ref].append(mark)
            return None
        ref = Ref(record.partition, record.offset)
        letter = letter_of(ref, record.timestamp, len(record.value or b""), record.headers)
        if not wanted(letter):
            return None
        if keep:
            self.letters.append(letter)
        return letter

    def result(self) -> list[Letter]:
        for letter in self.letters:
            marks = self._marks.get(letter.ref, ())
            letter.marks = tuple(sorted(marks, key=lambda mark: mark.at_ms))
        return sorted(self.letters, key=lambda letter: letter.ref)


@asynccontextmanager
async def open_letters(kafka: KafkaConnection) -> AsyncIterator[LetterTopic]:
    """The topic of dead letters.

    Raises:
        LookupFailedError: Kafka doesn't answer, refuses, or has no such topic.
    """
    async with open_topic(kafka, DEAD_LETTERS) as topic:
        yield LetterTopic(topic, await topic.begin(), await topic.end())
