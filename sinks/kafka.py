"""Kafka for the sinks: consumers that wait for it, and compacted topics read as a table."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from random import Random
from typing import Any, Final, NamedTuple, Protocol, TypeVar

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from schemas.connections import KafkaConnection
from schemas.errors import ServerAwayError
from schemas.kafka_access import knock
from schemas.readiness import Readiness
from sinks.backoff import Backoff
from sinks.errors import SinkError

_log = structlog.get_logger(__name__)
_FETCH_BYTES = 4 * 1024 * 1024
_MAX_REQUEST_BYTES = 1_048_576
_PART = "kafka"
_CLOSE_S = 5.0
_GRACE_S = 2.0
_CANCEL_S = 1.0
_OWN_TASKS: Final = (
    ("_sender", "sender_task"),
    ("_coordinator", "_coordination_task"),
    ("_coordinator", "_heartbeat_task"),
    ("_coordinator", "_commit_refresh_task"),
    ("_fetcher", "_fetch_task"),
)


class _Client(Protocol):
    async def start(self) -> None: ...
    async def stop(self) -> None: ...


ClientT = TypeVar("ClientT", bound=_Client)
ResultT = TypeVar("ResultT")


class LastValue(NamedTuple):
    """The last record of a key in a compacted topic."""

    value: bytes
    offset: int
    timestamp_ms: int


def group_consumer(
    kafka: KafkaConnection,
    group: str,
    *,
    session_timeout_ms: int,
    fetch_min_bytes: int = 1,
    fetch_wait_ms: int = 500,
) -> AIOKafkaConsumer:
    """A consumer of the group ``group`` that commits by hand and starts at the beginning.

    The broker answers a fetch when it has ``fetch_min_bytes``, or after ``fetch_wait_ms``.

    CRCs are not checked again and fetches are large: both halve the CPU of a record.
    """
    return AIOKafkaConsumer(
        **kafka.client_args(),
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        check_crcs=False,
        fetch_max_bytes=_FETCH_BYTES,
        max_partition_fetch_bytes=_FETCH_BYTES,
        fetch_min_bytes=fetch_min_bytes,
        fetch_max_wait_ms=fetch_wait_ms,
        session_timeout_ms=session_timeout_ms,
        heartbeat_interval_ms=session_timeout_ms // 4,
        metadata_max_age_ms=30_000,
    )


def producer(kafka: KafkaConnection) -> AIOKafkaProducer:
    """An idempotent producer with acks=all."""
    return AIOKafkaProducer(
        **kafka.client_args(),
        acks="all",
        enable_idempotence=True,
        compression_type="zstd",
        max_request_size=_MAX_REQUEST_BYTES,
    )


async def started(
    make: Callable[[KafkaConnection], ClientT],
    kafka: KafkaConnection,
    *,
    topics: Sequence[str],
    group: str | None = None,
    readiness: Readiness,
    random: Random,
    stop: asyncio.Event,
) -> ClientT | None:
    """A client made by ``make`` and started; waits for Kafka as long as it takes.

    ``topics`` and ``group`` are what it will use. None where ``stop`` was set first.

    Raises:
        ServerRefusedError: Kafka, or its certificate, does not let us in.
    """
    backoff = Backoff(0.2, 5.0, random)
    while not stop.is_set():
        client = None
        try:
            await knock(kafka, topics=topics, group=group)
            client = make(kafka)
            await client.start()
        except ServerAwayError as exc:
            _wait_for_kafka(str(exc), readiness)
        except KafkaError as exc:
            await close_within(client)
            _wait_for_kafka(f"Kafka cannot be reached ({type(exc).__name__})", readiness)
        else:
            readiness.working(_PART)
            return client
        await wait_or_stop(stop, backoff.wait_s())
    return None


def _wait_for_kafka(reason: str, readiness: Readiness) -> None:
    """Say once what Kafka is waited for."""
    if readiness.reasons.get(_PART) != reason:
        _log.warning("kafka is waited for", reason=reason)
    readiness.waiting(_PART, reason)


async def wait_or_stop(stop: asyncio.Event, seconds: float) -> None:
    """Wait, or less where ``stop`` is set meanwhile."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return


