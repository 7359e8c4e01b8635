"""How far the group is in each partition, also in those that another copy has."""

from __future__ import annotations

from collections.abc import Collection

from aiokafka import AIOKafkaConsumer, TopicPartition

from sinks.progress import Progress


class Places:
    """Offsets before which everything is written, of a consumer that begins at the earliest."""

    def __init__(self, consumer: AIOKafkaConsumer, progress: Progress) -> None:
        self._consumer = consumer
        self._progress = progress

    async def done(self, wanted: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """By partition the offset before which every record is done; at least those ``wanted``.

        Where nothing of it was done here, that is what the group has committed, or else where
        the partition begins. Raises `aiokafka.errors.KafkaError`.
        """
        generation = self._progress.generation
        known = self._progress.next_offsets()
        unknown = [partition for partition in wanted if partition not in known]
        if not unknown:
            return known
        first = await self._consumer.beginning_offsets(unknown)
        for partition in unknown:
            committed = await self._consumer.committed(partition)
            known[partition] = max(committed or 0, first[partition])
            if partition in self._consumer.assignment():
                self._progress.start(partition, known[partition], generation)
        return known

    async def ends(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """The offset after the last record of each. Raises `aiokafka.errors.KafkaError`."""
        if not partitions:
            return {}
        ends: dict[TopicPartition, int] = await self._consumer.end_offsets(partitions)
        return ends

    async def lag(self, topics: Collection[str]) -> dict[str, int]:
        """Records of each topic, in this copy's partitions, that are not done yet.

        Raises `aiokafka.errors.KafkaError`.
        """
        ours = [one for one in self._consumer.assignment() if one.topic in topics]
        ends = await self.ends(ours)
        done = await self.done(ours)
        lag: dict[str, int] = {}
        for partition, end in ends.items():
            behind = max(0, end - done[partition])
            lag[partition.topic] = lag.get(partition.topic, 0) + behind
        return lag
