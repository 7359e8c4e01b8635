"""How far consumer groups have come."""

from __future__ import annotations

from collections.abc import Iterable

from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.connections import KafkaConnection


async def behind(kafka: KafkaConnection, group: str, topics: Iterable[str], partitions: int) -> int:
    """Records of these topics that a group has not committed."""
    ours = [TopicPartition(name, one) for name in topics for one in range(partitions)]
    consumer = AIOKafkaConsumer(**kafka.client_args(), group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        ends = await consumer.end_offsets(ours)
        return sum([ends[tp] - (await consumer.committed(tp) or 0) for tp in ours])
    finally:
        await consumer.stop()