async def within_stop(
    work: Coroutine[Any, Any, ResultT], stop: asyncio.Event, *, grace_s: float = _GRACE_S
) -> ResultT | None:
    """Wait for ``work``; once ``stop`` is set, for ``grace_s`` more at most.

    None where it was cancelled for that. aiokafka waits for an absent Kafka without end in
    places (sends with idempotence, commits), so that nothing else would end it.
    """
    task = asyncio.create_task(work)
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((task, stopping), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            await asyncio.wait((task,), timeout=grace_s)
        return task.result() if task.done() else None
    finally:
        stopping.cancel()
        if not task.done():
            task.cancel()
            await asyncio.wait((task,), timeout=_CANCEL_S)


async def close_within(client: _Client | None, seconds: float = _CLOSE_S) -> None:
    """Stop a producer or consumer, and where Kafka doesn't let it end in time, drop it.

    An idempotent producer's stop waits until all is sent: without end while Kafka is away.
    """
    if client is None:
        return
    stopping = asyncio.create_task(client.stop())
    # In its own task: while Kafka is away aiokafka lets the cancellation of its own tasks out.
    try:
        await asyncio.wait((stopping,), timeout=seconds)
    finally:
        ended = stopping.done()
        stopping.cancel()
    error = stopping.exception() if ended and not stopping.cancelled() else TimeoutError()
    if error is None:
        return
    _log.warning("kafka is left without a good-bye", error=type(error).__name__)
    # What stop would have done next; aiokafka has no public way to do it alone.
    tasks = [stopping, *(task for task in _own_tasks(client) if not task.done())]
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks, timeout=_CANCEL_S)
    network = getattr(client, "client", None) or getattr(client, "_client", None)
    if network is not None:
        await network.close()


def _own_tasks(client: object) -> Iterator[asyncio.Task[Any]]:
    for part, name in _OWN_TASKS:
        task = getattr(getattr(client, part, None), name, None)
        if task is not None:
            yield task


async def read_compacted(
    kafka: KafkaConnection, topic: str, *, timeout_s: float = 30.0
) -> dict[bytes, LastValue]:
    """The last value of every key of ``topic``, as of now; deleted keys are absent.

    Raises:
        SinkError: the topic does not exist, or was not read within ``timeout_s``.
        KafkaError: Kafka cannot be reached.
    """
    consumer = AIOKafkaConsumer(
        topic,
        **kafka.client_args(),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_bytes=_FETCH_BYTES,
        max_partition_fetch_bytes=_FETCH_BYTES,
    )
    try:
        await consumer.start()
        async with asyncio.timeout(timeout_s):
            return await _read_to_end(consumer, topic)
    except TimeoutError as exc:
        raise SinkError(
            f"Kafka topic {topic} was not read to its end within {timeout_s:g} s"
        ) from exc
    finally:
        await close_within(consumer)


async def _read_to_end(consumer: AIOKafkaConsumer, topic: str) -> dict[bytes, LastValue]:
    partitions = consumer.assignment()
    if not partitions:
        raise SinkError(f"Kafka has no topic {topic}; run qala provision")
    ends: dict[TopicPartition, int] = await consumer.end_offsets(partitions)
    last: dict[bytes, LastValue] = {}
    unread = set(partitions)
    while unread := {p for p in unread if await consumer.position(p) < ends[p]}:
        for records in (await consumer.getmany(*unread, timeout_ms=200)).values():
            for record in records:
                if record.value is None:
                    last.pop(record.key, None)
                else:
                    last[record.key] = LastValue(record.value, record.offset, record.timestamp)
    return last
