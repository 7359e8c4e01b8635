"""A real InfluxDB or Kafka that is away, hangs, is full or is badly reached: no row is lost."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
import weakref
from http import HTTPStatus
from pathlib import Path
from random import Random

import pytest

from infra.native import free_port
from schemas.connections import InfluxConnection
from schemas.deadletters import Reason
from schemas.envelope import envelope_headers
from schemas.readiness import Readiness
from schemas.topics import TELEMETRY
from sinks import InfluxSink
from sinks.deadletter import DeadLetters
from sinks.kafka import close_within
from sinks.kafka import producer as idempotent_producer
from sinks.rows import Letter
from tests.support.influx_proxy import Instead
from tests.support.influx_sinks import (
    Running,
    air,
    committed_of,
    end_of,
    is_,
    letters_of,
    rows_of,
    running,
    send,
)
from tests.support.servers import query
from tests.support.small_disk import influxdb_on_small_disk
from tests.support.stack import Stack
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(180)


async def seqs_of(stack: Stack, site: str) -> list[int]:
    return sorted(row["seq"] for row in await rows_of(stack, "air", site))


async def letters_about(stack: Stack, site: str) -> int:
    return sum(site.encode() in letter.value for letter in await letters_of(stack))


async def all_there(stack: Stack, sink: Running, site: str, count: int) -> None:
    """Every reading is a row, once; the sink is ready, and InfluxDB was blamed for nothing."""
    found = await eventually(
        lambda: seqs_of(stack, site), lambda seqs: len(seqs) >= count, timeout_s=60
    )
    assert found == list(range(count))
    await eventually(lambda: is_(sink.readiness.ready))
    assert sink.count("rejected_total") == 0
    assert await letters_about(stack, site) == 0


async def test_rows_that_were_written_while_the_answer_came_too_late_are_unchanged_by_the_next(
    stack, producer, proxy
):
    async with running(
        stack.kafka_connection, proxy.connection, write_timeout_s=1.0, backoff_most_s=0.3
    ) as sink:
        await eventually(lambda: is_(sink.readiness.ready))
        proxy.open.clear()
        await send(producer, *(air("too-late", seq, power_w=seq / 8) for seq in range(300)))
        await eventually(lambda: is_(proxy.held >= 2 and sink.count("retries_total") >= 2))
        before = await rows_of(stack, "air", "too-late")
        assert len(before) == 300, "InfluxDB has them, and the sink does not know"
        assert sink.count("accepted_total", policy="raw") == 0
        assert "cannot be reached" in sink.readiness.reasons["influxdb"]
        assert await committed_of(stack) < await end_of(stack)
        proxy.open.set()
        await all_there(stack, sink, "too-late", 300)
        await eventually(lambda: committed_of(stack), lambda offset: offset > 0)
    assert await rows_of(stack, "air", "too-late") == before


async def test_the_last_word_of_a_bridge_is_not_lost_with_a_sink_that_ends_while_influxdb_is_away(
    stack, producer
):
    async with running(stack.kafka_connection, stack.influx_connection, drain_s=0.5) as sink:
        await eventually(lambda: is_(sink.readiness.ready))
        await stack.influxdb.stop()
        try:
            await send(producer, air("last-word", 0))
            await eventually(lambda: is_("influxdb" in sink.readiness.reasons))
            read = sink.count("records_total")
            left = envelope_headers("goes", 0, left=True)
            await producer.send_and_wait(TELEMETRY, b"", partition=1, headers=left)
            await eventually(lambda: is_(sink.count("records_total") > read))
        finally:
            sink.stop.set()
            await asyncio.wait({sink.task}, timeout=30)
            await stack.influxdb.start()
    told = 'SELECT "present" FROM "raw"."pipeline" WHERE "instance" = \'goes\''
    async with running(stack.kafka_connection, stack.influx_connection):
        (row, *_) = await eventually(lambda: query(stack.influx_connection, told))
    assert row["present"] == 0


async def test_an_answer_that_is_cut_off_after_the_write_makes_no_row_twice(stack, producer, proxy):
    async with running(stack.kafka_connection, proxy.connection, backoff_most_s=0.3) as sink:
        await eventually(lambda: is_(sink.readiness.ready))
        proxy.about = b",site=cut"
        proxy.faults.extend(["cut"] * 3)
        await send(producer, *(air("cut", seq) for seq in range(300)))
        # the rows are there after the first one, of which the sink knows nothing
        await eventually(lambda: is_(sink.count("retries_total") == 3))
        end = await end_of(stack)
        await eventually(lambda: committed_of(stack), lambda offset: offset == end)
        await all_there(stack, sink, "cut", 300)
        assert not proxy.faults
        assert sink.count("retries_total") == 3


@pytest.mark.parametrize(
    "fault,said",
    [
        (Instead(HTTPStatus.BAD_GATEWAY, "<html>bad gateway</html>"), "answers 502"),
        (Instead(HTTPStatus.SERVICE_UNAVAILABLE), "answers 503"),
        (Instead(HTTPStatus.INSUFFICIENT_STORAGE, "<html>full</html>"), "answers 507"),
        (Instead(HTTPStatus.BAD_REQUEST, "<html>not InfluxDB's page</html>"), "answers 400"),
        (Instead(HTTPStatus.OK, "<html>please log in</html>"), "is not InfluxDB"),
        (Instead(HTTPStatus.ACCEPTED), "is not InfluxDB"),
    ],
    ids=lambda value: str(value.status.value) if isinstance(value, Instead) else "",
)
async def test_an_answer_that_is_not_influxdbs_is_waited_out_and_costs_no_row(
    stack, producer, proxy, fault, said
):
    site = f"instead-{fault.status.value}"
    async with running(stack.kafka_connection, proxy.connection, backoff_most_s=0.2) as sink:
        await eventually(lambda: is_(sink.readiness.ready))
        proxy.about = f",site={site}".encode()
        proxy.faults.extend([fault] * 4)
        await send(producer, *(air(site, seq) for seq in range(200)))
        await eventually(lambda: is_(said in sink.readiness.reasons.get("influxdb", "")))
        await all_there(stack, sink, site, 200)


@pytest.mark.parametrize("fault", [None, Instead(HTTPStatus.SERVICE_UNAVAILABLE)], ids=str)
async def test_a_write_that_fails_leaves_nothing_in_memory_also_before_the_collector_comes(
    proxy, fault
):
    nobody = InfluxConnection(url=f"http://127.0.0.1:{free_port()}")
    sink = InfluxSink(proxy.connection if fault else nobody, timeout_s=10)
    rows = [f"air,site=memory efficiency_pct={seq}.5 {seq}" for seq in range(20_000)]
    size = sum(map(len, rows))
    if fault:
        proxy.faults.extend([fault] * 50)
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        assert (await sink.write("raw", rows)).trouble
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(10):
            assert (await sink.write("raw", rows)).trouble
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
        gc.enable()
        proxy.faults.clear()
    await sink.close()
    assert grown < size, f"ten writes of {size} bytes left {grown}"


class Ring:
    """What only the garbage collector finds."""

    def __init__(self) -> None:
        self.itself = self


async def test_what_only_the_garbage_collector_finds_is_found_while_a_sink_runs(stack, monkeypatch):
    monkeypatch.setattr("sinks.influx_loop._TIDY_S", 0.1)
    async with running(stack.kafka_connection, stack.influx_connection) as sink:
        await eventually(lambda: is_(sink.readiness.ready))
        gc.disable()
        try:
            ring = weakref.ref(Ring())
            await eventually(lambda: is_(ring() is None))
        finally:
            gc.enable()


async def test_a_pause_that_is_asked_for_is_kept(stack, producer, proxy):
    busy = Instead(HTTPStatus.SERVICE_UNAVAILABLE, header="Retry-After: 2")
    async with running(
        stack.kafka_connection, proxy.connection, backoff_first_s=0.01, backoff_most_s=0.02
    ) as sink:
        await eventually(lambda: is_(sink.readiness.ready))
        proxy.faults.extend([busy] * 50)  # at the sink's own pace these would be used up at once
        await send(producer, *(air("asked", seq) for seq in range(10)))
        await eventually(lambda: is_(sink.count("retries_total") >= 1))
        left = len(proxy.faults)
        assert left >= 48
        proxy.faults.clear()
        await all_there(stack, sink, "asked", 10)


async def test_a_slow_influxdb_is_written_to_at_its_own_pace_without_a_repetition(
    stack, producer, proxy
):
    async with running(
        stack.kafka_connection, proxy.connection, batch_lines=200, waiting_lines=400
    ) as sink:
        await eventually(lambda: is_(sink.readiness.ready))
        proxy.slow_s = 0.2
        for first in range(0, 3000, 100):
            await send(producer, *(air("slow", seq) for seq in range(first, first + 100)))
        await all_there(stack, sink, "slow", 3000)
        assert sink.count("retries_total") == 0
        assert proxy.passed >= 15


async def test_a_sink_killed_in_the_middle_of_a_batch_loses_nothing_and_doubles_nothing(
    stack, producer, proxy
):
    environ = {"QALA_INFLUX_URL": proxy.connection.url}
    sink = await stack.run("sink", "influx", name="killed", **environ)
    await send(producer, air("killed", 0))
    await eventually(lambda: seqs_of(stack, "killed"), timeout_s=60)
    proxy.open.clear()
    for first in range(1, 1501, 300):
        await send(producer, *(air("killed", seq) for seq in range(first, first + 300)))
    await eventually(lambda: is_(proxy.held >= 1), timeout_s=60)
    assert await committed_of(stack) < await end_of(stack)
    await sink.kill()
    before = await rows_of(stack, "air", "killed")
    proxy.open.set()
    again = await stack.run("sink", "influx", name="again", **environ)
    found = await eventually(
        lambda: seqs_of(stack, "killed"), lambda seqs: len(seqs) >= 1501, timeout_s=60
    )
    assert found == list(range(1501))
    end = await end_of(stack)
    await eventually(lambda: committed_of(stack), lambda offset: offset == end, timeout_s=60)
    rows = await rows_of(stack, "air", "killed")
    assert [row for row in rows if row in before] == before, "what it had written is unchanged"
    assert await letters_about(stack, "killed") == 0
    assert await again.stop() == 0, again.died()


async def test_a_full_disk_is_waited_for_and_said_and_what_was_refused_then_is_written_later(
    stack, producer, tmp_path: Path
):
    async with influxdb_on_small_disk(tmp_path) as (server, influx, disk):
        asked = "SELECT seq FROM air WHERE site = 'full'"

        async def seqs() -> list[int]:
            return sorted(row["seq"] for row in await query(influx, asked))

        async with running(
            stack.kafka_connection,
            influx,
            group="full",
            waiting_lines=2000,
            fetch_records=1,
            backoff_most_s=0.5,
        ) as sink:
            await send(producer, *(air("full", seq) for seq in range(200)))
            await eventually(seqs, lambda found: len(found) == 200)
            disk.fill()
            for first in range(200, 8200, 200):
                await send(producer, *(air("full", seq) for seq in range(first, first + 200)))
            await eventually(
                lambda: is_("no room on its disk" in sink.readiness.reasons.get("influxdb", ""))
            )
            await eventually(lambda: is_(sink.count("retries_total") >= 5))
            assert 0 < sink.count("waiting_rows") <= 2400
            disk.free()
            await server.restart()  # or else 1.8 goes on refusing for minutes
            found = await eventually(seqs, lambda found: len(found) >= 8200, timeout_s=60)
            assert found == list(range(8200))
            await eventually(lambda: is_(sink.readiness.ready))
            assert sink.count("rejected_total") == sink.count("expired_total") == 0


async def test_nothing_is_lost_or_doubled_while_influxdb_is_killed_and_comes_back(stack, producer):
    async with running(
        stack.kafka_connection, stack.influx_connection, waiting_lines=500, backoff_most_s=0.5
    ) as sink:
        await send(producer, *(air("outage", seq) for seq in range(100)))
        await eventually(lambda: rows_of(stack, "air", "outage"), lambda r: len(r) == 100)
        await stack.influxdb.kill()
        try:
            for first in range(100, 2100, 100):
                await send(producer, *(air("outage", seq) for seq in range(first, first + 100)))
            await eventually(lambda: is_(sink.count("retries_total") >= 1))
            assert "cannot be reached" in sink.readiness.reasons["influxdb"]
        finally:
            await stack.influxdb.start()
        rows = await eventually(
            lambda: rows_of(stack, "air", "outage"), lambda r: len(r) >= 2100, timeout_s=60
        )
        await eventually(lambda: is_(sink.readiness.ready))
    assert sorted(row["seq"] for row in rows) == list(range(2100))


async def test_rows_go_on_after_kafka_is_killed_and_comes_back(stack, producer):
    async with running(stack.kafka_connection, stack.influx_connection):
        await send(producer, *(air("broker", seq) for seq in range(20)))
        await eventually(lambda: rows_of(stack, "air", "broker"), lambda r: len(r) == 20)
        await stack.kafka.restart(kill=True)
        await send(producer, *(air("broker", seq) for seq in range(20, 40)))
        await eventually(
            lambda: rows_of(stack, "air", "broker"), lambda r: len(r) == 40, timeout_s=40
        )


async def test_a_stop_ends_while_kafka_is_away(stack, producer):
    try:
        async with asyncio.timeout(60), running(stack.kafka_connection, stack.influx_connection):
            await send(producer, air("leaving", 1))
            await eventually(lambda: rows_of(stack, "air", "leaving"), lambda r: len(r) == 1)
            await stack.kafka.stop()
            before = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - before < 20
    finally:
        await stack.kafka.start()


async def test_a_dead_letter_that_kafka_does_not_take_is_given_up_at_a_stop(stack, producer):
    stop, readiness = asyncio.Event(), Readiness("kafka")
    letters_producer = idempotent_producer(stack.kafka_connection)
    await letters_producer.start()
    letters = DeadLetters(
        letters_producer, writer="test", readiness=readiness, random=Random(1), stop=stop
    )
    letter = Letter(b"bad", Reason.NOT_A_RECORD, "made up")
    assert await letters.write(TELEMETRY, [letter])
    await stack.kafka.stop()
    try:
        async with asyncio.timeout(30):
            asyncio.get_running_loop().call_later(0.5, stop.set)
            assert not await letters.write(TELEMETRY, [letter])
            await close_within(letters_producer, 2.0)
    finally:
        await stack.kafka.start()


async def test_memory_is_bounded_while_influxdb_hangs(stack, producer):
    async with running(
        stack.kafka_connection,
        stack.influx_connection,
        waiting_lines=300,
        fetch_records=1,
        write_timeout_s=0.5,
        backoff_most_s=0.5,
    ) as sink:
        await eventually(lambda: is_(sink.readiness.ready))
        stack.influxdb.pause()
        try:
            for first in range(0, 3000, 100):
                await send(producer, *(air("hangs", seq) for seq in range(first, first + 100)))
            await eventually(lambda: is_(sink.count("retries_total") >= 3))
            assert 0 < sink.count("waiting_rows") <= 400
        finally:
            stack.influxdb.resume()
        await eventually(lambda: rows_of(stack, "air", "hangs"), lambda r: len(r) == 3000)


async def test_offsets_are_committed_only_after_influxdb_has_the_rows(stack, producer):
    async with running(stack.kafka_connection, stack.influx_connection) as sink:
        await send(producer, air("commit", 1))
        await eventually(lambda: rows_of(stack, "air", "commit"))
        end = await end_of(stack)
        before = await eventually(lambda: committed_of(stack), lambda offset: offset == end)
        await stack.influxdb.stop()
        try:
            await send(producer, air("commit", 2))
            await eventually(lambda: is_(sink.count("retries_total") >= 1))
            assert await committed_of(stack) == before
            sink.stop.set()
        finally:
            await stack.influxdb.start()
    assert await committed_of(stack) >= before
    async with running(stack.kafka_connection, stack.influx_connection):
        await eventually(lambda: rows_of(stack, "air", "commit"), lambda r: len(r) == 2)
