"""The bridge's way into Kafka: an idempotent producer, a lane per partition, and the ticks."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from ingest.acks import AckQueue
from ingest.errors import KafkaFailedError, KafkaRefusedError, KafkaTopicError
from ingest.lanes import Backlog, Headers, Lane, Packer, Record
from ingest.metrics import BridgeCounts
from ingest.settings import BridgeSettings
from schemas.clock import Clock
from schemas.connections import KafkaConnection
from schemas.errors import ServerAccessError
from schemas.kafka_access import knock
from schemas.topics import DEAD_LETTERS, TELEMETRY

_BATCH_BYTES = 900_000
"""Below the broker's usual 1 MiB for a batch, with one dead letter of the largest size in it."""
_REQUEST_BYTES = 1_500_000
_TOPIC_TIMEOUT_S = 5.0
_CLOSE_TIMEOUT_S = 3.0


class LogWriter:
    """Writes envelopes, ticks and dead letters; make it by `open_writer`.

    After its first failure it writes nothing more: `failed` is set, and whoever owns it makes
    another one, since a record that Kafka gave up must not be overtaken by the next.
    ``packers`` has, for each partition of the telemetry topic, where its lines go.
    """

    def __init__(
        self,
        producer: AIOKafkaProducer,
        partitions: int,
        *,
        settings: BridgeSettings,
        clock: Clock,
        crowded: Callable[[bool], None],
        counts: BridgeCounts,
    ) -> None:
        """Take a started producer; ``crowded`` hears when the backlog passes its limit."""
        self._loop = asyncio.get_running_loop()
        self._producer = producer
        self._clock = clock
        self._stamped = [0] * partitions
        self.partitions = partitions
        self.failed: asyncio.Future[KafkaFailedError] = self._loop.create_future()
        self.backlog = Backlog(settings.backlog_bytes, crowded)
        self._lanes = [Lane(self._send, self._fail, self.backlog) for _ in range(partitions + 1)]
        self.packers = [
            Packer(
                lane,
                topic=TELEMETRY,
                partition=partition,
                bridge=settings.id,
                speed=clock.speed,
                linger_s=settings.linger_ms / 1000,
                envelope_bytes=settings.envelope_bytes,
                counts=counts,
            )
            for partition, lane in enumerate(self._lanes[:-1])
        ]

    @property
    def oldest_s(self) -> float:
        """Age in seconds of the oldest record that is not in Kafka; 0 where there is none."""
        moments = [lane.oldest for lane in self._lanes]
        oldest = min((moment for moment in moments if moment is not None), default=None)
        return 0.0 if oldest is None else self._loop.time() - oldest

    def put_letter(
        self, partition: int, value: bytes, headers: Headers, acks: AckQueue | None
    ) -> None:
        """Write a dead letter; the newest message of ``acks`` waits for it."""
        members = [] if acks is None else [acks.pending()]
        self._lanes[-1].put(Record(DEAD_LETTERS, partition, value, headers, members))

    def tick(self) -> int:
        """A tick on every partition, where the one before is in Kafka; gives how many."""
        return sum(packer.tick() for packer in self.packers)

    def seal(self) -> None:
        """Send the open envelopes without waiting for more lines."""
        for packer in self.packers:
            packer.seal()

    async def settle(self, timeout_s: float) -> bool:
        """Send everything and wait until it is in Kafka; False where that takes too long."""
        self.seal()
        idle = self._loop.create_task(self.backlog.idle.wait())
        try:
            ends: set[asyncio.Future[Any]] = {idle, self.failed}
            await asyncio.wait(ends, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
            return idle.done()
        finally:
            idle.cancel()

    def give_up(self, reason: str) -> None:
        """Set `failed`, for ``reason``."""
        if not self.failed.done():
            self.failed.set_result(KafkaFailedError(f"Kafka has not taken records: {reason}"))

    async def close(self) -> None:
        """Drop what is not in Kafka yet, and close the connections; nothing more is sent."""
        self.backlog.mute()
        for lane in self._lanes:
            await lane.close()
        await _close(self._producer)

    async def _send(self, record: Record) -> asyncio.Future[object]:
        stamp = None
        if self._clock.speed is not None and record.topic == TELEMETRY:
            now = self._clock.now_us() // 1000
            stamp = self._stamped[record.partition] = max(self._stamped[record.partition], now)
        written: asyncio.Future[object] = await self._producer.send(
            record.topic,
            record.value,
            partition=record.partition,
            timestamp_ms=stamp,
            headers=record.headers,
        )
        return written

    def _fail(self, error: Exception) -> None:
        self.give_up(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)


async def open_writer(
    kafka: KafkaConnection,
    *,
    settings: BridgeSettings,
    clock: Clock,
    crowded: Callable[[bool], None],
    counts: BridgeCounts,
) -> LogWriter:
    """Connect to Kafka and find the topics.

    Raises:
        KafkaRefusedError: Kafka, or its certificate, does not let us in.
        KafkaFailedError: Kafka cannot be reached.
        KafkaTopicError: a topic is missing.
    """
    try:
        await knock(kafka, topics=(TELEMETRY, DEAD_LETTERS))
    except ServerAccessError as exc:
        raise (KafkaFailedError if exc.retryable else KafkaRefusedError)(str(exc)) from exc
    producer = AIOKafkaProducer(
        **kafka.client_args(),
        client_id=settings.client_id,
        enable_idempotence=True,
        acks="all",
        compression_type="zstd",
        max_batch_size=_BATCH_BYTES,
        max_request_size=_REQUEST_BYTES,
        request_timeout_ms=settings.kafka_request_timeout_ms,
    )
    try:
        await producer.start()
        partitions = await _partitions(producer)
    except BaseException as exc:
        await _close(producer)
        if isinstance(exc, KafkaError | OSError):
            raise KafkaFailedError(
                f"Kafka at {kafka} cannot be reached ({type(exc).__name__}); is it running, and "
                "is QALA_KAFKA_BOOTSTRAP right?"
            ) from exc
        raise
    return LogWriter(
        producer, partitions, settings=settings, clock=clock, crowded=crowded, counts=counts
    )


async def _partitions(producer: AIOKafkaProducer) -> int:
    counts = {}
    for topic in (TELEMETRY, DEAD_LETTERS):
        try:
            async with asyncio.timeout(_TOPIC_TIMEOUT_S):
                counts[topic] = len(await producer.partitions_for(topic))
        except (TimeoutError, KafkaError) as exc:
            raise KafkaTopicError(
                f"the Kafka topic {topic} is not there; make it by: qala provision"
            ) from exc
    if counts[TELEMETRY] != counts[DEAD_LETTERS]:
        raise KafkaTopicError(
            f"the Kafka topics {TELEMETRY} and {DEAD_LETTERS} have {counts[TELEMETRY]} and "
            f"{counts[DEAD_LETTERS]} partitions; they must have the same number: see qala doctor"
        )
    return counts[TELEMETRY]


async def _close(producer: AIOKafkaProducer) -> None:
    """Stop a producer that may hold records it can't deliver: it would wait for them for ever.

    Nothing of it is left, or it would send them later, beside the next one's.
    """
    stopping = asyncio.get_running_loop().create_task(producer.stop())
    await asyncio.wait({stopping}, timeout=_CLOSE_TIMEOUT_S)
    if not stopping.done():
        stopping.cancel()
        tasks = _tasks_of(producer)
        for task in tasks:
            task.cancel()
        # not close: that first sends what is buffered
        for connection in producer.client._conns.values():  # noqa: SLF001 - no public way to abort
            if connection._writer is not None:  # noqa: SLF001
                connection._writer.transport.abort()  # noqa: SLF001
        await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.gather(stopping, return_exceptions=True)
    with contextlib.suppress(KafkaError, OSError):
        await producer.client.close()


def _tasks_of(producer: AIOKafkaProducer) -> list[asyncio.Task[Any]]:
    """What a producer still does: its sender, each request of that, and a flush.

    The producer has no list of its requests, so they are known by whose coroutine they run.
    """
    owners = (producer._sender, producer._message_accumulator)  # noqa: SLF001 - as it says above
    tasks = []
    for task in asyncio.all_tasks():
        frame = getattr(task.get_coro(), "cr_frame", None)
        if frame is not None and any(frame.f_locals.get("self") is owner for owner in owners):
            tasks.append(task)
    return tasks
