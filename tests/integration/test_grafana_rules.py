"""Rules that Grafana judges, asked of a real InfluxDB: each fires, and each stays silent.

Grafana isn't here: the expressions are evaluated by the few lines below, as its documentation
describes them (reduce to the last value, math, threshold; no data goes through all of them).
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from dashboards.deliver import rule_group
from infra.provision import provision_influx
from schemas.connections import InfluxConnection
from schemas.influxql import ask_influxql, influx_session
from tests.support.servers import write_rows

PARTITIONS = 4
RULES = {rule["uid"].removeprefix("qala-"): rule for rule in rule_group()["rules"]}


@pytest_asyncio.fixture(loop_scope="session")
async def influx(any_influxdb: InfluxConnection) -> InfluxConnection:
    """A database of each test's own, empty."""
    own = any_influxdb.model_copy(update={"database": f"rules{time.monotonic_ns()}"})
    await provision_influx(own)
    return own


async def write(influx: InfluxConnection, rows: Sequence[str]) -> None:
    await write_rows(influx, "raw", rows, precision="ms")


async def ask(influx: InfluxConnection, query: str) -> float | None:
    """The last value of a query's one series; None where it gives none."""
    async with influx_session(influx, aiohttp.ClientTimeout(total=20)) as session:
        answer = await ask_influxql(session, influx, query, epoch="ms")
    assert not answer.refusal
    series = answer.series
    assert len(series) <= 1, "a rule's query gives one series"
    return float(series[0].rows[-1][1]) if series else None


async def fires(influx: InfluxConnection, name: str) -> bool:
    """Whether a rule's condition holds now, whatever its `for` is."""
    rule = RULES[name]
    values: dict[str, float | None] = {}
    for item in rule["data"]:
        model = item["model"]
        values[item["refId"]] = (
            evaluate(model, values) if "type" in model else await ask(influx, model["query"])
        )
    result = values[rule["condition"]]
    return rule["noDataState"] == "Alerting" if result is None else bool(result)


def evaluate(model: dict[str, Any], values: dict[str, float | None]) -> float | None:
    kind, expression = model["type"], model["expression"]
    if kind == "math":
        left, right = (
            values[ref] for ref in re.fullmatch(r"\$(\w+) - \$(\w+)", expression).groups()
        )
        return None if left is None or right is None else left - right
    value = values[expression]
    if value is None:
        return None
    if kind == "reduce":
        assert model["reducer"] == "last"
        return value
    assert kind == "threshold"
    (condition,) = model["conditions"]
    (limit,) = condition["evaluator"]["params"]
    return float({"gt": value > limit, "lt": value < limit}[condition["evaluator"]["type"]])


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def ticks(stage: str, age_s: float, partitions: Sequence[int] = range(PARTITIONS)) -> list[str]:
    at = now_ms() - int(age_s * 1000)
    return [
        f"pipeline,stage={stage},partition={partition} share={1 / PARTITIONS} {at}"
        for partition in partitions
    ]


def figures(age_s: float, lag: int, instance: str = "sink-influx") -> str:
    at = now_ms() - int(age_s * 1000)
    tags = f"stage=sink-influx,instance={instance}"
    return f"pipeline,{tags} received=100,lag_telemetry={float(lag)} {at}"


def bridge(name: str, age_s: float, tick_age_s: float = 0.5, reader: str = "sink-influx") -> str:
    at = now_ms() - int(age_s * 1000)
    tags = f"stage=bridge,instance={name},reader={reader}"
    present = ",present=1.0" if tick_age_s < 10 else ""
    return f"pipeline,{tags} tick_age_s={tick_age_s},lines=5.0{present} {at}"


def left(name: str, age_s: float) -> str:
    at = now_ms() - int(age_s * 1000)
    return f"pipeline,stage=bridge,instance={name},reader=sink-influx present=0.0,lines=5.0 {at}"


def chat(age_s: float, *, members: int = 1, lag: int = 0, channel: str = "json-1") -> list[str]:
    at = now_ms() - int(age_s * 1000)
    figures = f"members={float(members)},lag={float(lag)}"
    return [
        f"pipeline,stage=sink-chat,channel={channel} {figures} {at}",
        f"pipeline,stage=sink-chat channels=1.0 {at}",
    ]


async def test_a_qala_that_never_ran_fires_all_that_something_must_be_told_of_and_no_comparison(
    influx: InfluxConnection,
) -> None:
    found = {name: await fires(influx, name) for name in RULES}
    assert found == {
        "no-ticks": True, "worker-behind": True, "lag-growing": False, "sink-silent": True,
        "bridge-absent": False, "chat-behind": True,
    }  # fmt: skip


async def test_a_qala_that_ticks_fires_nothing(influx: InfluxConnection) -> None:
    await write(influx, [*ticks("sink-influx", 1), *ticks("streams", 1), figures(1, 20)])
    await write(influx, [bridge("north", 1), bridge("south", 1), *chat(1), *chat(30)])
    assert {name: await fires(influx, name) for name in RULES} == dict.fromkeys(RULES, False)


