"""`qala streams reset` and `verify` on real Kafka: nothing is lost, and a wrong value is found."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack
from typing import Any, NamedTuple

import msgspec
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from infra.provision import provision_kafka
from schemas import topics
from schemas.records import Alert, decode_alert
from streams import stage as stages
from streams import state as states
from streams.outputs import Output
from streams.partition import Partition
from streams.reset import Case, resetting
from streams.rulefile import default_rules, load_rules
from streams.settings import StreamsSettings
from streams.store import Store
from streams.worker import Worker
from tests.support.log_windows import window_differences
from tests.support.old_state import as_version
from tests.support.stack import QALA, Stack
from tests.support.street import Street
from tests.support.telemetry import (
    START_MS,
    STEP_MS,
    LogRecord,
    produce,
    read_all,
    telemetry,
)
from tests.support.waiting import eventually
from tests.support.workers import running

PARTITIONS = 2
RULES = load_rules(default_rules())
HOUR_MS = 3_600_000


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    data = tmp_path_factory.mktemp("stack")
    async with Stack.started(data, partitions=PARTITIONS, simulated_clock=True) as started:
        yield started


@pytest_asyncio.fixture(loop_scope="session")
async def producer(stack: Stack) -> AsyncIterator[AIOKafkaProducer]:
    """A producer on topics of this test alone."""
    await made_anew(stack, *topics.ALL_TOPICS)
    made = AIOKafkaProducer(**stack.kafka_connection.client_args(), acks="all")
    await made.start()
    yield made
    await made.stop()


async def made_anew(stack: Stack, *names: str) -> None:
    """Delete topics and make them again."""
    admin = AIOKafkaAdminClient(**stack.kafka_connection.client_args())
    await admin.start()
    try:
        there = [name for name in names if name in await admin.list_topics()]
        await admin.delete_topics(there)
        await eventually(admin.list_topics, lambda found: not set(names) & set(found), timeout_s=20)
    finally:
        await admin.close()
    await provision_kafka(stack.kafka_connection, partitions=PARTITIONS, simulated_clock=True)


async def qala(stack: Stack, *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of ``qala streams ARGUMENTS``."""
    process = await asyncio.create_subprocess_exec(
        str(QALA), "streams", *arguments,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE, cwd=stack.data, env=stack.environ(),
    )  # fmt: skip
    out, err = await process.communicate()
    return await process.wait(), out.decode(), err.decode()


class Folded(NamedTuple):
    """The partitions after one quiet fold of a log, and all that it gave out."""

    parts: list[Partition]
    outputs: list[tuple[int, Output]]

    def alerts(self) -> list[Alert]:
        """The state changes of alerts."""
        return [decode_alert(one.value) for _, one in self.outputs if one.topic == topics.ALERTS]


def folded(records: Iterable[LogRecord]) -> Folded:
    """One quiet fold of a log."""
    parts = [Partition(number, PARTITIONS, RULES) for number in range(PARTITIONS)]
    outputs: list[tuple[int, Output]] = []
    for record in records:
        part = parts[record.partition]
        given = part.fold(part.last + 1, record.timestamp_ms, record.value)
        outputs += [(record.partition, one) for one in given]
    return Folded(parts, outputs)


async def keep(stack: Stack, parts: Iterable[Partition], outputs: Iterable[Any] = ()) -> None:
    """Give outputs out and write the state of partitions, as a worker does."""
    store = Store(stack.kafka_connection)
    await store.start()
    for number in range(PARTITIONS):
        await store.send(number, [one for place, one in outputs if place == number])
    for part in parts:
        await store.write(part.number, part.snapshot())
    await store.stop()


async def folded_by_a_worker(stack: Stack, ends: dict[int, int]) -> None:
    """Run a worker until each partition's outputs say that it has come to its last record."""
    worker = await stack.run("streams")

    async def reached() -> bool:
        assert worker.running, worker.died()
        loaded = await Store(stack.kafka_connection).load(ends)
        found = {number: states.load(kept) for number, kept in loaded.items()}
        # what a flush keeps is at most 5 s of the log behind; stopping it keeps the rest
        return all(
            state is not None and state.mark and end - state.mark.offset <= 5_000 // STEP_MS + 1
            for number, end in ends.items()
            for state in [found[number]]
        )

    await eventually(reached, timeout_s=40, every_s=0.3)
    await asyncio.sleep(0.5)
    assert await worker.stop() == 0, worker.died()


async def alerts_told(stack: Stack) -> set[tuple[str, str, int, int]]:
    """(id, state, at, ordinal) of all that was told of alerts."""
    told = await read_all(stack.kafka_connection, topics.ALERTS)
    found = [decode_alert(value) for _, _, value in told]
    return {(one.id, one.state, one.at, one.ordinal) for one in found}


def told_of(alerts: Iterable[Alert]) -> set[tuple[str, str, int, int]]:
    return {(one.id, one.state, one.at, one.ordinal) for one in alerts}


