"""The bridge's way into Kafka: an idempotent producer, a lane per partition, and the ticks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from ingest.acks import AckQueue
from ingest.careful import Careful
from ingest.errors import KafkaFailedError, KafkaRefusedError, KafkaTopicError
from ingest.kafka_producer import start_producer, stop_producer
from ingest.lanes import Backlog, Headers, Lane, Packer, Record
from ingest.metrics import BridgeCounts
from ingest.persons import PersonKey
from ingest.refusals import is_refusal
from ingest.settings import BridgeSettings
from schemas.clock import Clock
from schemas.connections import KafkaConnection
from schemas.errors import ServerAccessError
from schemas.kafka_access import knock
from schemas.topics import DEAD_LETTERS, TELEMETRY

BATCH_BYTES = 900_000
"""Below the broker's usual 1 MiB for a batch, with one dead letter of the largest size in it."""
_SMALL_BATCH_BYTES = 16_384
"""So little together is never the trouble of a topic that takes readings."""
_TOPIC_TIMEOUT_S = 5.0


class Start(Protocol):
    """Starts a producer with batches of so many bytes."""

    async def __call__(self, batch_bytes: int, *, idempotent: bool) -> AIOKafkaProducer:
        """As `start_producer`."""


_log = structlog.get_logger(__name__)


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
        start: Start,
        settings: BridgeSettings,
        clock: Clock,
        turned: Callable[[], None],
        counts: BridgeCounts,
        key: PersonKey,
    ) -> None:
        """Take a started producer, and how others are started.

        ``turned`` is called when the backlog has become full, or is no more.
        """
        self._loop = asyncio.get_running_loop()
        self._producer = producer
        self._start = start
        self._careful: asyncio.Task[None] | None = None
        self._batch_bytes = BATCH_BYTES
        self._settings = settings
        self._counts = counts
        self._key = key
        self._clock = clock
        self._stamped = [0] * partitions
        self.partitions = partitions
        self.failed: asyncio.Future[KafkaFailedError] = self._loop.create_future()
        self.backlog = Backlog(settings.backlog_bytes, turned)
        self._lanes = [
            Lane(self._send, self._lane_failed, self.backlog) for _ in range(partitions + 1)
        ]
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

    async def farewell(self, timeout_s: float) -> bool:
        """Say on every partition that the bridge has left for good; False where it isn't there."""
        for packer in self.packers:
            packer.farewell()
        return await self.settle(timeout_s)

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
        if self._careful is not None:
            self._careful.cancel()
            await asyncio.gather(self._careful, return_exceptions=True)
        for lane in self._lanes:
            await lane.close()
        await stop_producer(self._producer)

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

    def _lane_failed(self, error: Exception) -> None:
        if not is_refusal(error):
            self._fail(error)
        elif self._careful is None or self._careful.done():
            self._careful = self._loop.create_task(self._place_refused(error))

    async def _place_refused(self, why: Exception) -> None:
        """Bring in one by one what was sent on the lanes that are held, then go on as before.

        A refusal leaves a hole in the sequence of the idempotent producer, so that Kafka takes
        nothing more of it: another one takes its place.
        """
        careful = Careful(self._deliver, bridge=self._settings.id, key=self._key)
        try:
            for lane in self._lanes:
                await lane.pause()
            await self._replace_producer(idempotent=False)
            for lane in self._lanes:
                await lane.again(careful.place)
            if not careful.letters:  # no line was at fault, so it was too much together
                self._batch_bytes = max(self._batch_bytes // 2, _SMALL_BATCH_BYTES)
            await self._replace_producer(idempotent=True)
        except Exception as exc:  # noqa: BLE001 - whatever it is, the records are not in Kafka
            self._fail(exc)
            return
        finally:
            self._counts.refused += careful.letters
        _log.warning(
            "Kafka refused records; they were brought in one by one",
            why=type(why).__name__,
            dead_letters=careful.letters,
            batch_bytes=self._batch_bytes,
        )
        for packer in self.packers:
            packer.envelope_bytes = min(packer.envelope_bytes, self._batch_bytes)
        for lane in self._lanes:
            lane.resume()

    async def _replace_producer(self, *, idempotent: bool) -> None:
        await stop_producer(self._producer)
        self._producer = await self._start(self._batch_bytes, idempotent=idempotent)

    async def _deliver(self, record: Record) -> None:
        await (await self._send(record))

    def _fail(self, error: Exception) -> None:
        if isinstance(error, KafkaFailedError) and not self.failed.done():
            self.failed.set_result(error)
        self.give_up(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)


async def open_writer(
    kafka: KafkaConnection,
    *,
    settings: BridgeSettings,
    clock: Clock,
    turned: Callable[[], None],
    counts: BridgeCounts,
    key: PersonKey,
) -> LogWriter:
    """Connect to Kafka and find the topics; ``key`` seals what may hold a person's id.

    Raises:
        KafkaRefusedError: Kafka, or its certificate, does not let us in.
        KafkaFailedError: Kafka cannot be reached.
        KafkaTopicError: a topic is missing.
    """
    try:
        await knock(kafka, topics=(TELEMETRY, DEAD_LETTERS))
    except ServerAccessError as exc:
        raise (KafkaFailedError if exc.retryable else KafkaRefusedError)(str(exc)) from exc

    async def start(batch_bytes: int, *, idempotent: bool) -> AIOKafkaProducer:
        return await start_producer(kafka, settings, batch_bytes=batch_bytes, idempotent=idempotent)

    producer = None
    try:
        producer = await start(BATCH_BYTES, idempotent=True)
        partitions = await _partitions(producer)
    except BaseException as exc:
        if producer is not None:
            await stop_producer(producer)
        if isinstance(exc, KafkaError | OSError):
            raise KafkaFailedError(
                f"Kafka at {kafka} cannot be reached ({type(exc).__name__}); is it running, and "
                "is QALA_KAFKA_BOOTSTRAP right?"
            ) from exc
        raise
    return LogWriter(
        producer,
        partitions,
        start=start,
        settings=settings,
        clock=clock,
        turned=turned,
        counts=counts,
        key=key,
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
