"""docs/analysts.md: every question, as it stands there, on a simulated city's two days."""

from __future__ import annotations

import asyncio
import re
import sys
import time
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import pytest_asyncio

from infra.simulator.local_time import DAY_MS, MINUTE_MS, day_start_ms, local_day
from infra.simulator.settings import SimulatorSettings
from infra.simulator.town import build_town
from infra.simulator.troubles import Troubles
from schemas.connections import InfluxConnection

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "analysts.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"```(sql|python)\n(.+?)```", re.DOTALL)
QUESTIONS = {part.split(".", 1)[0]: dict(BLOCK.findall(part)) for part in PAGE.split("\n### ")[1:]}
SETTINGS = SimulatorSettings(devices=12, sites=4)
DAYS = 2
# The two ways to a trend are not the same; everything else is the same sum.
ROUGHLY = {"10": 0.05}


def _range_ms() -> tuple[int, int]:
    """The last two whole local days whose windows can all have closed; one has lessons."""
    end_ms = day_start_ms(local_day(time.time_ns() // 1_000_000 - 10 * MINUTE_MS))
    return end_ms - DAYS * DAY_MS, end_ms


def _eventful_seed(begin_ms: int) -> int:
    """A city in which a stop is not safe, one's clock is not set and a device falls silent."""
    days = [local_day(begin_ms) + day for day in range(DAYS)]
    for seed in count(1):
        devices = build_town(SETTINGS.model_copy(update={"seed": seed}), 1)
        dips = [
            spell
            for device, talker in devices
            for day in days
            if device.kind == "ionizer"
            for spell in talker.sampler._dips.of_day(day)
        ]
        unset_clocks = [
            spell
            for place, (device, _) in enumerate(devices)
            for day in days
            if device.kind == "ionizer"
            for spell in Troubles(seed, device, place)._wrong.of_day(day)
            if Troubles(seed, device, place).clock_off_ms(spell.begins_ms) < 0
        ]
        silences = [
            spell
            for place, (device, _) in enumerate(devices)
            for day in days
            if device.kind in {"speaker", "thermometer"}
            for spell in Troubles(seed, device, place)._silence.of_day(day)
        ]
        if dips and silences and unset_clocks:
            return seed
    raise AssertionError


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def page(
    any_influxdb: InfluxConnection, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """The names that the page's first block defines, about the simulated days."""
    begin_ms, end_ms = _range_ms()
    database = "qala_analysts"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "infra.cli", "simulate", "--into-influx",
        "--devices", str(SETTINGS.devices), "--sites", str(SETTINGS.sites),
        "--seed", str(_eventful_seed(begin_ms)), "--faults", "duplicates=2%,late=5%",
        "--days", str(DAYS + 0.01), "--ending", _utc(end_ms + 5 * MINUTE_MS),
        env={
            "QALA_INFLUX_URL": any_influxdb.url,
            "QALA_INFLUX_TOKEN": any_influxdb.token.get_secret_value(),
            "QALA_INFLUX_DATABASE": database,
            "QALA_DATA": str(tmp_path_factory.mktemp("analysts")),
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    names: dict[str, Any] = {}
    (asking,) = [body for kind, body in BLOCK.findall(PAGE.split("\n### ")[0]) if kind == "python"]
    exec(asking, names)  # noqa: S102 - the page's own words
    names |= {
        "URL": any_influxdb.url,
        "TOKEN": any_influxdb.token.get_secret_value(),
        "DATABASE": database,
        "BEGIN": _utc(begin_ms),
        "END": _utc(end_ms),
    }
    return names


def _utc(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_the_page_has_ten_questions_and_more_each_in_both_languages():
    assert list(QUESTIONS) == [str(number) for number in range(1, 13)]
    assert all(blocks.keys() == {"sql", "python"} for blocks in QUESTIONS.values())


def _answers(page: dict[str, Any], number: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The InfluxQL answer by the keys of the pandas one, and the names that pandas left."""
    names = dict(page)
    exec(QUESTIONS[number]["python"], names)  # noqa: S102 - the page's own words
    keys = names["answer"].index.names
    table = page["ask"](QUESTIONS[number]["sql"]).groupby(keys).first().dropna()
    return table[[name for name in table.columns if name != "time"]], names


@pytest.mark.parametrize("number", QUESTIONS)
def test_influxql_and_pandas_give_the_same_answer(page, number):
    table, names = _answers(page, number)
    assert len(table) > 0
    pd.testing.assert_frame_equal(
        table.sort_index(),
        names["answer"].dropna().sort_index()[table.columns],
        check_dtype=False,
        check_index_type=False,
        check_freq=False,
        rtol=ROUGHLY.get(number, 1e-9),
    )


def test_what_only_pandas_answers_is_there_and_possible(page):
    def left(number: str, name: str) -> Any:
        return _answers(page, number)[1][name]

    assert 0 < left("1", "late").max() < 60
    assert left("2", "safe").between(0.9, 1, inclusive="left").any()
    assert left("4", "profile").index.tolist() == list(range(24))
    within = left("6", "within")
    assert 0 < within["sum"].sum() < within["size"].sum()
    assert left("8", "twice").between(0.005, 0.05).any()
    assert left("10", "days_left").between(0, 170).all()
    assert left("11", "correlation").gt(0.3).all()


def test_tickets_within_15_minutes_are_those_that_a_plain_loop_counts(page):
    opened: dict[str, pd.Timestamp] = {}
    quick = total = 0
    rows = page["ask"](
        'SELECT "ticket", "event" FROM "ticket" WHERE time >= $begin AND time < $end'
    )
    for _, row in rows.sort_values("time").iterrows():
        if row["event"] == "opened":
            opened[row["ticket"]] = row["time"]
            total += 1
        elif row["event"] == "closed" and row["ticket"] in opened:
            quick += row["time"] - opened[row["ticket"]] <= pd.Timedelta("15min")
    within = _answers(page, "6")[1]["within"]
    assert (within["sum"].sum(), within["size"].sum()) == (quick, total)


def test_windows_have_late_partials_here_and_a_mean_of_their_rows_would_be_wrong(page):
    rows = page["ask"](
        'SELECT "celsius_sum", "count", "site", "device" FROM "r1h"."temperature_1h" '
        "WHERE \"subject\" = 'ambient' AND time >= $begin AND time < $end"
    )
    hour = rows["time"].dt.floor("h")
    assert (rows["time"] != hour).any()
    of_rows = (rows["celsius_sum"] / rows["count"]).groupby([hour, rows["site"], rows["device"]])
    right = _answers(page, "3")[1]["answer"]["celsius"]
    assert (of_rows.mean() - right).abs().max() > 1e-6


@pytest.mark.parametrize("path", sorted(DOCS.glob("runbooks/*.md")), ids=lambda path: path.stem)
def test_every_query_of_a_runbook_finds_what_it_looks_for(page, path):
    queries = re.findall(r"`(SELECT [^`]+)`", path.read_text(encoding="utf-8"))
    assert queries
    for query in queries:
        anywhere = re.sub(r"\"?(site|device)\"? = '(SITE|DEVICE)' AND ", "", query)
        found = page["ask"](re.sub(r"now\(\) - \w+", "$begin", anywhere))
        # only what runs by a real clock can be behind it, and a past has told no messenger
        live = any(word in query for word in ("behind_s", "'sink-chat'"))
        assert found.empty == live, query
