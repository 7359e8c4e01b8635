"""Drops what is kept of a partition, after giving out what the log cannot tell again.

It goes in the order of a flush: outputs are in Kafka before the state is gone, and all of it
goes in one batch. A reset that dies in between is done again, and gives the same rows.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from enum import StrEnum
from typing import Final, NamedTuple, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from msgspec import DecodeError, Struct

from schemas import topics
from schemas.connections import KafkaConnection
from schemas.records import Alert, Rollup, Throughput, decode_alert, decode_rollup
from streams import state as states
from streams.errors import StateError
from streams.group import living_workers, refuse_while_alive
from streams.leftovers import ends_of_alerts, given_after, open_windows
from streams.logreader import Kept, batches, bounds, last_by_key, offset_at, reading
from streams.outputs import Counts, Outbox
from streams.partition import Partition
from streams.rebuild import Progress, begun_at, look_at
from streams.settings import StreamsSettings
from streams.state import State
from streams.store import Store
from streams.takeover import LogView, check, newest_of

LOOK_BACK_MS: Final = 600_000
"""So long before the oldest record of a state its later rows may have been written: its worker
goes on while it is sent, and clocks of machines differ."""


class Case(StrEnum):
    """How a kept state stands to the log."""

    NOTHING = "nothing kept"
    WHOLE = "log whole"
    CUT = "log cut"
    REMADE = "log made anew"
    UNREADABLE = "unreadable"


Make = Callable[[int], Partition]
_T = TypeVar("_T")

_WHY: Final = {
    Case.NOTHING: "there is nothing to drop",
    Case.WHOLE: "rebuilt exactly from the log",
    Case.CUT: (
        "rebuilt from what the log holds; windows that began before keep what they have, alerts "
        "that the log does not tell again are resolved"
    ),
    Case.REMADE: (
        "open windows are given out as they are, alerts that are on are resolved; the new log is "
        "folded from its beginning"
    ),
    Case.UNREADABLE: (
        "what was open is lost where the log does not tell it again; alerts that it does not "
        "tell again are resolved"
    ),
}
_REMAINS: Final = "no worker has finished keeping anything; its remains are dropped"


class Prospect(Struct):
    """What a reset of one partition would find; ``why`` says what becomes of it."""

    partition: int
    case: Case
    why: str
    offset: int = -1
    first: int = 0
    end: int = 0
    keys: int = 0


class Held(NamedTuple):
    """A state that was loaded, and the ends of all alerts that are on in it."""

    part: Partition
    state: State | None = None
    ends: Sequence[Alert] = ()
    readable: bool = True

    @property
    def offset(self) -> int:
        """The log's offset that it stands at; -1 where there is none."""
        return -1 if self.state is None else newest_of(self.state)


class Done(Struct):
    """What a reset gave out and dropped."""

    partition: int
    case: Case
    windows: int = 0
    throughput: int = 0
    alerts: int = 0
    keys: int = 0


