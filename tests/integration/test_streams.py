"""The stream processor on real Kafka: whatever dies, its outputs are those of one quiet run."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections import defaultdict
from collections.abc import AsyncIterator, Collection
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from infra.supervisor.records import read_probes, run_folder
from schemas import topics
from schemas.connections import KafkaConnection
from schemas.envelope import envelope_headers
from streams.partition import Partition
from streams.rulefile import default_rules, load_rules
from tests.support.folds import is_progress
from tests.support.log_windows import window_differences
from tests.support.stack import Stack, StageProcess
from tests.support.telemetry import LogRecord, produce, read_all, telemetry
from tests.support.waiting import eventually

LAG = re.compile(r'qala_streams_lag_records\{partition="(\d+)"\} (\S+)')
PARTITIONS = 4
STEPS = 600
PACE_S = 0.03
"""Real seconds between steps: the log runs about seven times as fast as real time."""

FROZEN_S = float(os.environ.get("QALA_TEST_FROZEN_S", "9"))
"""So long a worker is frozen; 9 s are enough for its partitions to be given to another one."""

Outputs = dict[tuple[str, bytes], set[bytes]]


@pytest_asyncio.fixture(loop_scope="session")
async def stack(tmp_path: Path) -> AsyncIterator[Stack]:
    """A stack of its own for each test: topics are read from their beginning."""
    async with Stack.started(tmp_path, partitions=PARTITIONS, simulated_clock=True) as started:
        yield started


@pytest_asyncio.fixture(loop_scope="session")
async def producer(stack: Stack) -> AsyncIterator[AIOKafkaProducer]:
    made = AIOKafkaProducer(
        **stack.kafka_connection.client_args(), acks="all", enable_idempotence=True
    )
    await made.start()
    yield made
    await made.stop()


def quiet_run(records: list[LogRecord]) -> Outputs:
    """What one uninterrupted fold of the log gives, by topic and key.

    Without the worker's progress: its counts are those of one worker's life.
    """
    rules = load_rules(default_rules())
    folds = [Partition(number, PARTITIONS, rules) for number in range(PARTITIONS)]
    expected: Outputs = defaultdict(set)
    for record in records:
        fold = folds[record.partition]
        headers = envelope_headers("test", record.lines)
        for output in fold.fold(fold.last + 1, record.timestamp_ms, record.value, headers):
            if output.topic == topics.ALERTS or (
                output.topic == topics.ROLLUPS and not is_progress(output.value)
            ):
                expected[output.topic, output.key or b""].add(output.value)
    return expected


async def outputs(kafka: KafkaConnection) -> Outputs:
    """What is in the topics behind the worker, by topic and key."""
    found: Outputs = defaultdict(set)
    for topic in (topics.ROLLUPS, topics.ALERTS):
        for _, key, value in await read_all(kafka, topic):
            if topic != topics.ROLLUPS or not is_progress(value):
                found[topic, key].add(value)
    return found


async def behind(kafka: KafkaConnection) -> int:
    """How many records of the telemetry topic no worker has committed."""
    parts = [TopicPartition(topics.TELEMETRY, number) for number in range(PARTITIONS)]
    consumer = AIOKafkaConsumer(
        **kafka.client_args(), group_id="qala-streams", enable_auto_commit=False
    )
    await consumer.start()
    try:
        ends = await consumer.end_offsets(parts)
        return sum([ends[tp] - (await consumer.committed(tp) or 0) for tp in parts])
    finally:
        await consumer.stop()


async def paced(producer: AIOKafkaProducer, records: list[LogRecord]) -> None:
    for start in range(0, len(records), PARTITIONS):
        await produce(producer, records[start : start + PARTITIONS])
        await asyncio.sleep(PACE_S)


async def finished(stack: Stack, *workers: StageProcess) -> None:
    """Wait until these workers have read the log, and stop them: they flush before they end."""
    everything = dict.fromkeys(range(PARTITIONS), 0)
    await eventually(lambda: lags(stack, workers), everything.__eq__, timeout_s=60, every_s=0.2)
    for worker in workers:
        assert await worker.stop() == 0, worker.died()
    assert await behind(stack.kafka_connection) == 0


async def lags(stack: Stack, workers: Collection[StageProcess]) -> dict[int, int] | None:
    """How far each partition is behind by the worker that has it; None where two have one."""
    pids = {worker.pid for worker in workers}
    found: list[tuple[int, int]] = []
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=3)) as session:
        for probe in read_probes(run_folder(stack.data)):
            if probe.process.pid in pids:
                try:
                    async with session.get(f"http://127.0.0.1:{probe.port}/metrics") as answer:
                        text = await answer.text()
                except aiohttp.ClientError:  # one that was given up has ended by itself
                    continue
                found += [(int(one[1]), int(float(one[2]))) for one in LAG.finditer(text)]
    by_partition = dict(found)
    return by_partition if len(by_partition) == len(found) else None


def assert_same(found: Outputs, expected: Outputs) -> None:
    twofold = [name for name, values in found.items() if len(values) > 1]
    assert [name for name in twofold if name[0] == topics.ROLLUPS] == []
    assert set(found) == set(expected)
    different = [name for name in expected if found[name] != expected[name]]
    assert [(found[name], expected[name]) for name in different[:3]] == []
    assert {topic for topic, _ in expected} == {topics.ROLLUPS, topics.ALERTS}


@pytest.mark.timeout(260)
async def test_a_worker_killed_three_times_gives_what_a_quiet_run_gives(
    stack: Stack, producer: AIOKafkaProducer
) -> None:
    records = list(telemetry(7, PARTITIONS, STEPS))
    load = asyncio.create_task(paced(producer, records))
    for _ in range(3):
        worker = await stack.run("streams")
        await asyncio.sleep(5)
        assert worker.running, worker.died()
        await worker.kill()
    worker = await stack.run("streams")
    await load
    await finished(stack, worker)
    assert_same(await outputs(stack.kafka_connection), quiet_run(records))


@pytest.mark.timeout(180 + FROZEN_S)
async def test_two_workers_one_killed_and_one_frozen_give_what_a_quiet_run_gives(
    stack: Stack, producer: AIOKafkaProducer
) -> None:
    """The first one is killed, and the second one frozen, in the middle of open windows."""
    records = list(telemetry(8, PARTITIONS, STEPS + round((FROZEN_S - 9) / PACE_S)))
    load = asyncio.create_task(paced(producer, records))
    first = await stack.run("streams")
    await asyncio.sleep(4)
    second = await stack.run("streams")
    await asyncio.sleep(4)
    await first.kill()
    third = await stack.run("streams")
    await asyncio.sleep(4)
    second.signal(signal.SIGSTOP)
    await asyncio.sleep(FROZEN_S)
    second.signal(signal.SIGCONT)
    await load
    records += await closed(producer, records)
    await finished(stack, *[worker for worker in (second, third) if worker.running])
    assert_same(await outputs(stack.kafka_connection), quiet_run(records))
    assert await window_differences(stack.kafka_connection, records) == []


async def test_workers_that_join_and_leave_give_what_a_quiet_run_gives(
    stack: Stack, producer: AIOKafkaProducer
) -> None:
    records = list(telemetry(10, PARTITIONS, 400))
    load = asyncio.create_task(paced(producer, records))
    workers = [await stack.run("streams")]
    for _ in range(2):
        await asyncio.sleep(3)
        workers.append(await stack.run("streams"))
        await asyncio.sleep(3)
        assert await workers[-2].stop() == 0, workers[-2].died()
    await load
    records += await closed(producer, records)
    await finished(stack, workers[-1])
    assert_same(await outputs(stack.kafka_connection), quiet_run(records))
    assert await window_differences(stack.kafka_connection, records) == []


async def closed(producer: AIOKafkaProducer, records: list[LogRecord]) -> list[LogRecord]:
    """Ticks so late that every window has ended."""
    late_ms = records[-1].timestamp_ms + 7_200_000
    ticks = [LogRecord(number, late_ms, b"", 0) for number in range(PARTITIONS)]
    await produce(producer, ticks)
    return ticks


async def test_a_log_that_was_made_again_stops_the_worker_with_a_sentence(
    stack: Stack, producer: AIOKafkaProducer
) -> None:
    await produce(producer, telemetry(9, PARTITIONS, 60))
    worker = await stack.run("streams")
    await finished(stack, worker)
    from aiokafka.admin import AIOKafkaAdminClient, NewTopic  # noqa: PLC0415

    admin = AIOKafkaAdminClient(**stack.kafka_connection.client_args())
    await admin.start()
    await admin.delete_topics([topics.TELEMETRY])
    await eventually(lambda: _gone(admin), timeout_s=20)
    await admin.create_topics([NewTopic(topics.TELEMETRY, PARTITIONS, 1)])
    await admin.close()
    again = await stack.run("streams")
    code = await asyncio.wait_for(again.process.wait(), 30)
    assert code == 1
    assert "the topic was deleted and made again" in again.output()


async def _gone(admin: object) -> bool:
    return topics.TELEMETRY not in await admin.list_topics()  # type: ignore[attr-defined]
