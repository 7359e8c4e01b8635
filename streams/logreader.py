"""Reading a partition of a topic from one offset to another, without a consumer group."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.connections import KafkaConnection

FETCH_BYTES: Final = 4 * 1024 * 1024
"""Most bytes of a partition that wait in memory; one larger record comes all the same."""
POLL_MS: Final = 500
SILENT_S: Final = 30.0
START_S: Final = 15.0


class Kept(NamedTuple):
    """The last value of a key, and when it was written (ms, by the clock of who wrote it)."""

    value: bytes
    timestamp_ms: int


@asynccontextmanager
async def reading(kafka: KafkaConnection) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer of no group and no topic yet.

    Raises:
        aiokafka.errors.KafkaError: Kafka went away, or refuses.
        TimeoutError: it does not answer.
    """
    consumer = AIOKafkaConsumer(
        **kafka.client_args(),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        check_crcs=False,
        max_partition_fetch_bytes=FETCH_BYTES,
    )
    try:
        async with asyncio.timeout(START_S):
            await consumer.start()
        yield consumer
    finally:
        await consumer.stop()


async def bounds(consumer: AIOKafkaConsumer, tp: TopicPartition) -> tuple[int, int]:
    """The first offset of a partition, and the one after its last."""
    first = await consumer.beginning_offsets([tp])
    return first[tp], (await consumer.end_offsets([tp]))[tp]


async def batches(
    consumer: AIOKafkaConsumer, tp: TopicPartition, begin: int, end: int
) -> AsyncIterator[Sequence[Any]]:
    """The records of a partition from ``begin`` up to, without, ``end``, some at a time.

    Raises:
        TimeoutError: nothing came for 30 s.
    """
    if begin >= end:
        return
    consumer.assign([tp])
    consumer.seek(tp, begin)
    loop = asyncio.get_running_loop()
    heard_s = loop.time()
    # by position: compaction leaves holes, at the end too
    while await consumer.position(tp) < end:
        records = (await consumer.getmany(tp, timeout_ms=POLL_MS)).get(tp, ())
        if records:
            heard_s = loop.time()
            yield [record for record in records if record.offset < end]
        elif loop.time() - heard_s > SILENT_S:
            raise TimeoutError


async def last_by_key(
    consumer: AIOKafkaConsumer, topic: str, partition: int, begin: int | None = None
) -> dict[bytes, Kept]:
    """The last value of each key in a partition of a compacted topic, from ``begin`` on."""
    tp = TopicPartition(topic, partition)
    first, end = await bounds(consumer, tp)
    found: dict[bytes, Kept] = {}
    async for records in batches(consumer, tp, first if begin is None else begin, end):
        for record in records:
            if record.value is None:
                found.pop(record.key, None)
            else:
                found[record.key] = Kept(record.value, record.timestamp)
    return found


async def offset_at(
    consumer: AIOKafkaConsumer, topic: str, partition: int, timestamp_ms: int
) -> int | None:
    """The first offset of a record written at ``timestamp_ms`` or later; None where none was."""
    tp = TopicPartition(topic, partition)
    found = (await consumer.offsets_for_times({tp: max(timestamp_ms, 0)}))[tp]
    return None if found is None else int(found.offset)
