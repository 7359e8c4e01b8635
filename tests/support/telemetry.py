"""A seeded telemetry log: envelopes as bridges write them, for tests of what reads the log."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from schemas import topics
from schemas.connections import KafkaConnection
from schemas.envelope import envelope_headers, line_bytes, line_head
from schemas.topics import partition_of

START_MS = 1_800_000_000_000
STEP_MS = 200
LATE_MS = (0, 0, 0, 0, 0, 0, 0, 0, 0, 25_000, 4_000_000)
"""How late readings are, each as often as the others."""


@dataclass(frozen=True)
class LogRecord:
    """One record of the telemetry topic, before it is sent."""

    partition: int
    timestamp_ms: int
    value: bytes
    lines: int


class Device:
    """One device of the log: an ionizer whose ozone wanders over and under 100."""

    def __init__(self, site: str, name: str, chance: random.Random, late_ms: Sequence[int]) -> None:
        self.late_ms = late_ms
        self.head = line_head(site, "ionizer", name)
        self.seq = 0
        self.chance = chance
        self.ozone = 80.0

    def line(self, now_ms: int) -> bytes:
        """Its next reading, now and then a late one."""
        self.ozone = min(max(self.ozone + self.chance.uniform(-12, 12), 0), 180)
        late_ms = self.chance.choice(self.late_ms)
        body = (
            f'{{"type":"air","ts":{now_ms - self.chance.randrange(400) - late_ms},"boot":1,'
            f'"seq":{self.seq},"efficiency_pct":99.95,"ozone_ugm3":{self.ozone:.3f},'
            f'"people":{self.chance.randrange(9)}}}'
        )
        self.seq += 1
        return line_bytes(self.head, now_ms * 1000, b"reading", body.encode())


def telemetry(
    seed: int,
    partitions: int,
    steps: int,
    *,
    sites: int = 6,
    devices: int = 5,
    start_ms: int = START_MS,
    late_ms: Sequence[int] = LATE_MS,
) -> Iterator[LogRecord]:
    """``steps`` records for each partition, 200 ms of log time apart; 1 % of lines come twice."""
    chance = random.Random(seed)
    made = {
        f"stop-{number:02}": [
            Device(f"stop-{number:02}", f"ion-{one:02}", chance, late_ms) for one in range(devices)
        ]
        for number in range(sites)
    }
    for step in range(steps):
        now_ms = start_ms + step * STEP_MS
        for partition in range(partitions):
            lines = []
            for site, found in made.items():
                if partition_of(site, partitions) != partition:
                    continue
                for device in found:
                    line = device.line(now_ms)
                    lines += [line, line] if chance.random() < 0.01 else [line]
            yield LogRecord(partition, now_ms, b"".join(lines), len(lines))


async def produce(producer: AIOKafkaProducer, records: Iterable[LogRecord]) -> None:
    """Send records to the telemetry topic, each with its own timestamp."""
    for record in records:
        await producer.send(
            topics.TELEMETRY,
            value=record.value,
            partition=record.partition,
            timestamp_ms=record.timestamp_ms,
            headers=envelope_headers("test", record.lines),
        )
    await producer.flush()


async def read_all(kafka: KafkaConnection, topic: str) -> list[tuple[int, bytes, bytes]]:
    """(partition, key, value) of every record of a topic, to its present end."""
    consumer = AIOKafkaConsumer(
        topic, **kafka.client_args(), enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        parts = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)]
        ends = await consumer.end_offsets(parts)
        found: list[tuple[int, bytes, bytes]] = []
        while any([await consumer.position(tp) < ends[tp] for tp in parts]):
            for tp, records in (await consumer.getmany(timeout_ms=500)).items():
                found += [(tp.partition, record.key, record.value) for record in records]
        return found
    finally:
        await consumer.stop()
