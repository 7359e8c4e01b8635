"""What every sink of rows promises, on the in-memory twin and on real InfluxDB alike."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest
import pytest_asyncio

from infra.provision import provision_influx
from schemas.connections import InfluxConnection
from schemas.measurements import DAY_S
from sinks import InfluxSink, ListSink, Rejected, Sink
from tests.support.servers import query

DAY_NS = DAY_S * 1_000_000_000
_names = itertools.count()


@dataclass
class Desk:
    """A sink and a way to count the rows of a measurement in it."""

    sink: Sink
    count: Callable[[str, str], Awaitable[int]]
    now_ns: int


@pytest.fixture
def name() -> str:
    """A measurement of this test's own."""
    return f"m{next(_names)}_{time.time_ns()}"


def _kinds() -> list[object]:
    """The twin, InfluxDB 1.8, and 2.x where ``QALA_TEST_INFLUXD2`` names its program."""
    servers = ["influx_connection"]
    if os.environ.get("QALA_TEST_INFLUXD2"):
        servers.append("influx2_connection")
    return ["memory", *(pytest.param(name, marks=pytest.mark.integration) for name in servers)]


@pytest.fixture(params=_kinds())
def influx(request: pytest.FixtureRequest) -> InfluxConnection | None:
    """The server to write to; None for the twin."""
    return None if request.param == "memory" else request.getfixturevalue(request.param)


@pytest_asyncio.fixture
async def desk(influx: InfluxConnection | None) -> AsyncIterator[Desk]:
    now_ns = time.time_ns()
    if influx is None:
        yield _of_memory(now_ns)
        return
    await provision_influx(influx)
    sink = InfluxSink(influx, timeout_s=20)

    async def count(policy: str, name: str) -> int:
        rows = await query(influx, f'SELECT count(f) FROM "{policy}"."{name}"', influx.database)
        return rows[0]["count"] if rows else 0

    yield Desk(sink, count, now_ns)
    await sink.close()


def _of_memory(now_ns: int) -> Desk:
    sink = ListSink(lambda: now_ns)

    async def count(policy: str, name: str) -> int:
        return sum(
            (held, series.split(",")[0]) == (policy, name) and "f" in fields
            for (held, series, _), fields in sink.rows.items()
        )

    return Desk(sink, count, now_ns)


async def test_rows_are_accepted_and_are_there(desk: Desk, name: str):
    written = await desk.sink.write("raw", [f"{name} f=1.5 {desk.now_ns + n}" for n in range(50)])
    assert (written.accepted, written.keep, written.rejected) == (50, [], [])
    assert await desk.count("raw", name) == 50


async def test_an_empty_batch_is_taken(desk: Desk):
    assert (await desk.sink.write("raw", [])).accepted == 0


async def test_the_same_rows_again_change_nothing(desk: Desk, name: str):
    rows = [f"{name},site=s f=1.0 {desk.now_ns + n}" for n in range(3)]
    for _ in range(2):
        assert (await desk.sink.write("r10s", rows)).accepted == 3
    assert await desk.count("r10s", name) == 3


async def test_a_field_of_another_type_is_rejected_and_its_neighbours_are_not(
    desk: Desk, name: str
):
    await desk.sink.write("raw", [f"{name} f=20.5 {desk.now_ns}"])
    wrong = f"{name} f=20i {desk.now_ns + 3}"
    rows = [f"{name} f=1.0 {desk.now_ns + n}" for n in range(1, 9) if n != 3]
    written = await desk.sink.write("raw", [*rows[:2], wrong, *rows[2:]])
    assert written.accepted == len(rows)
    reason = "a field has another type in InfluxDB than in the schema"
    assert written.rejected == [Rejected(wrong, reason)]
    assert await desk.count("raw", name) == len(rows) + 1


async def test_lines_that_cannot_be_parsed_are_rejected_in_their_order(desk: Desk, name: str):
    wrong = [f"{name} f= {desk.now_ns}", "nothing", f'{name} s="open {desk.now_ns}']
    rows = [f"{name} f=1.0 {desk.now_ns + n}" for n in range(4)]
    written = await desk.sink.write("raw", [wrong[0], *rows, *wrong[1:]])
    assert written.accepted == 4
    assert [rejected.line for rejected in written.rejected] == wrong
    assert {rejected.reason for rejected in written.rejected} == {"InfluxDB cannot parse the line"}
    assert await desk.count("raw", name) == 4


async def test_rows_beyond_retention_are_expired_and_the_rest_is_written(desk: Desk, name: str):
    old = [f"{name} f=1.0 {desk.now_ns - 31 * DAY_NS + n}" for n in range(3)]
    rows = [f"{name} f=1.0 {desk.now_ns + n}" for n in range(4)]
    written = await desk.sink.write("raw", [*rows[:2], *old, *rows[2:]])
    assert (written.accepted, written.expired, written.rejected) == (4, 3, [])
    assert await desk.count("raw", name) == 4


async def test_a_policy_without_an_end_takes_rows_of_any_age(desk: Desk, name: str):
    assert (await desk.sink.write("r1h", [f"{name} f=1.0 {DAY_NS}"])).accepted == 1


async def test_expired_rejected_and_accepted_lines_are_told_apart_in_one_batch(
    desk: Desk, name: str
):
    old = f"{name} f=1.0 {desk.now_ns - 31 * DAY_NS}"
    wrong = f"{name} f= {desk.now_ns}"
    rows = [f"{name} f=1.0 {desk.now_ns + n}" for n in range(6)]
    written = await desk.sink.write("raw", [rows[0], old, *rows[1:4], wrong, *rows[4:]])
    assert (written.accepted, written.expired, len(written.rejected)) == (6, 1, 1)
    assert written.keep == []
