"""A reading of a wrong clock that comes again makes no row, also in a sink that is new to it."""

from __future__ import annotations

import asyncio
import time
from http import HTTPStatus
from typing import Any

import pytest

from infra.provision import provision_influx
from schemas.connections import InfluxConnection
from schemas.measurements import timestamp_ns
from tests.support.influx_proxy import Instead
from tests.support.influx_sinks import (
    BOOT,
    NOW_MS,
    Sent,
    air,
    committed_of,
    end_of,
    is_,
    rows_of,
    running,
    send,
)
from tests.support.servers import query
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(120)

BUSY = Instead(HTTPStatus.SERVICE_UNAVAILABLE, '{"error":"busy"}', "Content-Type: application/json")
REFUSED = Instead(
    HTTPStatus.FORBIDDEN, '{"error":"requires READ on qala"}', "Content-Type: application/json"
)


def wrong(site: str, at_ms: int, ts: int = 5) -> Sent:
    """The reading 1 of ``site``, of a clock that is not believed, received at ``at_ms``."""
    sent = air(site, 1, ts)
    sent.at = at_ms
    return sent


def now_ms() -> int:
    return time.time_ns() // 1_000_000


async def rows(influx: InfluxConnection, site: str) -> list[dict[str, Any]]:
    return await query(influx, f"SELECT seq, device_ts FROM air WHERE site = '{site}'")


async def test_a_wrong_clock_keeps_its_own_time_in_a_field_and_its_repetition_makes_no_row(
    stack, producer
):
    first, again = (air("clock", 1, 5), air("clock", 1, 5))
    first.at, again.at = NOW_MS, NOW_MS + 300
    async with running(stack.kafka_connection, stack.influx_connection) as sink:
        await send(producer, first)
        await send(producer, again)
        await send(producer, air("clock", 2))
        await eventually(lambda: is_(sink.count("accepted_total", policy="raw") >= 3))
        rows = await eventually(lambda: rows_of(stack, "air", "clock"), lambda r: len(r) >= 2)
    wrong = [row for row in rows if row["seq"] == 1]
    assert [(row["time"], row["device_ts"]) for row in wrong] == [
        (timestamp_ns(NOW_MS, BOOT, 1), 5)
    ]


@pytest.mark.parametrize("ts", [5, -(2**63)])
async def test_a_reading_that_a_new_sink_gets_again_with_a_later_receive_time_is_one_row(
    stack, producer, any_influxdb, ts
):
    await provision_influx(any_influxdb)
    site, group, first_ms = f"again-{time.time_ns()}", f"again-{time.time_ns()}", now_ms()
    async with running(stack.kafka_connection, any_influxdb, group=group):
        await send(producer, wrong(site, first_ms, ts))
        await eventually(lambda: rows(any_influxdb, site))
    await send(producer, wrong(site, first_ms + 900, ts), air(site, 2, first_ms))
    async with running(stack.kafka_connection, any_influxdb, group=group):
        found = await eventually(lambda: rows(any_influxdb, site), lambda r: len(r) >= 2)
    assert [(row["time"], row["device_ts"]) for row in found if row["seq"] == 1] == [
        (timestamp_ns(first_ms, BOOT, 1), ts)
    ]


async def test_partitions_of_a_sink_that_is_killed_go_to_one_that_knows_what_it_wrote(
    stack, producer
):
    site, first_ms = "killed-with-its-memory", now_ms()
    sink = await stack.run("sink", "influx", name="first")
    await send(producer, wrong(site, first_ms))
    await eventually(lambda: rows(stack.influx_connection, site), timeout_s=60)
    end = await end_of(stack)
    await eventually(lambda: committed_of(stack), lambda offset: offset == end)
    await sink.kill()
    await send(producer, wrong(site, first_ms + 900), air(site, 2, first_ms))
    async with running(stack.kafka_connection, stack.influx_connection):
        found = await eventually(
            lambda: rows(stack.influx_connection, site), lambda r: len(r) >= 2, timeout_s=60
        )
    assert [row["time"] for row in found if row["seq"] == 1] == [timestamp_ns(first_ms, BOOT, 1)]


async def test_a_sink_that_starts_before_influxdb_recalls_what_was_written_when_it_comes(
    stack, producer
):
    site, first_ms = "influxdb-later", now_ms()
    async with running(stack.kafka_connection, stack.influx_connection):
        await send(producer, wrong(site, first_ms))
        await eventually(lambda: rows_of(stack, "air", site))
    await stack.influxdb.kill()
    await send(producer, wrong(site, first_ms + 900), air(site, 2, first_ms))
    async with running(stack.kafka_connection, stack.influx_connection, backoff_most_s=0.3) as sink:
        try:
            await eventually(
                lambda: is_("cannot be reached" in sink.readiness.reasons.get("influxdb", ""))
            )
        finally:
            await stack.influxdb.start()
        found = await eventually(lambda: rows_of(stack, "air", site), lambda r: len(r) >= 2)
    assert [row["time"] for row in found if row["seq"] == 1] == [timestamp_ns(first_ms, BOOT, 1)]


async def test_influxdb_that_does_not_answer_is_waited_for_and_nothing_is_written_meanwhile(
    stack, producer, proxy
):
    site, first_ms = "waits", now_ms()
    async with running(stack.kafka_connection, proxy.connection):
        await send(producer, wrong(site, first_ms))
        await eventually(lambda: rows_of(stack, "air", site))
    await send(producer, wrong(site, first_ms + 900), air(site, 2, first_ms))
    proxy.told = BUSY
    async with running(stack.kafka_connection, proxy.connection, backoff_most_s=0.2) as sink:
        await eventually(lambda: is_("busy" in sink.readiness.reasons.get("influxdb", "")))
        assert len(await rows_of(stack, "air", site)) == 1
        proxy.told = None
        found = await eventually(lambda: rows_of(stack, "air", site), lambda r: len(r) >= 2)
        await eventually(lambda: is_(sink.readiness.ready))
    assert [row["time"] for row in found if row["seq"] == 1] == [timestamp_ns(first_ms, BOOT, 1)]


async def test_a_sink_that_waits_for_an_answer_ends_when_it_is_told_to(stack, producer, proxy):
    await send(producer, air("stops", 1, now_ms()))
    proxy.told = BUSY
    waits = {"backoff_first_s": 60.0, "backoff_most_s": 60.0}
    async with running(stack.kafka_connection, proxy.connection, **waits) as sink:
        await eventually(lambda: is_("busy" in sink.readiness.reasons.get("influxdb", "")))
        sink.stop.set()
        async with asyncio.timeout(20):  # half a minute before it would ask again
            await asyncio.shield(sink.task)
    assert await rows_of(stack, "air", "stops") == []
    proxy.told = None
    async with running(stack.kafka_connection, proxy.connection):
        await eventually(lambda: rows_of(stack, "air", "stops"))


async def test_a_sink_that_may_write_and_not_read_goes_on_and_notes_it(stack, producer, proxy):
    proxy.told = REFUSED
    async with running(stack.kafka_connection, proxy.connection) as sink:
        await send(producer, air("unread", 1, now_ms()))
        await eventually(lambda: rows_of(stack, "air", "unread"))
        await eventually(lambda: is_(sink.readiness.ready))
        assert "not read qala/raw" in sink.readiness.notes["wrong clocks"]
