"""How far the worker has come, read from real Kafka: what `qala devices list` goes by."""

from __future__ import annotations

import itertools
import time
from collections.abc import AsyncIterator, Mapping

import pytest_asyncio
from aiokafka import AIOKafkaProducer

from infra.worker_clocks import WorkerClocks, worker_clocks
from schemas.connections import KafkaConnection
from schemas.records import WorkerProgress, encode, rollup_key
from schemas.topics import ROLLUPS, partition_of

PARTITIONS = 8
MINUTE_MS = 60_000


def site_of(partition: int) -> str:
    """A site whose readings are in this partition."""
    names = (f"site-{number}" for number in itertools.count())
    return next(name for name in names if partition_of(name, PARTITIONS) == partition)


@pytest_asyncio.fixture
async def producer(log_servers: KafkaConnection) -> AsyncIterator[AIOKafkaProducer]:
    async with AIOKafkaProducer(**log_servers.client_args(), acks="all") as made:
        yield made


async def say(
    producer: AIOKafkaProducer, partition: int, clock: int, at_ms: int, speed: float | None = None
) -> None:
    word = WorkerProgress(partition=partition, partitions=PARTITIONS, clock=clock, speed=speed)
    await producer.send_and_wait(
        ROLLUPS, encode(word), rollup_key(word), partition=partition, timestamp_ms=at_ms
    )


def live(clocks: WorkerClocks, now_ms: int) -> Mapping[int, bool]:
    return {number: clocks.live(site_of(number), now_ms) for number in range(PARTITIONS)}


async def test_a_partition_is_live_by_its_newest_word_however_much_lies_behind_it(
    log_servers: KafkaConnection, producer: AIOKafkaProducer
) -> None:
    now_ms = time.time_ns() // 1_000_000 + 30 * MINUTE_MS  # later than whatever else is there
    await say(producer, 0, now_ms - 9_000, now_ms - 9_000)
    await say(producer, 0, now_ms - 1_000, now_ms - 1_000)
    await say(producer, 1, now_ms - 2_000, now_ms - 2_000)
    sent = [
        await producer.send(ROLLUPS, b"{}", b"a-site/w", partition=1, timestamp_ms=now_ms - 1_000)
        for _ in range(3_000)
    ]
    await producer.flush()
    assert all(future.done() for future in sent)
    # it catches up: a word of now, of a clock of a minute ago
    await say(producer, 2, now_ms - MINUTE_MS, now_ms - 1_000)
    # the clock of this machine, or of the broker's, is wrong
    await say(producer, 3, now_ms + MINUTE_MS, now_ms - 1_000)
    # a simulated clock is not of our time
    await say(producer, 4, MINUTE_MS, now_ms - 3_000, speed=60.0)
    await producer.send_and_wait(
        ROLLUPS, b'{"row":"progress"', b"progress/5/1", partition=5, timestamp_ms=now_ms - 1_000
    )
    clocks = await worker_clocks(log_servers, now_ms)
    assert clocks.told_ms == {
        0: now_ms - 1_000,
        1: now_ms - 2_000,
        2: now_ms - MINUTE_MS,
        3: now_ms + MINUTE_MS,
        4: now_ms - 3_000,
    }
    assert [number for number, is_live in live(clocks, now_ms).items() if is_live] == [0, 1, 4]


async def test_what_a_simulated_clock_shows_now_follows_from_the_newest_word(
    log_servers: KafkaConnection, producer: AIOKafkaProducer
) -> None:
    now_ms = time.time_ns() // 1_000_000 + 40 * MINUTE_MS
    await say(producer, 0, 400 * MINUTE_MS, now_ms - 2_000, speed=60.0)
    await say(producer, 1, 401 * MINUTE_MS, now_ms - 1_000, speed=60.0)
    clocks = await worker_clocks(log_servers, now_ms)
    assert clocks.speed == 60.0
    assert clocks.now_ms(now_ms) == 402 * MINUTE_MS


async def test_without_a_word_nothing_is_live(log_servers: KafkaConnection) -> None:
    now_ms = time.time_ns() // 1_000_000 + 50 * MINUTE_MS
    clocks = await worker_clocks(log_servers, now_ms)
    assert clocks == WorkerClocks(0, {})
    assert clocks.now_ms(now_ms) == now_ms
    assert not any(live(clocks, now_ms).values())
