"""Watching the telemetry log: which bridges write, and by which clocks.

Every bridge ticks on every partition, by default each second. So a bridge that is heard neither
in the last seconds of the log nor while we watch is away. A record that arrives while we watch
was stamped just before by Kafka's clock, so it tells how far that clock is from ours.

A tick has no time but Kafka's: a bridge's own clock stands in what it received from devices
alone. With few sites most partitions have none of that, so all are watched.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from msgspec import DecodeError, Struct

from schemas.connections import KafkaConnection
from schemas.envelope import HEADER_BRIDGE, decode_envelope, header, speed_in
from schemas.topics import TELEMETRY

RECENT_MS: Final = 10_000
"""A bridge whose last record is older than this, by the log, is away."""

FRESH_MS: Final = 60_000
"""Older receive times, by the log, say nothing of a bridge's clock of now."""

_TAIL_RECORDS: Final = 400
"""Of the first partition; of the others what is enough for a minute of ticks of a bridge."""
_TAIL_OF_OTHERS: Final = 200
_TAIL_S: Final = 2.5
"""No longer for what was there before; of large envelopes it may be much."""
_REQUEST_MS: Final = 4000


class BridgeHeard(Struct, frozen=True, kw_only=True):
    """One bridge in the log. ``ahead_ms`` is how far its clock is ahead of Kafka's, at least.

    None where it has sent nothing but ticks for a minute. ``quiet_ms`` is how much older its last
    record is than the newest of the log, in real time.
    """

    id: str
    quiet_ms: int
    ahead_ms: int | None


class LogWatched(Struct, frozen=True, kw_only=True):
    """What was seen. ``clock_ms`` is Kafka's clock minus ours, None where no record arrived."""

    bridges: tuple[BridgeHeard, ...]
    moving: bool
    simulated: bool
    clock_ms: int | None


class _Watch:
    """What is noted of the records, in the order of the log."""

    def __init__(self) -> None:
        self.last_ms: dict[str, int] = {}
        self.ahead_ms: dict[str, list[tuple[int, int]]] = {}
        self.newest_ms = 0
        self.speed: float | None = None
        self.clock_ms: int | None = None
        self.arrived = 0

    def note(self, record: Any) -> None:  # noqa: ANN401 - aiokafka has no types
        bridge = header(record.headers, HEADER_BRIDGE)
        if bridge is None:
            return
        self.speed = speed_in(record.headers)
        self.newest_ms = max(self.newest_ms, record.timestamp)
        self.last_ms[bridge] = max(record.timestamp, self.last_ms.get(bridge, 0))
        ahead = _ahead_ms(record)
        if ahead is not None:
            self.ahead_ms.setdefault(bridge, []).append((record.timestamp, ahead))

    def arrives(self, record: Any, now_ms: int) -> None:  # noqa: ANN401 - aiokafka has no types
        self.note(record)
        self.arrived += 1
        # the quickest record was the least time on its way
        difference = record.timestamp - now_ms
        self.clock_ms = difference if self.clock_ms is None else max(difference, self.clock_ms)

    def result(self) -> LogWatched:
        simulated = self.speed is not None
        return LogWatched(
            bridges=tuple(
                BridgeHeard(
                    id=bridge,
                    quiet_ms=round((self.newest_ms - last) / (self.speed or 1.0)),
                    ahead_ms=None if simulated else self._ahead_ms(bridge),
                )
                for bridge, last in sorted(self.last_ms.items())
            ),
            moving=self.arrived > 0,
            simulated=simulated,
            clock_ms=None if simulated else self.clock_ms,
        )

    def _ahead_ms(self, bridge: str) -> int | None:
        """Of what is fresh the most: that was the least time on its way."""
        fresh_ms = self.newest_ms - FRESH_MS
        told = [ahead for at_ms, ahead in self.ahead_ms.get(bridge, ()) if at_ms >= fresh_ms]
        return max(told, default=None)


async def watch_log(
    kafka: KafkaConnection, *, watch_s: float, now_ms: Callable[[], int]
) -> LogWatched | None:
    """Read the log's last seconds, then watch it for ``watch_s``; None where it isn't there.

    Raises:
        aiokafka.errors.KafkaError: Kafka can't be asked; the part ``kafka`` says so.
    """
    consumer = AIOKafkaConsumer(
        **kafka.client_args(), enable_auto_commit=False, request_timeout_ms=_REQUEST_MS
    )
    try:
        await consumer.start()
        # asked of the cluster as a whole: asking for the topic by name could create it
        metadata = await consumer._client.fetch_all_metadata()  # noqa: SLF001 - no public way
        numbers = metadata.partitions_for_topic(TELEMETRY)
        if not numbers:
            return None
        places = [TopicPartition(TELEMETRY, number) for number in sorted(numbers)]
        return await _watch(consumer, places, watch_s, now_ms)
    finally:
        await consumer.stop()


async def _watch(
    consumer: Any,  # noqa: ANN401 - aiokafka has no types
    places: list[TopicPartition],
    watch_s: float,
    now_ms: Callable[[], int],
) -> LogWatched:
    watch = _Watch()
    ends = await consumer.end_offsets(places)
    begins = await consumer.beginning_offsets(places)
    consumer.assign(places)
    for place in places:
        tail = _TAIL_RECORDS if place.partition == 0 else _TAIL_OF_OTHERS
        consumer.seek(place, max(begins[place], ends[place] - tail))
    loop = asyncio.get_running_loop()
    # what was there before we looked; others' records wait meanwhile, and seem the slower for it
    left = [place for place in places if begins[place] < ends[place]]
    enough = loop.time() + _TAIL_S
    while left and loop.time() < enough:
        batches = await consumer.getmany(*left, timeout_ms=500)
        for records in batches.values():
            for record in records:
                watch.note(record)
        left = [place for place in left if await consumer.position(place) < ends[place]]
    for place in left:
        consumer.seek(place, ends[place])
    until = loop.time() + watch_s
    while (left_s := until - loop.time()) > 0:
        batches = await consumer.getmany(timeout_ms=int(1000 * left_s) + 1)
        now = now_ms()
        for records in batches.values():
            for record in records:
                watch.arrives(record, now)
    return watch.result()


def _ahead_ms(record: Any) -> int | None:  # noqa: ANN401 - aiokafka has no types
    """The newest receive time in an envelope, less Kafka's time of taking it."""
    try:
        lines = decode_envelope(record.value) if record.value else ()
    except (DecodeError, ValueError, RecursionError):
        return None  # not an envelope; the worker makes a dead letter of it
    received = [line.rx for line in lines if line.control is None]
    return max(received) // 1000 - record.timestamp if received else None
