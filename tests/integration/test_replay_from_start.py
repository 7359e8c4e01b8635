"""The whole telemetry log once more, into a filled database: no row changes, nobody is told."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from infra.verify.influxql import influx_reader
from schemas import topics
from schemas.connections import InfluxConnection, KafkaConnection
from schemas.measurements import POLICIES
from sinks.rows import SOURCE_TOPICS
from streams.store import Store
from tests.support.offsets import behind
from tests.support.stack import Stack, StageProcess
from tests.support.telemetry import LogRecord, produce, telemetry
from tests.support.waiting import eventually

PARTITIONS = 4
HOUR_MS = 3_600_000
STEPS = 500
READ_BY = {
    "qala-streams": (topics.TELEMETRY,),
    "qala-sink-influx": SOURCE_TOPICS,
    "qala-sink-chat.file": (topics.ALERTS,),
}
OURS = "pipeline"
"""Qala's own counters: the only measurement that tells of a process's life."""

Rows = dict[tuple[str, str], set[str]]


async def stored(influx: InfluxConnection) -> Rows:
    """Every row of every measurement but our own, in all its parts."""
    found: Rows = {}
    async with influx_reader(influx) as reader:
        names = [row[0] async for one in reader.rows("SHOW MEASUREMENTS") for row in one.rows]
        for policy in POLICIES:
            for name in names:
                question = f'SELECT * FROM "{policy}"."{name}" GROUP BY *'
                async for chunk in reader.rows(question):
                    found.setdefault((policy, name), set()).update(
                        json.dumps([chunk.tags, dict(zip(chunk.columns, row, strict=True))])
                        for row in chunk.rows
                        if name != OURS
                    )
    return {where: rows for where, rows in found.items() if rows}


async def left_behind(kafka: KafkaConnection) -> int:
    """Records of their topics that the stages have not committed."""
    return sum([await behind(kafka, group, names, PARTITIONS) for group, names in READ_BY.items()])


@asynccontextmanager
async def stages(stack: Stack) -> AsyncIterator[None]:
    """The worker and both sinks until all is read; they flush before they end."""
    running = [
        await stack.run("streams"),
        await stack.run("sink", "influx"),
        await stack.run("sink", "chat"),
    ]
    await eventually(lambda: _taken_over(running[0]))
    yield
    # what the worker flushes when it stops is read by the sinks
    unflushed = PARTITIONS * 30
    await eventually(
        lambda: left_behind(stack.kafka_connection), lambda n: n <= unflushed, timeout_s=25
    )
    assert await running[0].stop() == 0, running[0].died()
    await eventually(lambda: left_behind(stack.kafka_connection), lambda n: n == 0, timeout_s=25)
    for stage in running[1:]:
        assert await stage.stop() == 0, stage.died()


async def _taken_over(worker: StageProcess) -> bool:
    return "partitions taken over" in worker.output()


async def forget_all_places(kafka: KafkaConnection) -> None:
    """The state of the worker is dropped, and every group begins at its topics' beginning."""
    store = Store(kafka)
    await store.start()
    try:
        for partition, kept in (await store.load(range(PARTITIONS))).items():
            assert kept
            await store.forget(partition, kept)
    finally:
        await store.stop()
    for group, names in READ_BY.items():
        if group == "qala-streams":
            continue  # without a state the worker goes to the beginning by itself
        ours = [TopicPartition(name, one) for name in names for one in range(PARTITIONS)]
        consumer = AIOKafkaConsumer(**kafka.client_args(), group_id=group, enable_auto_commit=False)
        await consumer.start()
        try:
            consumer.assign(ours)
            await consumer.commit(dict.fromkeys(ours, 0))
        finally:
            await consumer.stop()


@pytest.mark.timeout(240)
async def test_the_whole_log_again_changes_no_row_and_tells_nobody(tmp_path: Path) -> None:
    start_ms = time.time_ns() // 1_000_000 // HOUR_MS * HOUR_MS - 3 * HOUR_MS
    records = list(telemetry(21, PARTITIONS, STEPS, start_ms=start_ms))
    end_ms = records[-1].timestamp_ms + 2 * HOUR_MS
    records += [LogRecord(number, end_ms, b"", 0) for number in range(PARTITIONS)]
    chat = tmp_path / "chat" / "messages.ndjson"
    async with Stack.started(tmp_path, partitions=PARTITIONS, simulated_clock=True) as stack:
        producer = AIOKafkaProducer(**stack.kafka_connection.client_args(), acks="all")
        await producer.start()
        try:
            await produce(producer, records)
        finally:
            await producer.stop()
        async with stages(stack):
            pass
        before, told = await stored(stack.influx_connection), chat.read_text(encoding="utf-8")
        assert {"air", "air_10s", "air_1h", "throughput_1m", "alert", "device_state"} <= {
            name for _, name in before
        }
        assert told.splitlines()
        await forget_all_places(stack.kafka_connection)
        async with stages(stack):
            pass
        after = await stored(stack.influx_connection)
        assert set(after) == set(before)
        assert {where: sorted(rows ^ before[where])[:3] for where, rows in after.items()} == {
            where: [] for where in before
        }
        assert chat.read_text(encoding="utf-8") == told
