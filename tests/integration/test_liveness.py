"""What says in InfluxDB that Qala is live: it follows the ticks, and ends with what is cut off."""

from __future__ import annotations

import asyncio
import json
import operator
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.support.city_stack import CityStack, city_stack
from tests.support.waiting import eventually

PARTITIONS = 8
LIMIT_S = 10


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def city(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[CityStack]:
    async with city_stack(
        tmp_path_factory.mktemp("city"), QALA_SINK__INFLUX__PIPELINE_S="1"
    ) as made:
        yield made


async def live(city: CityStack, stage: str) -> bool:
    """Whether the last tick of every partition is younger than the limit."""
    last = (
        'SELECT last("share") AS "s" FROM "raw"."pipeline" '
        f'WHERE "stage" = \'{stage}\' AND time > now() - {LIMIT_S}s GROUP BY "partition"'
    )
    shares = f'SELECT sum("s") AS "live" FROM ({last})'
    return bool(await city.rows(f'SELECT "live" FROM ({shares}) WHERE "live" > 0.999'))


async def listed(city: CityStack) -> dict[str, tuple[str, str | None]]:
    """What `qala devices list` says of each device: its state, and the last that was known."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "infra.cli", "devices", "list", "--json",
        env=city.stack.environ(), stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    told, _ = await process.communicate()
    assert process.returncode == 0
    return {one["device"]: (one["state"], one.get("last_state")) for one in json.loads(told)}


async def reached_s(city: CityStack, stage: str) -> dict[str, float]:
    """How far each partition is said to have come, in seconds since the epoch."""
    rows = await city.rows(
        f'SELECT last("share") FROM "raw"."pipeline" WHERE "stage" = \'{stage}\' '
        'GROUP BY "partition"'
    )
    return {row["partition"]: row["time"] / 1e9 for row in rows if row["partition"]}


async def moved(city: CityStack, stage: str, by_s: float) -> None:
    """Wait until every partition has come further by so much of the log's time."""
    before = await reached_s(city, stage)

    async def all_moved() -> bool:
        now = await reached_s(city, stage)
        return all(now[partition] >= before[partition] + by_s for partition in before)

    await eventually(all_moved, timeout_s=40)


async def test_both_are_live_while_all_runs_and_follow_the_logs_clock(
    city: CityStack,
) -> None:
    for stage in ("sink-influx", "streams"):
        await eventually(lambda stage=stage: live(city, stage), timeout_s=40)
        assert len(await reached_s(city, stage)) == PARTITIONS
        await moved(city, stage, 4.0)
        assert max((await reached_s(city, stage)).values()) <= time.time()


async def test_the_workers_rows_carry_its_counts_and_how_far_it_is_behind(city: CityStack) -> None:
    reading: dict[str, Any] = {"type": "air", "boot": 1, "seq": 0, "efficiency_pct": 99.5}
    await city.send("ionizer", "ion-1", "site-live", reading | {"ts": time.time_ns() // 1_000_000})
    ask = (
        'SELECT "accepted", "lines", "behind_s" FROM "raw"."pipeline" '
        'WHERE "stage" = \'streams\' AND "accepted" > 0 LIMIT 1'
    )
    (row,) = await eventually(lambda: city.rows(ask))
    assert (row["accepted"], row["lines"]) == (1.0, 1.0)
    assert -1 < row["behind_s"] < LIMIT_S
    assert await listed(city) == {"ion-1": ("online", None)}


async def test_without_the_worker_only_what_it_makes_is_not_live(city: CityStack) -> None:
    (worker,) = [stage for stage in city.stack.stages if stage.name.startswith("streams")]
    await worker.kill()
    await moved(city, "sink-influx", 4.0)
    stopped = await reached_s(city, "streams")
    await moved(city, "sink-influx", 4.0)
    assert await reached_s(city, "streams") == stopped
    await eventually(lambda: live(city, "streams"), operator.not_, timeout_s=20)
    assert await live(city, "sink-influx")
    assert await listed(city) == {"ion-1": ("unknown", "online")}
    await city.start("streams")
    await eventually(lambda: live(city, "streams"), timeout_s=40)
    await eventually(lambda: listed(city), {"ion-1": ("online", None)}.__eq__)


async def test_without_a_bridge_nothing_is_live(city: CityStack) -> None:
    (bridge,) = [stage for stage in city.stack.stages if stage.name.startswith("bridge")]
    assert await live(city, "sink-influx")
    await bridge.stop()
    await eventually(lambda: live(city, "sink-influx"), operator.not_, timeout_s=30)
    await eventually(lambda: live(city, "streams"), operator.not_, timeout_s=30)
    assert await listed(city) == {"ion-1": ("unknown", "online")}
