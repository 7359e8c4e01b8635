"""A simulated past in a real InfluxDB: as the real path would have left it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from infra.provision.influx import provision_influx
from infra.simulator import SimulatorSettings
from infra.simulator.local_time import (
    DAY_MS,
    HOUR_MS,
    SUNDAY,
    day_start_ms,
    local_day,
    weekday,
)
from infra.simulator.past import FillError, fill
from ingest.persons import PersonKey
from schemas.connections import InfluxConnection
from schemas.measurements import POLICY_OF_WINDOW, TAG_FIELDS
from streams.rulefile import default_rules, load_rules
from tests.support.recompute import Distinct, differences, recompute, stored_windows
from tests.support.servers import query, write_rows

# the loop of the session's servers
pytestmark = pytest.mark.asyncio(loop_scope="session")

SMALL = ("--devices", "12", "--sites", "4")
FAULTS = "duplicates=2%,late=5%,malformed=1%"
LATENESS_MS = 2_000
LIVE = (
    'SELECT "live" FROM (SELECT sum("s") AS "live" FROM (SELECT last("share") AS "s" '
    'FROM "raw"."pipeline" WHERE "stage" = \'{stage}\' AND time > {now}ms - 10s AND '
    'time <= {now}ms GROUP BY "partition")) WHERE "live" > 0.999'
)


class Past(NamedTuple):
    """Half a day of a small city: where it is, when it ends, and what the command said."""

    influx: InfluxConnection
    folder: Path
    end_ms: int
    said: dict[str, Any]

    async def rows(self, question: str) -> list[dict[str, Any]]:
        """The answer to an InfluxQL question."""
        return await query(self.influx, question, db=self.influx.database)


async def simulate(
    influx: InfluxConnection, folder: Path, end_ms: int, *words: str
) -> tuple[int, str, str]:
    """Run ``qala simulate --into-influx`` as a user would; its exit code and both outputs."""
    environ = {name: text for name, text in os.environ.items() if not name.startswith("QALA_")}
    ending = datetime.fromtimestamp(end_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "infra.cli", "simulate", "--into-influx", "--ending", ending, *words,
        env={
            **environ,
            "QALA_INFLUX_URL": influx.url,
            "QALA_INFLUX_TOKEN": influx.token.get_secret_value(),
            "QALA_INFLUX_ORG": influx.org,
            "QALA_INFLUX_DATABASE": influx.database,
            "QALA_DATA": str(folder),
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


def _school_day_ended_ms() -> int:
    """The last time that it was 18:00 by the city's clock on a day with lessons."""
    now_ms = time.time_ns() // 1_000_000
    day = local_day(now_ms)
    while weekday(day) == SUNDAY or day_start_ms(day) + 18 * HOUR_MS > now_ms:
        day -= 1
    return day_start_ms(day) + 18 * HOUR_MS


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def past(
    any_influxdb: InfluxConnection, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Past]:
    """Twelve devices from six in the morning of the last school day to six in the evening."""
    influx = any_influxdb.model_copy(update={"database": "qala_past"})
    folder = tmp_path_factory.mktemp("past")
    end_ms = _school_day_ended_ms()
    words = ("--days", "0.5", *SMALL, "--faults", FAULTS, "--json")
    code, out, err = await simulate(influx, folder, end_ms, *words)
    assert code == 0, err
    yield Past(influx, folder, end_ms, json.loads(out[out.index("{") :]))


async def test_every_policy_has_rows_of_everything_that_qala_writes(past):
    wanted = {
        "raw": [*TAG_FIELDS, "device_state", "pipeline"],
        "r10s": [f"{sort}_10s" for sort in (*TAG_FIELDS, "throughput")],
        "r1m": [f"{sort}_1m" for sort in (*TAG_FIELDS, "throughput")],
        "r1h": [*(f"{sort}_1h" for sort in (*TAG_FIELDS, "throughput")), "alert"],
    }
    for policy, names in wanted.items():
        assert past.said["rows"][policy] > 0
        for name in names:
            assert await past.rows(f'SELECT * FROM "{policy}"."{name}" LIMIT 1'), (policy, name)
    assert past.said["simulated"] is True
    assert len(past.said["devices"]) == 12


