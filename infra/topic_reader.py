"""Looking into Kafka topics without a consumer group: for commands that show what is there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from infra.errors import LookupFailedError
from schemas.connections import KafkaConnection
from schemas.errors import ServerAccessError
from schemas.kafka_access import knock

_CHUNK: Final = 500
_POLL_MS: Final = 500
_TIMEOUT_S: Final = 15.0


class Record(Protocol):
    """A Kafka record, as aiokafka gives it; ``timestamp`` in ms since 1970."""

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


@asynccontextmanager
async def _consumer(
    kafka: KafkaConnection, topic: str
) -> AsyncIterator[tuple[Any, list[TopicPartition]]]:
    """A consumer on all partitions of ``topic``.

    Raises:
        LookupFailedError: Kafka doesn't answer, refuses, or has no such topic.
    """
    try:
        await knock(kafka)
    except ServerAccessError as exc:
        raise LookupFailedError(f"{exc} (`qala up` starts one here)") from exc
    consumer = AIOKafkaConsumer(
        **kafka.client_args(), enable_auto_commit=False, request_timeout_ms=10_000
    )
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            await consumer.start()
        partitions = await _partitions(consumer, topic)
        yield consumer, partitions
    except (KafkaError, TimeoutError, OSError) as exc:
        raise LookupFailedError(
            f"Kafka at {kafka} does not answer ({type(exc).__name__}); "
            "start it with `qala up`, or set QALA_KAFKA_BOOTSTRAP"
        ) from exc
    finally:
        await consumer.stop()


async def _partitions(consumer: Any, topic: str) -> list[TopicPartition]:  # noqa: ANN401 - untyped
    # asked of the cluster as a whole: asking for the topic by name would create it
    numbers = (await consumer._client.fetch_all_metadata()).partitions_for_topic(topic)  # noqa: SLF001
    if not numbers:
        raise LookupFailedError(f"Kafka has no topic {topic}; make it with `qala provision`")
    return [TopicPartition(topic, number) for number in sorted(numbers)]


async def last_by_key(kafka: KafkaConnection, topic: str) -> dict[bytes, bytes]:
    """The last value of each key of a compacted topic; keys whose last value is none are gone."""
    found: dict[bytes, bytes] = {}
    async with _consumer(kafka, topic) as (consumer, partitions):
        begin = await consumer.beginning_offsets(partitions)
        async for record in _between(consumer, begin, await consumer.end_offsets(partitions)):
            if record.key is None:
                continue
            if record.value is None:
                found.pop(record.key, None)
            else:
                found[record.key] = record.value
    return found


async def newest(
    kafka: KafkaConnection, topic: str, limit: int, keep: Callable[[Record], bool]
) -> list[Record]:
    """The newest ``limit`` records that ``keep`` wants, the newest first.

    Reads backwards in steps, so that a full topic costs no more than what is asked for.
    """
    kept: list[Record] = []
    async with _consumer(kafka, topic) as (consumer, partitions):
        begin = await consumer.beginning_offsets(partitions)
        for partition in partitions:
            upper = (await consumer.end_offsets([partition]))[partition]
            mine: list[Record] = []
            while upper > begin[partition] and len(mine) < limit:
                lower = max(begin[partition], upper - max(limit, _CHUNK))
                step = [
                    record
                    async for record in _between(consumer, {partition: lower}, {partition: upper})
                    if keep(record)
                ]
                mine = step + mine
                upper = lower
            kept += mine
    return sorted(kept, key=lambda r: (r.timestamp, r.partition, r.offset), reverse=True)[:limit]


async def one(kafka: KafkaConnection, topic: str, partition: int, offset: int) -> Record:
    """The record at ``partition`` and ``offset``.

    Raises:
        LookupFailedError: there is none, or none any more.
    """
    async with _consumer(kafka, topic) as (consumer, partitions):
        wanted = TopicPartition(topic, partition)
        if wanted in partitions:
            begin = (await consumer.beginning_offsets([wanted]))[wanted]
            end = (await consumer.end_offsets([wanted]))[wanted]
            if begin <= offset < end:
                async for record in _between(consumer, {wanted: offset}, {wanted: offset + 1}):
                    if record.offset == offset:
                        return record
    raise LookupFailedError(
        f"{topic} holds no record {partition}:{offset} (any more); see `qala dlq list`"
    )


async def _between(
    consumer: Any,  # noqa: ANN401 - aiokafka has no types
    begin: dict[TopicPartition, int],
    end: dict[TopicPartition, int],
) -> AsyncIterator[Record]:
    """Records from ``begin`` up to, without, ``end``.

    Raises:
        TimeoutError: Kafka has given nothing more for 15 s.
    """
    partitions = [partition for partition in begin if begin[partition] < end[partition]]
    if not partitions:
        return  # a consumer on no partitions at all would never stop (aiokafka 0.14)
    consumer.assign(partitions)
    for partition in partitions:
        consumer.seek(partition, begin[partition])
    loop = asyncio.get_running_loop()
    heard_s = loop.time()
    while partitions:
        batches = await consumer.getmany(*partitions, timeout_ms=_POLL_MS)
        if batches:
            heard_s = loop.time()
        elif loop.time() - heard_s > _TIMEOUT_S:
            raise TimeoutError
        for partition, records in batches.items():
            for record in records:
                if record.offset < end[partition]:
                    yield record
        # by position, not by records: compaction and transactions leave holes at the end
        partitions = [tp for tp in partitions if await consumer.position(tp) < end[tp]]
