"""Looking into Kafka topics without a consumer group: for commands that show what is there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from infra.errors import LookupFailedError
from schemas.connections import KafkaConnection
from schemas.errors import ServerAccessError
from schemas.kafka_access import knock

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


class OpenTopic:
    """One topic that is being looked into; places in it are offsets by partition."""

    def __init__(self, consumer: Any, topic: str, partitions: list[int]) -> None:  # noqa: ANN401 - untyped
        """Take a started consumer; made by `open_topic`."""
        self._consumer = consumer
        self._topic = topic
        self.partitions = partitions

    async def begin(self) -> dict[int, int]:
        """The first offset that is kept, by partition."""
        return _by_number(await self._consumer.beginning_offsets(self._all()))

    async def end(self) -> dict[int, int]:
        """The offset behind the last record, by partition."""
        return _by_number(await self._consumer.end_offsets(self._all()))

    async def since(self, ms: int) -> dict[int, int]:
        """The first offset whose record was written at ``ms`` or later, by partition."""
        ends = await self.end()
        found = await self._consumer.offsets_for_times(dict.fromkeys(self._all(), ms))
        return {tp.partition: at.offset if at else ends[tp.partition] for tp, at in found.items()}

    async def between(
        self, begin: Mapping[int, int], end: Mapping[int, int]
    ) -> AsyncIterator[Record]:
        """Records from ``begin`` up to, without, ``end``; partitions side by side.

        Raises:
            TimeoutError: Kafka has given nothing more for 15 s.
        """
        waiting = [TopicPartition(self._topic, p) for p in begin if begin[p] < end[p]]
        if not waiting:
            return  # a consumer on no partitions at all would never stop (aiokafka 0.14)
        consumer = self._consumer
        consumer.assign(waiting)
        for tp in waiting:
            consumer.seek(tp, begin[tp.partition])
        loop = asyncio.get_running_loop()
        heard_s = loop.time()
        while waiting:
            batches = await consumer.getmany(*waiting, timeout_ms=_POLL_MS)
            if batches:
                heard_s = loop.time()
            elif loop.time() - heard_s > _TIMEOUT_S:
                raise TimeoutError
            for tp, records in batches.items():
                for record in records:
                    if record.offset < end[tp.partition]:
                        yield record
            # by position, not by records: compaction and transactions leave holes at the end
            waiting = [tp for tp in waiting if await consumer.position(tp) < end[tp.partition]]

    def _all(self) -> list[TopicPartition]:
        return [TopicPartition(self._topic, number) for number in self.partitions]


@asynccontextmanager
async def open_topic(kafka: KafkaConnection, topic: str) -> AsyncIterator[OpenTopic]:
    """A look into all partitions of ``topic``.

    Raises:
        LookupFailedError: Kafka doesn't answer, refuses, or has no such topic.
    """
    try:
        await knock(kafka)
    except ServerAccessError as exc:
        raise LookupFailedError(f"{exc}{_where_else(kafka)}") from exc
    consumer = AIOKafkaConsumer(
        **kafka.client_args(), enable_auto_commit=False, request_timeout_ms=10_000
    )
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            await consumer.start()
        yield OpenTopic(consumer, topic, await _partitions(consumer, topic))
    except (KafkaError, TimeoutError, OSError) as exc:
        raise LookupFailedError(
            f"Kafka at {kafka} does not answer ({type(exc).__name__}); "
            "start it with `qala up`, or set QALA_KAFKA_BOOTSTRAP"
        ) from exc
    finally:
        await consumer.stop()


def _where_else(kafka: KafkaConnection) -> str:
    if kafka.bootstrap != KafkaConnection().bootstrap:
        return " (`qala up` starts one here)"
    # nobody named a Kafka, and no `qala up` was found that runs one
    return (
        " (`qala up` starts one here; where it runs on another data folder, name that with --data "
        "or QALA_DATA)"
    )


async def _partitions(consumer: Any, topic: str) -> list[int]:  # noqa: ANN401 - untyped
    # asked of the cluster as a whole: asking for the topic by name would create it
    numbers = (await consumer._client.fetch_all_metadata()).partitions_for_topic(topic)  # noqa: SLF001
    if not numbers:
        raise LookupFailedError(f"Kafka has no topic {topic}; make it with `qala provision`")
    return sorted(numbers)


async def last_by_key(kafka: KafkaConnection, topic: str) -> dict[bytes, bytes]:
    """The last value of each key of a compacted topic; keys whose last value is none are gone."""
    found: dict[bytes, bytes] = {}
    async with open_topic(kafka, topic) as opened:
        async for record in opened.between(await opened.begin(), await opened.end()):
            if record.key is None:
                continue
            if record.value is None:
                found.pop(record.key, None)
            else:
                found[record.key] = record.value
    return found


def _by_number(offsets: Mapping[TopicPartition, int]) -> dict[int, int]:
    return {tp.partition: offset for tp, offset in offsets.items()}
