"""The state topic and the topics of outputs: everything that the worker writes to Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaTimeoutError
from aiokafka.producer.message_accumulator import BatchBuilder

from schemas import topics
from schemas.connections import KafkaConnection
from schemas.kafka_access import knock
from streams.errors import StateError
from streams.outputs import Output
from streams.state import Mark, Record, State, header_record, site_records
from streams.takeover import LogView

STATE_BATCH_BYTES: Final = 16 * 1024 * 1024
"""All chunks of a site go into one record batch, which Kafka appends whole or not at all."""
OUTPUT_BATCH_BYTES: Final = 700_000
STOP_S: Final = 5.0
SILENCE_S: Final = 30.0
"""A Kafka that gives nothing for so long of what it should have is not read any further."""
USED_TOPICS: Final = (
    topics.TELEMETRY,
    topics.STATE,
    topics.ROLLUPS,
    topics.ALERTS,
    topics.DEVICES,
    topics.DEAD_LETTERS,
)
_RECORD_OVERHEAD: Final = 128


class Store:
    """One idempotent producer for outputs and state, and the reader of the state topic."""

    def __init__(self, kafka: KafkaConnection, group: str | None = None) -> None:
        """Prepare; `start` connects, and sees whether ``group`` may be joined."""
        self._group = group
        self._kafka = kafka
        self._args = kafka.client_args()
        self._producer: AIOKafkaProducer | None = None
        self.heard = 0
        """Records of the state that were read so far: a load that is slow still goes on."""

    async def start(self) -> None:
        """Connect the producer.

        Raises:
            ServerRefusedError: Kafka, or its certificate, does not let us in.
            ServerAwayError: nobody answers.
            aiokafka.errors.KafkaError: Kafka went away while we connected.
        """
        await knock(self._kafka, topics=USED_TOPICS, group=self._group)
        producer = AIOKafkaProducer(
            **self._args,
            acks="all",
            enable_idempotence=True,
            compression_type="zstd",
            max_batch_size=STATE_BATCH_BYTES,
            max_request_size=STATE_BATCH_BYTES + 1024 * 1024,
            request_timeout_ms=20_000,
        )
        try:
            await producer.start()
        except BaseException:
            await producer.stop()
            raise
        self._producer = producer

    async def stop(self) -> None:
        """Send what waits, for as long as that may take, and disconnect.

        While Kafka is away an idempotent producer would wait for ever; what it holds is given
        out again when the log is read again.
        """
        if self._producer is None:
            return
        try:
            async with asyncio.timeout(STOP_S):
                await self._producer.stop()
        except TimeoutError:
            sender = self._producer._sender.sender_task  # noqa: SLF001 -- no public way to give up
            if sender is not None:
                sender.cancel()
                await asyncio.gather(sender, return_exceptions=True)
            await self._producer.client.close()

    async def send(self, partition: int, outputs: Sequence[Output]) -> None:
        """Send outputs of one partition, in order within a topic; returns when Kafka has them.

        Rollups are sent when Kafka has the others: a `WorkerProgress` among them says that all
        before it is there.

        Raises:
            aiokafka.errors.KafkaError: Kafka refused them for good.
        """
        by_topic: dict[str, list[Output]] = {}
        for output in outputs:
            by_topic.setdefault(output.topic, []).append(output)
        rollups = by_topic.pop(topics.ROLLUPS, None)
        await self._send_topics(partition, by_topic)
        if rollups:
            await self._send_topics(partition, {topics.ROLLUPS: rollups})

    async def _send_topics(self, partition: int, by_topic: Mapping[str, list[Output]]) -> None:
        acknowledged: list[asyncio.Future[Any]] = []
        for topic, found in by_topic.items():
            acknowledged += [
                await self._send(builder, topic, partition)
                for builder in self._output_batches(found)
            ]
        await asyncio.gather(*acknowledged)

    async def write(self, partition: int, state: State) -> None:
        """Write a flush: every site in a batch of its own, and the header last.

        Raises:
            StateError: a site does not fit in a record batch.
            aiokafka.errors.KafkaError: Kafka refused it for good.
        """
        acknowledged = [
            await self._send(builder, topics.STATE, partition)
            for builder in self._state_batches(state)
        ]
        await asyncio.gather(*acknowledged)
        last = self._builder()
        _append(last, header_record(state))
        await (await self._send(last, topics.STATE, partition))

    async def forget(self, partition: int, keys: Iterable[bytes]) -> None:
        """Take keys out of the state topic, all in one batch: half a state would be misread.

        Raises:
            StateError: they do not fit in one record batch.
            aiokafka.errors.KafkaError: Kafka refused it for good.
        """
        builder = self._builder()
        for key in keys:
            if builder.append(key=key, value=None, timestamp=None) is None:
                raise StateError(
                    f"the state of partition {partition} has more keys than fit in a record batch "
                    f"of {STATE_BATCH_BYTES} bytes; delete {topics.STATE} and provision again"
                )
        await (await self._send(builder, topics.STATE, partition))

    async def load(self, partitions: Iterable[int]) -> dict[int, dict[bytes, bytes]]:
        """The last value of each key of the state topic, by partition.

        Raises:
            aiokafka.errors.KafkaError: Kafka went away, or fell silent.
        """
        wanted = [TopicPartition(topics.STATE, number) for number in partitions]
        found: dict[int, dict[bytes, bytes]] = {tp.partition: {} for tp in wanted}
        if not wanted:
            return found
        async with self._reader(
            topics.STATE,
            auto_offset_reset="earliest",
            check_crcs=False,
            max_partition_fetch_bytes=4 * 1024 * 1024,
        ) as (consumer, heard):
            consumer.assign(wanted)
            ends = await consumer.end_offsets(wanted)
            await consumer.seek_to_beginning(*wanted)
            while True:
                behind = [tp for tp in wanted if await consumer.position(tp) < ends[tp]]
                if not behind:
                    return found
                batches = await consumer.getmany(*behind, timeout_ms=500)
                for tp, records in batches.items():
                    _take(found[tp.partition], records)
                    heard()
                    self.heard += len(records)

    async def look_at_log(self, offsets: Mapping[int, int | None]) -> dict[int, LogView]:
        """What each of these partitions of the telemetry topic holds, with the mark at an offset.

        ``offsets`` says for each partition which record to look at, or None for none.

        Raises:
            aiokafka.errors.KafkaError: Kafka went away, or fell silent.
        """
        wanted = {TopicPartition(topics.TELEMETRY, number): at for number, at in offsets.items()}
        async with self._reader(topics.TELEMETRY) as (consumer, heard):
            first = await consumer.beginning_offsets(list(wanted))
            end = await consumer.end_offsets(list(wanted))
            there = {
                tp: at for tp, at in wanted.items() if at is not None and first[tp] <= at < end[tp]
            }
            marks = await _marks(consumer, there, heard)
        return {tp.partition: LogView(first[tp], end[tp], marks.get(tp)) for tp in wanted}

    @asynccontextmanager
    async def _reader(
        self, topic: str, **named: Any
    ) -> AsyncIterator[tuple[AIOKafkaConsumer, Callable[[], None]]]:
        """A consumer without a group, and what to call whenever it has read something.

        aiokafka's would wait without end for a record that Kafka does not give.
        """
        loop = asyncio.get_running_loop()
        consumer = AIOKafkaConsumer(**self._args, enable_auto_commit=False, **named)
        try:
            async with asyncio.timeout(SILENCE_S) as silence:
                await consumer.start()
                yield consumer, lambda: silence.reschedule(loop.time() + SILENCE_S)
        except TimeoutError as exc:
            raise KafkaTimeoutError(
                f"Kafka gave nothing of {topic} for {SILENCE_S:g} s, and there is more of it"
            ) from exc
        finally:
            await consumer.stop()

    def _builder(self) -> BatchBuilder:
        if self._producer is None:
            raise StateError("the store is used before it is started")
        return self._producer.create_batch()

    async def _send(self, builder: BatchBuilder, topic: str, partition: int) -> asyncio.Future[Any]:
        if self._producer is None:
            raise StateError("the store is used before it is started")
        sent: asyncio.Future[Any] = await self._producer.send_batch(
            builder, topic, partition=partition
        )
        return sent

    def _output_batches(self, outputs: Sequence[Output]) -> list[BatchBuilder]:
        builders = [self._builder()]
        size = 0
        for output in outputs:
            added = len(output.value) + len(output.key or b"") + _RECORD_OVERHEAD
            if size and size + added > OUTPUT_BATCH_BYTES:
                builders.append(self._builder())
                size = 0
            size += added
            builders[-1].append(
                key=output.key, value=output.value, timestamp=None, headers=list(output.headers)
            )
        return builders

    def _state_batches(self, state: State) -> list[BatchBuilder]:
        builders: list[BatchBuilder] = []
        for site in state.sites:
            builder = self._builder()
            for record in site_records(site):
                if not _append(builder, record):
                    raise StateError(
                        f"the state of site '{site.name}' does not fit in one record batch of "
                        f"{STATE_BATCH_BYTES} bytes; split the site"
                    )
            builders.append(builder)
        return builders


async def _marks(
    consumer: AIOKafkaConsumer, offsets: Mapping[TopicPartition, int], heard: Callable[[], None]
) -> dict[TopicPartition, Mark]:
    consumer.assign(list(offsets))
    for tp, at in offsets.items():
        consumer.seek(tp, at)
    found: dict[TopicPartition, Mark] = {}
    while len(found) < len(offsets):
        left = [tp for tp in offsets if tp not in found]
        for tp, records in (await consumer.getmany(*left, timeout_ms=500)).items():
            found[tp] = Mark.of(records[0].offset, records[0].timestamp, records[0].value)
            heard()
    return found


def _append(builder: BatchBuilder, record: Record) -> bool:
    key, value = record
    return builder.append(key=key, value=value, timestamp=None) is not None


def _take(found: dict[bytes, bytes], records: Iterable[Any]) -> None:
    for record in records:
        if record.value is None:
            found.pop(record.key, None)
        else:
            found[record.key] = record.value