@pytest.mark.parametrize(
    "stage,expected", [("sink-influx", {"no-ticks"}), ("streams", {"worker-behind"})]
)
async def test_one_partition_that_stands_still_fires_the_rule_of_its_stage(
    influx: InfluxConnection, stage: str, expected: set[str]
) -> None:
    (other,) = {"sink-influx", "streams"} - {stage}
    await write(influx, [*ticks(stage, 30, [0]), *ticks(stage, 1, [1, 2, 3]), *ticks(other, 1)])
    assert {name for name in ("no-ticks", "worker-behind") if await fires(influx, name)} == expected


async def test_lag_that_grew_fires_and_lag_that_is_only_large_does_not(
    influx: InfluxConnection,
) -> None:
    await write(influx, [figures(660, 50), figures(30, 5_000)])
    assert await fires(influx, "lag-growing")
    await write(influx, [figures(650, 9_900, "sink-influx-2"), figures(20, 5_000, "sink-influx-2")])
    assert not await fires(influx, "lag-growing")


async def test_lag_is_that_of_all_copies_of_the_sink_together(influx: InfluxConnection) -> None:
    for copy in ("sink-influx", "sink-influx-2"):
        await write(influx, [figures(660, 50, copy), figures(30, 700, copy)])
    assert await fires(influx, "lag-growing")


async def test_a_sink_that_last_spoke_two_minutes_ago_fires(influx: InfluxConnection) -> None:
    await write(influx, [figures(120, 0)])
    assert await fires(influx, "sink-silent")


@pytest.mark.parametrize("topic", ["rollups", "alerts", "devices"])
async def test_lag_of_any_topic_alone_fires(influx: InfluxConnection, topic: str) -> None:
    for age_s, lag in ((660, 50), (30, 5_000)):
        await write(influx, [figures(age_s, lag).replace("lag_telemetry", f"lag_{topic}")])
    assert await fires(influx, "lag-growing")


async def test_lags_of_all_topics_are_summed_also_where_a_copy_tells_of_one_alone(
    influx: InfluxConnection,
) -> None:
    for topic, copy in (("telemetry", "one"), ("rollups", "two")):
        for age_s, lag in ((660, 10), (30, 700)):
            row = figures(age_s, lag, copy).replace("lag_telemetry", f"lag_{topic}")
            await write(influx, [row])
    assert await fires(influx, "lag-growing")


async def test_one_of_two_bridges_that_is_gone_fires_while_the_other_ticks(
    influx: InfluxConnection,
) -> None:
    both = [bridge(name, age_s) for name in ("north", "south") for age_s in (70, 90)]
    await write(influx, [*both, bridge("north", 1)])
    assert await fires(influx, "bridge-absent")
    await write(influx, [bridge("south", 2, reader="sink-influx-2")])
    assert not await fires(influx, "bridge-absent")


async def test_bridge_of_which_the_sink_only_remembers_an_old_tick_is_absent(
    influx: InfluxConnection,
) -> None:
    await write(influx, [bridge("north", 1), bridge("south", 120), bridge("south", 1, 119.0)])
    assert await fires(influx, "bridge-absent")


@pytest.mark.parametrize("age_s", [5, 100, 3600])
async def test_a_bridge_that_left_for_good_is_not_missed_while_another_that_is_gone_is(
    influx: InfluxConnection, age_s: float
) -> None:
    await write(influx, [bridge("north", 1), bridge("south", age_s + 1), left("south", age_s)])
    assert not await fires(influx, "bridge-absent")
    await write(influx, [bridge("west", 90)])
    assert await fires(influx, "bridge-absent")


async def test_a_bridge_that_came_back_after_it_left_is_missed_again(
    influx: InfluxConnection,
) -> None:
    await write(influx, [bridge("north", 1), left("south", 500), bridge("south", 100)])
    assert await fires(influx, "bridge-absent")


async def test_a_bridge_that_ticked_two_days_ago_is_not_missed(influx: InfluxConnection) -> None:
    await write(influx, [bridge("north", 1), bridge("south", 2 * 86_400)])
    assert not await fires(influx, "bridge-absent")


async def test_a_chat_that_nobody_serves_fires_though_nothing_waits(
    influx: InfluxConnection,
) -> None:
    await write(influx, [*chat(100, members=0), *chat(2, members=0)])
    assert await fires(influx, "chat-behind")
    await write(influx, chat(1))
    assert not await fires(influx, "chat-behind")


async def test_chats_of_which_nothing_has_been_told_for_minutes_fire(
    influx: InfluxConnection,
) -> None:
    await write(influx, [figures(1, 20), *chat(150), *chat(130)])
    assert await fires(influx, "chat-behind")
    assert not await fires(influx, "sink-silent")


async def test_a_city_without_a_chat_sink_does_not_fire(influx: InfluxConnection) -> None:
    await write(influx, [f"pipeline,stage=sink-chat channels=0.0 {now_ms()}"])
    assert not await fires(influx, "chat-behind")


async def test_one_channel_of_two_for_which_alerts_wait_all_the_time_fires(
    influx: InfluxConnection,
) -> None:
    for age_s in (100, 50, 2):
        await write(influx, [*chat(age_s), *chat(age_s, lag=4, channel="ntfy-2")])
    assert await fires(influx, "chat-behind")
    await write(influx, chat(1, channel="ntfy-2"))
    assert not await fires(influx, "chat-behind")