class Resetter:
    """Looks at partitions and resets them, over one consumer and one producer."""

    def __init__(
        self,
        kafka: KafkaConnection,
        consumer: AIOKafkaConsumer,
        store: Store,
        make: Make,
        progress: Progress,
    ) -> None:
        """Take what `resetting` has opened; ``make`` gives an empty partition of a number."""
        self._kafka = kafka
        self._consumer = consumer
        self._store = store
        self._make = make
        self._progress = progress

    async def look(self, number: int) -> Prospect:
        """Which case a partition is."""
        kept = await last_by_key(self._consumer, topics.STATE, number)
        held = self._held(number, kept)
        view = await look_at(self._kafka, number, held.state)
        case = _case(held, view)
        why = _REMAINS if case is Case.NOTHING and kept else _WHY[case]
        return Prospect(number, case, why, held.offset, view.first, view.end, len(kept))

    async def reset(self, number: int) -> Done:
        """Give out what a partition's state owes, and drop it.

        Raises:
            StateError: the state has too many keys to be dropped at once.
            aiokafka.errors.KafkaError: Kafka went away, or refuses.
        """
        kept = await last_by_key(self._consumer, topics.STATE, number)
        held = self._held(number, kept)
        view = await look_at(self._kafka, number, held.state)
        case = _case(held, view)
        rows: list[Rollup | Throughput] = []
        if case in {Case.CUT, Case.REMADE}:
            oldest_ms = min(one.timestamp_ms for one in kept.values())
            rows = await self._windows(held, oldest_ms - LOOK_BACK_MS, case, view)
        ends = [] if case is Case.NOTHING else await self._ends(number, held, view)
        out = Outbox(Counts())
        out.alerts(ends)
        for row in rows:
            out.rollup(row)
        await self._store.send(number, out.outputs)
        if kept:
            await self._store.forget(number, sorted(kept))
        windows = sum(isinstance(row, Rollup) for row in rows)
        return Done(number, case, windows, len(rows) - windows, len(ends), len(kept))

    def _held(self, number: int, kept: Mapping[bytes, Kept]) -> Held:
        part = self._make(number)
        try:
            state = states.load({key: one.value for key, one in kept.items()})
            if state is None:
                return Held(part)
            ends = [decode_alert(one.value) for one in (*part.load(state), *part.end())]
        except Exception:  # noqa: BLE001 -- whatever a worker would stumble over, too
            return Held(self._make(number), readable=False)
        return Held(part, state, ends)

    async def _windows(
        self, held: Held, since_ms: int, case: Case, view: LogView
    ) -> list[Rollup | Throughput]:
        part, state = held.part, held.state
        if state is None:
            return []
        given = await self._given_since(part.number, since_ms, state)
        if case is Case.REMADE:
            return list(open_windows(part, state, given))
        begun_ms = await begun_at(self._kafka, part.number, view)
        return list(open_windows(part, state, given, begun_ms))

    async def _given_since(
        self, number: int, since_ms: int, state: State
    ) -> list[Rollup | Throughput]:
        begin = await offset_at(self._consumer, topics.ROLLUPS, number, since_ms)
        if begin is None:
            return []
        tp = TopicPartition(topics.ROLLUPS, number)
        _, end = await bounds(self._consumer, tp)
        found: list[Rollup | Throughput] = []
        async for records in batches(self._consumer, tp, begin, end):
            values = [one.value for one in records if one.value is not None]
            found += given_after(readable(decode_rollup, values), state)
        return found

    async def _ends(self, number: int, held: Held, view: LogView) -> list[Alert]:
        told = await last_by_key(self._consumer, topics.ALERTS, number)
        clock_ms = 0 if held.state is None else held.state.clock.now_ms
        records = readable(decode_alert, (one.value for one in told.values()))
        ends = ends_of_alerts(held.ends, records, clock_ms)
        if not ends:
            return []
        again = await self._alerts_of(self._make(number), view)
        return [end for name, end in sorted(ends.items()) if name not in again]

    async def _alerts_of(self, part: Partition, view: LogView) -> set[str]:
        """The ids of all alerts that whoever folds the log gives out: it resolves them itself."""
        part.begin(view.first)
        found: set[str] = set()
        tp = TopicPartition(topics.TELEMETRY, part.number)
        async for records in batches(self._consumer, tp, view.first, view.end):
            for record in records:
                outputs = part.fold(record.offset, record.timestamp, record.value, record.headers)
                found |= {
                    (one.key or b"").decode() for one in outputs if one.topic == topics.ALERTS
                }
            self._progress(part.number, part.last + 1 - view.first, view.end - view.first)
        return found


def readable(decode: Callable[[bytes], _T], values: Iterable[bytes]) -> Iterator[_T]:
    """What can be decoded: a record that is none must not keep anybody from mending a state."""
    for value in values:
        with suppress(DecodeError):
            yield decode(value)


@asynccontextmanager
async def resetting(
    kafka: KafkaConnection, settings: StreamsSettings, make: Make, progress: Progress
) -> AsyncIterator[Resetter]:
    """Connect for resets of the group's state; ``make`` gives an empty partition of a number.

    Nobody may have joined the group when it ends: he may have taken over what was dropped.

    Raises:
        StateError: workers of the group are alive.
        ServerAwayError: nobody answers.
        ServerRefusedError: Kafka, or its certificate, does not let us in.
        aiokafka.errors.KafkaError: Kafka went away, or refuses.
    """
    store = Store(kafka, settings.group)
    await store.start()
    try:
        await refuse_while_alive(kafka, settings.group, settings.session_timeout_s)
        async with reading(kafka) as consumer:
            yield Resetter(kafka, consumer, store, make, progress)
        joined = await living_workers(kafka, settings.group)
        if joined:
            raise StateError(
                f"a worker began meanwhile ({', '.join(sorted(joined))}) and may have taken over "
                "what was dropped; stop it, and reset again"
            )
    finally:
        await store.stop()


def _case(held: Held, view: LogView) -> Case:
    if held.state is None:
        return Case.NOTHING if held.readable else Case.UNREADABLE
    try:
        check(held.part.number, held.state, view)
    except StateError:
        return Case.REMADE
    return Case.CUT if view.first else Case.WHOLE