async def test_windows_equal_a_recomputation_from_the_raw_rows(past):
    recent_ms = (past.end_ms - 2 * HOUR_MS) // HOUR_MS * HOUR_MS
    for sort in TAG_FIELDS:
        # of what is rare everything, of the rest the last hours
        from_ms = past.end_ms - DAY_MS if sort in {"passage", "ticket"} else recent_ms
        raw = [
            (row.pop("time"), row)
            for row in await past.rows(f'SELECT * FROM "raw"."{sort}" WHERE time >= {from_ms}ms')
        ]
        assert len(raw) > 20, sort
        at_ms = {}
        readings = []
        for time_ns, row in raw:
            shift = (row["seq"] + 7919 * row["boot"]) % 1_000_000
            one = Distinct(row["site"], "", row["device"], {"type": sort, **row}, believed=True)
            at_ms[id(one)] = (time_ns - shift) // 1_000_000
            readings.append(one)
        for window in POLICY_OF_WINDOW:
            expected = recompute(readings, window, lambda one: at_ms[id(one)])  # noqa: B023
            stored, broken = await stored_windows(past.influx, sort, window)
            span_ms = {"10s": 10_000, "1m": 60_000, "1h": 3_600_000}[window]
            last_ms = past.end_ms - LATENESS_MS - span_ms

            def closed(windows, last_ms=last_ms, first_ms=from_ms):
                return {key: w for key, w in windows.items() if first_ms <= key[1] <= last_ms}

            assert broken == []
            assert closed(expected).keys() or window == "1h"
            assert differences(window, closed(expected), closed(stored)) == [], (sort, window)


async def test_a_row_that_is_half_written_is_named_and_not_merged(any_influxdb):
    influx = any_influxdb.model_copy(update={"database": "qala_half"})
    await provision_influx(influx)
    tags = "device=t-1,kind=thermometer,site=school-59,subject=ambient"
    whole = "celsius_sum=20,celsius_min=20,celsius_max=20"
    start_ns = time.time_ns() // 10**10 * 10**10
    await write_rows(
        influx,
        "r10s",
        (
            f"temperature_10s,{tags} count=1i,{whole} {start_ns + 1}",
            f"temperature_10s,{tags} {whole} {start_ns + 2}",
            f"temperature_10s,{tags} count=1i,celsius_min=20 {start_ns + 3}",
        ),
    )
    windows, broken = await stored_windows(influx, "temperature", "10s")
    assert [(one.where[1] % 10, one.what) for one in broken] == [
        (2, "count of a row"),
        (3, "celsius of a row"),
    ]
    (held,) = windows.values()
    assert held.fields["celsius"].count == 1


async def test_the_rows_look_live_at_their_end_and_not_ten_seconds_later(past):
    for stage in ("streams", "sink-influx"):
        assert len(await past.rows(LIVE.format(stage=stage, now=past.end_ms))) == 1
        assert await past.rows(LIVE.format(stage=stage, now=past.end_ms + 10_001)) == []


async def test_every_device_has_a_state_and_no_person_is_in_the_clear(past):
    states = await past.rows('SELECT last("code") FROM "device_state" GROUP BY "site", "device"')
    assert {f"{row['site']}/{row['device']}" for row in states} == set(past.said["devices"])
    persons = await past.rows('SELECT "person" FROM "passage"')
    assert persons
    assert not any(row["person"].startswith("person") for row in persons)


async def test_the_past_says_that_it_is_simulated(past):
    marks = await past.rows('SELECT "devices" FROM "pipeline" WHERE "stage" = \'simulator\'')
    assert {row["devices"] for row in marks} == {12.0}
    assert marks[-1]["time"] == past.end_ms * 1_000_000
    assert len(marks) == 12


async def fill_again(influx: InfluxConnection, end_ms: int, *, force: bool) -> None:
    await fill(
        SimulatorSettings(devices=12, sites=4),
        days=0.05,
        end_ms=end_ms,
        influx=influx,
        key=lambda: PersonKey("only-for-tests-0123456789abcdefgh"),
        rules=load_rules(default_rules()),
        force=force,
    )


async def test_a_past_is_not_mixed_with_what_is_there_unless_forced(past):
    with pytest.raises(FillError, match=r"school-59.*--force"):
        await fill_again(past.influx, past.end_ms, force=False)


async def test_a_refused_past_leaves_no_key(past, tmp_path):
    code, _, err = await simulate(past.influx, tmp_path, past.end_ms, "--days", "0.05", *SMALL)
    assert code == 1
    assert "--force" in err
    assert list(tmp_path.iterdir()) == []


async def test_the_end_of_a_past_tells_the_command_that_draws_it(past, tmp_path):
    other = past.influx.model_copy(update={"database": "qala_past_told"})
    words = ("--days", "0.05", "--devices", "2", "--sites", "1")
    code, out, err = await simulate(other, tmp_path, past.end_ms, *words)
    assert code == 0, err
    command = out.splitlines()[-1]
    begins = "QALA_INFLUX_DATABASE=qala_past_told qala dashboards preview --range 2h --now 20"
    assert command.startswith(begins)


async def test_the_same_past_again_changes_no_row(past):
    influx = past.influx.model_copy(update={"database": "qala_past_again"})

    async def everything() -> dict[str, list[dict[str, Any]]]:
        return {
            policy: await query(influx, f'SELECT * FROM "{policy}"./.*/', db=influx.database)
            for policy in ("raw", "r10s", "r1m", "r1h")
        }

    await fill_again(influx, past.end_ms, force=False)
    first = await everything()
    assert all(len(rows) > 10 for rows in first.values())
    await fill_again(influx, past.end_ms, force=True)
    assert await everything() == first