async def test_after_the_log_was_made_anew_a_reset_keeps_every_window_and_ends_every_alert(
    stack: Stack, producer: AIOKafkaProducer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new log of partition 0 is longer than the old one, that of partition 1 is shorter."""
    old = list(telemetry(3, PARTITIONS, 150))
    await produce(producer, old)
    before = folded(old)
    await keep(stack, before.parts, before.outputs)
    await made_anew(stack, topics.TELEMETRY)
    begin_ms = START_MS + 150 * STEP_MS
    new = [
        record
        for record in telemetry(
            4, PARTITIONS, 250, start_ms=begin_ms, late_ms=(0, 0, 0, 25_000, 8_000_000)
        )
        if record.partition == 0 or record.timestamp_ms < begin_ms + 60 * STEP_MS
    ]
    await produce(producer, new)
    worker = await stack.run("streams")
    assert await asyncio.wait_for(worker.process.wait(), 40) == 1
    assert "`qala streams reset --partition 0`" in worker.output()
    assert "another record at offset 149" in worker.output()

    told = told_of(before.alerts())
    on = {decode_alert(one.value).id for part in before.parts for one in part.end()}
    assert on, "the test needs an alert that is on"
    code, out, err = await qala(stack, "reset", "--partition", "1", "--yes", "--json")
    assert (code, err) == (0, "")
    (done,) = json.loads(out)
    assert done["case"] == Case.REMADE
    assert done["windows"] > 0
    await reset_that_dies_before_it_drops(stack, monkeypatch)
    after_first = await rows_of(stack)
    code, out, err = await qala(stack, "reset", "--yes")
    assert (code, err) == (0, "")
    assert "log made anew" in out
    assert await rows_of(stack) == after_first
    ended = {one for one in await alerts_told(stack) if one not in told}
    assert {(one[0], one[1]) for one in ended} == {(name, "resolved") for name in on}

    last_ms = begin_ms + 250 * STEP_MS + 2 * HOUR_MS
    closing = [LogRecord(number, last_ms, b"", 0) for number in range(PARTITIONS)]
    await produce(producer, closing)
    await folded_by_a_worker(stack, {0: 250, 1: 60})
    assert await window_differences(stack.kafka_connection, old, new) == []
    told_anew = told_of(folded([*new, *closing]).alerts())
    assert await alerts_told(stack) == told | ended | told_anew


async def rows_of(stack: Stack) -> set[tuple[str, bytes, bytes]]:
    """Every row and alert that was ever given out."""
    return {
        (topic, key, value)
        for topic in (topics.ROLLUPS, topics.ALERTS)
        for _, key, value in await read_all(stack.kafka_connection, topic)
    }


async def reset_that_dies_before_it_drops(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    async def dies(*_: object) -> None:
        raise ConnectionResetError

    def make(number: int) -> Partition:
        return Partition(number, PARTITIONS, RULES)

    def unseen(*_: int) -> None:
        return

    with monkeypatch.context() as patch:
        patch.setattr(Store, "forget", dies)
        async with resetting(stack.kafka_connection, StreamsSettings(), make, unseen) as resetter:
            with pytest.raises(ConnectionResetError):
                await resetter.reset(0)


async def test_a_reset_waits_for_nobody_and_refuses_while_a_worker_lives(
    stack: Stack, producer: AIOKafkaProducer
) -> None:
    await produce(producer, telemetry(3, PARTITIONS, 40))
    worker = await stack.run("streams")
    await eventually(lambda: joined(stack), timeout_s=30)
    assert (await qala(stack, "reset"))[0] == 2
    code, out, err = await qala(stack, "reset", "--yes")
    assert (code, out) == (1, "")
    assert "the group qala-streams has living workers (qala-streams-" in err
    assert err.count("\n") == 1
    await worker.stop()


async def joined(stack: Stack) -> bool:
    loaded = await Store(stack.kafka_connection).load([0])
    return bool(loaded[0])


async def test_verify_finds_one_value_that_was_changed_and_a_reset_drops_it(
    stack: Stack, producer: AIOKafkaProducer
) -> None:
    log = list(telemetry(5, PARTITIONS, 120))
    await produce(producer, log)
    parts = folded(log).parts
    await keep(stack, parts)
    code, out, err = await qala(stack, "verify", "--json")
    assert (code, err) == (0, "")
    for verdict in json.loads(out):
        assert (verdict["differences"], verdict["offset"]) == (0, 119)
        assert verdict["values"] > 1000
    site = next(iter(parts[1].sites.values()))
    device = next(iter(site.devices.values()))
    device.duplicates += 1
    site.changed = True
    await keep(stack, parts[1:])
    code, out, err = await qala(stack, "verify", "--partition", "1")
    assert code == 1
    assert "the state of partition 1 is not what the log says" in err
    row = next(line for line in out.splitlines() if "duplicates" in line)
    changed = device.duplicates
    assert row.split() == ["1", site.name, device.id, "duplicates", str(changed), str(changed - 1)]
    code, out, _ = await qala(stack, "reset", "--partition", "1", "--yes", "--json")
    assert (code, json.loads(out)[0]["case"]) == (0, Case.WHOLE)
    assert (await Store(stack.kafka_connection).load([1]))[1] == {}
    assert await rows_of(stack) == set()


async def test_a_state_of_an_older_version_is_gone_on_from_and_is_then_what_the_log_says(
    stack: Stack, producer: AIOKafkaProducer
) -> None:
    log = list(telemetry(6, PARTITIONS, 400, late_ms=(0,)))
    await produce(producer, log)
    parts = folded(log[: 60 * PARTITIONS]).parts
    for part, version in zip(parts, (1, 2), strict=True):
        state = part.snapshot()
        records = [record for site in state.sites for record in states.site_records(site)]
        kept = dict([*records, states.header_record(state)])
        for key, value in as_version(kept, version).items():
            await producer.send_and_wait(topics.STATE, value, key, partition=part.number)
    await folded_by_a_worker(stack, dict.fromkeys(range(PARTITIONS), 399))
    code, out, err = await qala(stack, "verify", "--json")
    assert (code, err) == (0, ""), out
    for verdict in json.loads(out):
        assert (verdict["differences"], verdict["offset"]) == (0, 399)
        assert verdict["values"] > 1000


async def test_a_state_that_cannot_be_read_is_named_and_can_be_dropped(
    stack: Stack, producer: AIOKafkaProducer
) -> None:
    log = list(telemetry(5, PARTITIONS, 120))
    await produce(producer, log)
    parts = folded(log).parts
    await keep(stack, parts)
    newer = msgspec.msgpack.encode([99, 0, [0, 0]])
    await producer.send_and_wait(topics.STATE, newer, b"header", partition=0)
    code, _, err = await qala(stack, "verify")
    assert code == 1
    assert "has version 99" in err or "cannot be read" in err
    code, out, _ = await qala(stack, "reset", "--yes")
    assert code == 0
    assert "unreadable" in out
    assert not any((await Store(stack.kafka_connection).load(range(PARTITIONS))).values())


async def test_topics_that_lack_or_have_other_partitions_are_one_line(
    stack: Stack, producer: AIOKafkaProducer
) -> None:
    code, _, err = await qala(stack, "verify", "--partition", "7")
    assert (code, err) == (
        1, "qala: there is no partition 7; qala.telemetry.v1 has 0 to 1\n",
    )  # fmt: skip
    admin = AIOKafkaAdminClient(**stack.kafka_connection.client_args())
    await admin.start()
    await admin.delete_topics([topics.TELEMETRY])
    await eventually(admin.list_topics, lambda found: topics.TELEMETRY not in found, timeout_s=20)
    await admin.close()
    code, _, err = await qala(stack, "reset", "--yes")
    assert code == 1
    assert "Kafka has no topic qala.telemetry.v1" in err
    assert err.count("\n") == 1


async def test_a_site_of_5000_devices_fits_and_is_loaded_as_it_was(
    stack: Stack, producer: AIOKafkaProducer
) -> None:
    """Simulated ionizers with all their fields, open windows, and gaps in their counters."""
    street = Street(RULES)
    fields = {
        "efficiency_pct": 99.95, "ions_cm3": 1234.5, "ozone_ugm3": 88.123, "pm25_ugm3": 12.34,
        "co2_ppm": 612.5, "filter_hours": 1234.25, "power_w": 45.5, "people": 4,
    }  # fmt: skip
    for turn in range(4):
        lines = [
            street.line(f"ion-{number:04}", "air", seq=2 * turn, **fields) for number in range(5000)
        ]
        street.send(*lines)
        street.ticks(3)
    part = street.part
    state = part.snapshot()
    records = [record for site in state.sites for record in states.site_records(site)]
    assert len(records) == 50
    store = Store(stack.kafka_connection)
    await store.start()
    await store.write(0, state)
    await store.stop()
    loaded = (await Store(stack.kafka_connection).load([0]))[0]
    assert loaded == dict([*records, states.header_record(state)])
    again = Partition(0, 1, RULES)
    found = states.load(loaded)
    assert found is not None
    again.load(found)
    (site,) = again.sites.values()
    (quiet,) = part.sites.values()
    assert list(site.snapshot()) == list(quiet.snapshot())


async def test_a_worker_for_whom_no_partition_is_left_counts_as_settled(
    stack: Stack, producer: AIOKafkaProducer, monkeypatch: pytest.MonkeyPatch
) -> None:
    del producer  # its topics alone are wanted
    made: list[Worker] = []

    class Seen(Worker):
        def __init__(self, *parts: Any) -> None:
            super().__init__(*parts)
            made.append(self)

    monkeypatch.setattr(stages, "Worker", Seen)
    async with AsyncExitStack() as crowd:
        workers = [
            await crowd.enter_async_context(
                running(stack.kafka_connection, stack.data, "crowd", f"crowd-{number}")
            )
            for number in range(PARTITIONS + 1)
        ]

        async def one_has_none() -> bool:
            without = [
                one for one in workers if "other workers" in one.readiness.reasons.get("group", "")
            ]
            waiting = [one.awaited for one in made]
            return len(without) == 1 and waiting == [None] * len(workers)

        await eventually(one_has_none, timeout_s=40)
