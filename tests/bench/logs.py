"""What the bench makes for peers, and asks of Kafka's topics."""

from __future__ import annotations

from typing import Any

from confluent_kafka import OFFSET_END, Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.support.servers import query
from tests.support.stack import Stack
from tests.support.waiting import eventually

_TIMEOUT_S = 20.0


def admin(stack: Stack) -> AdminClient:
    """A client that may make and empty topics."""
    return AdminClient({"bootstrap.servers": stack.kafka_connection.bootstrap})


async def make_topics(stack: Stack, *names: str, partitions: int = 8) -> None:
    """Make topics of a peer, and return when the broker knows them."""
    client = admin(stack)  # its answers come only while it lives
    made = client.create_topics([NewTopic(name, partitions, 1) for name in names])
    for future in made.values():
        future.result(_TIMEOUT_S)

    async def known() -> bool:
        return all(len(_partitions(client, name)) == partitions for name in names)

    await eventually(known)


async def make_database(stack: Stack, name: str) -> None:
    """Make a database of a peer in InfluxDB 1.8."""
    await query(stack.influx_connection, f'CREATE DATABASE "{name}"')


async def forget_log(stack: Stack, topic: str) -> None:
    """Delete every record of a topic; its offsets go on."""
    client = admin(stack)

    async def deleted() -> bool:
        parts = [TopicPartition(topic, number, OFFSET_END) for number in _partitions(client, topic)]
        try:
            for future in client.delete_records(parts).values():
                future.result(_TIMEOUT_S)
        except KafkaException:  # a topic just made has no leader yet
            return False
        return bool(parts)

    await eventually(deleted)


class Size:
    """Counts the records that a topic has got since this was made."""

    def __init__(self, stack: Stack, topic: str) -> None:
        settings: dict[str, Any] = {
            "bootstrap.servers": stack.kafka_connection.bootstrap,
            "group.id": "bench-size",
        }
        self._consumer = Consumer(settings)
        self._parts = [TopicPartition(topic, number) for number in _partitions(admin(stack), topic)]
        self._before = self._ends()

    def _ends(self) -> int:
        return sum(
            self._consumer.get_watermark_offsets(part, timeout=_TIMEOUT_S)[1]
            for part in self._parts
        )

    async def records(self) -> float:
        """Records since then."""
        return self._ends() - self._before


def _partitions(client: AdminClient, topic: str) -> list[int]:
    return list(client.list_topics(topic, timeout=_TIMEOUT_S).topics[topic].partitions)
