"""aiokafka's producer as the bridge uses it: how it is started, and how it is stopped for sure."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from ingest.settings import BridgeSettings
from schemas.connections import KafkaConnection

_REQUEST_BYTES = 1_500_000
_CLOSE_TIMEOUT_S = 3.0


async def start_producer(
    kafka: KafkaConnection, settings: BridgeSettings, *, batch_bytes: int, idempotent: bool = True
) -> AIOKafkaProducer:
    """A producer that waits for all acknowledgements; ``batch_bytes`` are those before zstd.

    One that is not ``idempotent`` survives a refusal, which breaks the other's sequence.

    Raises:
        KafkaError: Kafka cannot be reached.
        OSError: the same.
    """
    producer = AIOKafkaProducer(
        **kafka.client_args(),
        client_id=settings.client_id,
        enable_idempotence=idempotent,
        acks="all",
        compression_type="zstd",
        max_batch_size=batch_bytes,
        max_request_size=_REQUEST_BYTES,
        request_timeout_ms=settings.kafka_request_timeout_ms,
    )
    try:
        await producer.start()
    except BaseException:
        await stop_producer(producer)
        raise
    return producer


async def stop_producer(producer: AIOKafkaProducer) -> None:
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
