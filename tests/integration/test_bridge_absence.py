"""Which bridges the boards count as absent: from bridges over Kafka and the sink to InfluxDB."""

from __future__ import annotations

import asyncio
import time

import pytest

from dashboards.influxql import interpolate
from dashboards.signals import bridges
from infra.provision import provision_influx
from schemas.connections import InfluxConnection
from tests.support.bridges import Adoption, Bridge, forget_session
from tests.support.influx_sinks import running
from tests.support.servers import query
from tests.support.stack import Stack
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(180)


async def present(influx: InfluxConnection) -> dict[str, float]:
    """Of each bridge, what was last told of its being there."""
    rows = await query(
        influx,
        'SELECT last("present") AS "present" FROM "raw"."pipeline" '
        'WHERE "stage" = \'bridge\' GROUP BY "instance"',
        influx.database,
    )
    return {row["instance"]: row["present"] for row in rows}


async def absent_soon(influx: InfluxConnection) -> float:
    """The boards' figure as it is when no bridge has ticked for a minute from now on."""
    soon_ms = time.time_ns() // 1_000_000 + (bridges.ABSENT_S + 10) * 1000
    text = interpolate(
        bridges.absent.query, {}, start_ms=0, end_ms=soon_ms, interval_ms=10_000, now_ms=soon_ms
    )
    (row,) = await query(influx, text, influx.database)
    value: float = row["value"]
    return value


async def test_a_bridge_that_left_or_was_adopted_is_not_absent_and_one_that_died_is(
    stack: Stack, any_influxdb: InfluxConnection
) -> None:
    influx = any_influxdb.model_copy(update={"database": f"absence{time.monotonic_ns()}"})
    await provision_influx(influx)
    mqtt, kafka = stack.mqtt_connection, stack.kafka_connection
    names = ("leaves", "adopted", "dies")
    made = [Bridge(mqtt, kafka, id=name, leave_on_stop=name == "leaves") for name in names]
    leaves, adopted, dies = made
    try:
        async with running(kafka, influx, pipeline_s=0.3):
            for bridge in made:
                await bridge.until_connected()
            there = dict.fromkeys(names, 1)
            await eventually(lambda: present(influx), lambda found: found == there, timeout_s=30)
            assert await absent_soon(influx) == 3
            for bridge in (adopted, dies):
                bridge.task.cancel()
            await asyncio.gather(adopted.task, dies.task, return_exceptions=True)
            await leaves.ended()
            await Adoption(mqtt, kafka, id="adopted").drained()
            there |= {"leaves": 0, "adopted": 0}
            await eventually(lambda: present(influx), lambda found: found == there, timeout_s=30)
            assert await absent_soon(influx) == 1

            back = Bridge(mqtt, kafka, id="leaves")
            made.append(back)
            await back.until_connected()
            there["leaves"] = 1
            await eventually(lambda: present(influx), lambda found: found == there, timeout_s=30)
            assert await absent_soon(influx) == 2
            await back.ended()
    finally:
        for bridge in made:
            bridge.task.cancel()
        for name in names:
            await forget_session(mqtt, f"qala-bridge-{name}")
