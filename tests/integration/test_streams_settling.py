"""A worker whose take-over or whose commits do not succeed ends; it stays no silent member."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.consumer.group_coordinator import GroupCoordinator

from schemas import group_watch
from schemas.connections import KafkaConnection
from schemas.errors import StuckClientError
from streams import app as apps
from streams import store as stores
from streams.errors import WorkerError
from streams.partition import FLUSH_AFTER_MS
from streams.store import Store
from streams.worker import Worker
from tests.support.influx_sinks import is_
from tests.support.servers import RunningServer
from tests.support.telemetry import produce, telemetry
from tests.support.waiting import eventually
from tests.support.workers import running

PARTITIONS = 8
STEPS = 20

Loaded = dict[int, dict[bytes, bytes]]


async def _some_telemetry(kafka: KafkaConnection) -> None:
    producer = AIOKafkaProducer(**kafka.client_args(), acks="all")
    await producer.start()
    await produce(producer, telemetry(3, PARTITIONS, STEPS))
    await producer.stop()


@pytest.fixture
def hanging(kafka: RunningServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[asyncio.Event]:
    """Set when a take-over has begun: from then on, Kafka hangs."""
    begun = asyncio.Event()
    load = Store.load

    async def pausing(self: Store, partitions: Iterable[int]) -> Loaded:
        kafka.pause()
        begun.set()
        return await load(self, partitions)

    monkeypatch.setattr(Store, "load", pausing)
    yield begun
    kafka.resume()


async def test_a_worker_whose_take_over_fails_while_kafka_hangs_ends(
    log_servers: KafkaConnection,
    hanging: asyncio.Event,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stores, "SILENCE_S", 1.0)
    async with running(log_servers, tmp_path, "fails") as worker:
        await hanging.wait()
        with pytest.raises(WorkerError, match=r"Kafka gave nothing of qala\.\S+ for 1 s"):
            await worker.ended()


async def test_a_worker_that_is_told_to_stop_while_kafka_hangs_at_its_take_over_stops(
    log_servers: KafkaConnection, hanging: asyncio.Event, tmp_path: Path
) -> None:
    async with running(log_servers, tmp_path, "stops") as worker:
        await hanging.wait()
        worker.stop.set()
        await worker.ended()


async def test_a_worker_whose_take_over_hangs_while_kafka_answers_ends_and_says_where(
    log_servers: KafkaConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def for_ever(_self: Store, _partitions: Iterable[int]) -> Loaded:
        return await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(Store, "load", for_ever)
    monkeypatch.setattr(group_watch, "limit_s", lambda _session_s: 9.0)
    async with running(log_servers, tmp_path, "hangs") as worker:
        with pytest.raises(StuckClientError, match=r"taking over the partitions \[0, 1, 2"):
            await worker.ended()


async def test_a_worker_whose_commits_hang_while_kafka_answers_ends(
    log_servers: KafkaConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = False
    commit = GroupCoordinator._do_commit_offsets

    # inside the client's lock, and shielded from cancelling
    async def hanging(self: GroupCoordinator, *given: object) -> None:
        if read:
            await asyncio.get_running_loop().create_future()
        await commit(self, *given)

    monkeypatch.setattr(GroupCoordinator, "_do_commit_offsets", hanging)
    monkeypatch.setattr(group_watch, "limit_s", lambda _session_s: 9.0)
    async with running(log_servers, tmp_path, "stuck") as worker:
        await _some_telemetry(log_servers)
        await eventually(lambda: is_(worker.folded() >= PARTITIONS * STEPS), timeout_s=30)
        read = True
        # all may be committed already; so long after a flush the next record brings another
        await asyncio.sleep(FLUSH_AFTER_MS / 1000)
        await _some_telemetry(log_servers)
        with pytest.raises(StuckClientError, match="no offset was taken for"):
            await worker.ended()


async def test_a_worker_reads_on_where_kafka_hung_for_longer_than_a_request_after_its_take_over(
    log_servers: KafkaConnection,
    kafka: RunningServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(apps, "REQUEST_S", 6.0)
    await _some_telemetry(log_servers)
    seek = Worker.seek
    last_sought = asyncio.Event()

    async def pausing(self: Worker, partition: int, offset: int) -> None:
        await seek(self, partition, offset)
        if partition == PARTITIONS - 1 and not last_sought.is_set():
            kafka.pause()
            last_sought.set()

    monkeypatch.setattr(Worker, "seek", pausing)
    async with running(log_servers, tmp_path, "reads-on") as worker:
        try:
            await last_sought.wait()
            await asyncio.sleep(8)
        finally:
            kafka.resume()
        await eventually(lambda: is_(worker.folded() >= PARTITIONS * STEPS), timeout_s=30)
