"""In which order outputs reach Kafka; what a producer does with them is aiokafka's."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from schemas import topics
from schemas.connections import KafkaConnection
from streams.outputs import Output
from streams.store import Store


class SlowKafka:
    """In the place of aiokafka's producer: acknowledges only when told to."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, list[bytes]]] = []
        self.waiting: list[asyncio.Future[None]] = []

    def create_batch(self) -> Batch:
        return Batch()

    async def send_batch(self, batch: Batch, topic: str, *, partition: int) -> Any:
        assert partition == 3
        self.sent.append((topic, list(batch)))
        self.waiting.append(asyncio.get_running_loop().create_future())
        return self.waiting[-1]

    def acknowledge(self) -> None:
        for future in self.waiting:
            future.set_result(None)
        self.waiting = []


class Batch(list[bytes]):
    """One batch: the values in it."""

    def append(self, *, value: bytes, **_: Any) -> bool:  # type: ignore[override]
        super().append(value)
        return True


async def turns() -> None:
    """Let every task go on as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)


def sending(kafka: SlowKafka, outputs: Sequence[Output]) -> asyncio.Task[None]:
    store = Store(KafkaConnection(bootstrap="127.0.0.1:9"))
    store._producer = kafka  # type: ignore[assignment]
    return asyncio.create_task(store.send(3, outputs))


async def test_rollups_are_sent_when_kafka_has_everything_else():
    kafka = SlowKafka()
    task = sending(
        kafka,
        [
            Output(topics.ROLLUPS, b"k", b"window"),
            Output(topics.ALERTS, b"k", b"alert"),
            Output(topics.ROLLUPS, b"k", b"progress"),
            Output(topics.DEVICES, b"k", b"device"),
        ],
    )
    await turns()
    assert kafka.sent == [(topics.ALERTS, [b"alert"]), (topics.DEVICES, [b"device"])]
    kafka.acknowledge()
    await turns()
    assert kafka.sent[2:] == [(topics.ROLLUPS, [b"window", b"progress"])]
    assert not task.done()
    kafka.acknowledge()
    await task


async def test_rollups_alone_are_sent_at_once_and_nothing_empty_is_sent():
    kafka = SlowKafka()
    task = sending(kafka, [Output(topics.ROLLUPS, b"k", b"window")])
    await turns()
    assert kafka.sent == [(topics.ROLLUPS, [b"window"])]
    kafka.acknowledge()
    await task
    task = sending(kafka, [Output(topics.DEVICES, b"k", b"device")])
    await turns()
    kafka.acknowledge()
    await task
    assert [topic for topic, _ in kafka.sent] == [topics.ROLLUPS, topics.DEVICES]
