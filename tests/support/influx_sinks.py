"""The InfluxDB sink inside a test's loop, readings for it, and what became of them."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from prometheus_client import CollectorRegistry

from schemas.connections import InfluxConnection, KafkaConnection
from schemas.envelope import envelope_headers, line_bytes, line_head
from schemas.readiness import Readiness
from schemas.topics import DEAD_LETTERS, TELEMETRY
from sinks import InfluxSinkSettings, run_influx_sink
from tests.support.servers import query
from tests.support.stack import Stack

BOOT = 1_700_000_000
NOW_MS = time.time_ns() // 1_000_000


@dataclass
class Sent:
    """One reading on its way: its origin, its JSON, and whether its clock was believed."""

    site: str
    kind: str
    device: str
    reading: dict[str, Any]
    at: int | None = None

    def line(self) -> bytes:
        head = line_head(self.site, self.kind, self.device)
        body = json.dumps(self.reading).encode()
        return line_bytes(head, time.time_ns() // 1000, b"reading", body, self.at)


@dataclass
class Running:
    """A sink running in this loop, with what it shows."""

    task: asyncio.Task[None]
    stop: asyncio.Event
    readiness: Readiness
    registry: CollectorRegistry
    counters: dict[str, float] = field(default_factory=dict)

    def count(self, name: str, **labels: str) -> float:
        """The sum of a counter over all labels that are not named."""
        return sum(
            sample.value
            for family in self.registry.collect()
            for sample in family.samples
            if sample.name == f"qala_sink_influx_{name}"
            and all(sample.labels.get(key) == value for key, value in labels.items())
        )


@asynccontextmanager
async def running(
    kafka: KafkaConnection, influx: InfluxConnection, **settings: Any
) -> AsyncIterator[Running]:
    readiness, registry, stop = Readiness("influxdb"), CollectorRegistry(), asyncio.Event()
    chosen = InfluxSinkSettings(**({"linger_ms": 50, "commit_ms": 50} | settings))
    task = asyncio.create_task(
        run_influx_sink(
            chosen, kafka=kafka, influx=influx, readiness=readiness, registry=registry, stop=stop
        )
    )
    try:
        yield Running(task, stop, readiness, registry)
    finally:
        stop.set()
        await task


async def send(producer: AIOKafkaProducer, *sent: Sent) -> None:
    lines = [one.line() for one in sent]
    headers = envelope_headers("bridge-1", len(lines))
    await producer.send_and_wait(TELEMETRY, b"".join(lines), partition=0, headers=headers)


def air(site: str, seq: int, ts: int = NOW_MS, **fields: Any) -> Sent:
    values = {"efficiency_pct": 20} | fields
    reading = {"type": "air", "ts": ts, "boot": BOOT, "seq": seq, **values}
    return Sent(site, "ionizer", "ion-1", reading)


async def rows_of(stack: Stack, measurement: str, site: str, policy: str = "raw"):
    where = f"WHERE site = '{site}' GROUP BY *"
    found = await query(
        stack.influx_connection, f'SELECT * FROM "{policy}"."{measurement}" {where}'
    )
    return [{key: value for key, value in row.items() if value is not None} for row in found]


async def letters_of(stack: Stack) -> list[Any]:
    consumer = AIOKafkaConsumer(
        DEAD_LETTERS, **stack.kafka_connection.client_args(), auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        ends = await consumer.end_offsets(consumer.assignment())
        letters: list[Any] = []
        async with asyncio.timeout(20):
            while len(letters) < sum(ends.values()):
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    letters += records
        return letters
    finally:
        await consumer.stop()


async def end_of(stack: Stack) -> int:
    partition = TopicPartition(TELEMETRY, 0)
    consumer = AIOKafkaConsumer(**stack.kafka_connection.client_args())
    await consumer.start()
    try:
        ends: dict[TopicPartition, int] = await consumer.end_offsets([partition])
        return ends[partition]
    finally:
        await consumer.stop()


async def committed_of(stack: Stack) -> int:
    consumer = AIOKafkaConsumer(
        **stack.kafka_connection.client_args(),
        group_id="qala-sink-influx",
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        return await consumer.committed(TopicPartition(TELEMETRY, 0)) or 0
    finally:
        await consumer.stop()


async def is_(value: bool) -> bool:
    return value
