"""What queries of boards make of a few rows that say little, late, or from a wrong clock."""

from __future__ import annotations

import time
from collections.abc import Mapping

import pytest

from dashboards.boards import catalogue
from dashboards.influxql import ALL, interpolate
from dashboards.model import SPANS, Signal, Span, Table
from dashboards.signals import people
from dashboards.signals.simulated import simulated
from dashboards.signals.tickets import opened_per_hour
from infra.provision.influx import provision_influx
from schemas.connections import InfluxConnection
from schemas.lineprotocol import device_row
from schemas.records import DeviceRecord
from sinks.influx import InfluxSink
from tests.support.board_city import HOUR
from tests.support.board_queries import BOARDS, Filled, asked
from tests.support.servers import query


async def calm_city(server: InfluxConnection, database: str, firmware: str) -> Filled:
    """A city of one device of which nothing but its state was told."""
    influx = server.model_copy(update={"database": database})
    await provision_influx(influx)
    end_ms = int(time.time()) * 1000
    told = DeviceRecord(
        site="stop-1",
        kind="speaker",
        device="spk-1",
        state="online",
        since=end_ms - HOUR,
        at=end_ms - 60_000,
        firmware=firmware,
    )
    sink = InfluxSink(influx, timeout_s=60)
    assert not (await sink.write("raw", [device_row(told)])).rejected
    await sink.close()
    return Filled(influx, end_ms)


async def test_city_without_any_alert_has_none_that_fires(any_influxdb: InfluxConnection):
    signals = {entry.signal.name: entry.signal for entry in catalogue(BOARDS)}
    calm = await calm_city(any_influxdb, "calm", "2.0.1")
    for name in ("firing_critical", "firing_warning", "firing_info", "firing_site"):
        zero = signals[name].zero_by
        assert zero is not None
        for signal, values in ((signals[name], []), (zero, [0])):
            text = asked(signal.query, calm, {"site": ALL})
            assert [row["value"] for row in await query(calm.influx, text, "calm")] == values


@pytest.mark.parametrize("firmware, marked", [("simulated", {"simulated"}), ("2.0.1", set())])
async def test_devices_of_the_simulator_mark_their_data(
    any_influxdb: InfluxConnection, firmware: str, marked: set[str]
):
    city = await calm_city(any_influxdb, f"firmware-{firmware}", firmware)
    rows = await query(city.influx, asked(simulated.query, city, {}), city.influx.database)
    assert {row["made_by"] for row in rows} == marked


async def filled_with(
    server: InfluxConnection, database: str, rows: Mapping[str, list[str]]
) -> Filled:
    """A database of its own that holds nothing but these rows."""
    influx = server.model_copy(update={"database": database})
    await provision_influx(influx)
    sink = InfluxSink(influx, timeout_s=60)
    for policy, lines in rows.items():
        written = await sink.write(policy, lines)
        assert written.accepted == len(lines)
    await sink.close()
    return Filled(influx, int(time.time()) // 3600 * HOUR)


async def values(filled: Filled, name: str, span: Span = SPANS[0]) -> list[float]:
    signals = {entry.signal.name: entry.signal for entry in catalogue(BOARDS)}
    text = asked(signals[name].query, filled, {"site": ALL, "device": ALL}, span)
    rows = await query(filled.influx, text, filled.influx.database)
    return [row["value"] for row in rows if row["value"] is not None]


async def test_rows_of_a_clock_that_ran_ahead_are_not_current(any_influxdb: InfluxConnection):
    ahead_ns = (int(time.time()) // 3600 * HOUR + 10_000) * 1_000_000
    tags = "stage=streams,partition=0 share=1,accepted=1"
    rows = [f"pipeline,{tags} {ahead_ns}", f"air,site=s,device=d ozone_ugm3=5 {ahead_ns}"]
    filled = await filled_with(any_influxdb, "ahead", {"raw": rows})
    assert await values(filled, "worker_live") == []
    assert await values(filled, "air_ozone_ugm3") == []
    then = filled._replace(end_ms=filled.end_ms + 10_000)
    assert await values(then, "worker_live") == [1]
    assert await values(then, "air_ozone_ugm3") == [5]


async def test_rate_of_what_seldom_comes_counts_the_windows_in_which_nothing_came(
    any_influxdb: InfluxConnection,
):
    hour_ms = int(time.time()) // 3600 * HOUR - 2 * HOUR
    rows = [
        f"ticket_1m,site=s,device=d,service=a,event=opened count=1i {at_ms * 1_000_000}"
        for hour in (0, 1)
        for at_ms in (hour_ms + hour * HOUR + 60_000, hour_ms + hour * HOUR + 120_000)
    ]
    filled = await filled_with(any_influxdb, "seldom", {"r1m": rows})
    text = interpolate(
        opened_per_hour(("site",)).query,
        {"window": "1m", "site": ALL, "device": ALL},
        start_ms=hour_ms,
        end_ms=filled.end_ms,
        interval_ms=HOUR,
    )
    found = [row["value"] for row in await query(filled.influx, text, "seldom")]
    assert [round(rate, 6) for rate in found if rate is not None] == pytest.approx([2, 2], rel=0.05)


@pytest.mark.parametrize(
    "counter, count, expected", [("scene", "", 30), ("air", ",people_count=2i", 30)]
)
async def test_people_over_time_are_the_means_of_devices_summed(
    any_influxdb: InfluxConnection, counter: people.Counter, count: str, expected: float
):
    first_ms = int(time.time()) // 3600 * HOUR - HOUR
    rows = [
        f"{counter}_10s,site={site},device={device} count=2i,people_sum={2 * many}"
        f"{count} {at * 1_000_000}"
        for site, device, many, every in (("a", "one", 10, 20_000), ("b", "two", 20, 30_000))
        for at in range(first_ms, first_ms + HOUR, every)
    ]
    rows.append(f"throughput_10s,site=s,kind=camera people=900i {first_ms * 1_000_000}")
    filled = await filled_with(any_influxdb, f"people-{counter}", {"r10s": rows})
    text = interpolate(
        people.over_time(counter, ()).query,
        {"window": "10s", "site": ALL},
        start_ms=first_ms,
        end_ms=filled.end_ms - 1,
        interval_ms=60_000,
    )
    found = await query(filled.influx, text, filled.influx.database)
    assert {row["value"] for row in found} == {expected}


async def test_who_died_with_people_in_view_is_counted_no_more(any_influxdb: InfluxConnection):
    end_ms = int(time.time()) // 3600 * HOUR
    rows = [
        f"scene,site={site},device={device} people={count}i {(end_ms - age_ms) * 1_000_000}"
        for site, device, count, age_ms in (
            ("a", "cam-1", 3, 1000),
            ("a", "cam-1", 30, 9000),
            ("a", "cam-2", 2, 170_000),
            ("a", "cam-3", 40, 190_000),
            ("b", "cam-4", 7, 2000),
            ("c", "cam-5", 9, 3_600_000),
        )
    ]
    filled = await filled_with(any_influxdb, "dead", {"raw": rows})
    assert await values(filled, "people_now_scene") == [12]
    assert await values(filled, "people_now_scene_site") == [5, 7]
    seen = await query(
        filled.influx, asked(people.seen("scene").query, filled, {"site": ALL}), "dead"
    )
    assert [row["time"] // 1_000_000 - end_ms for row in seen] == [-1000]


async def test_data_of_simulated_devices_stay_marked_when_their_states_have_expired(
    any_influxdb: InfluxConnection,
):
    hour_ns = 3_600_000_000_000
    last_hour = int(time.time()) // 3600 - 60 * 24
    marks = [
        f'simulated,site=s firmware="simulated" {(last_hour - hours) * hour_ns}'
        for hours in range(900)
    ]
    filled = await filled_with(any_influxdb, "marks", {"r1h": marks})

    async def marked(days: float, ago_days: float) -> list[int]:
        text = interpolate(
            simulated.query,
            {},
            start_ms=filled.end_ms - round((ago_days + days) * 24 * HOUR),
            end_ms=filled.end_ms - round(ago_days * 24 * HOUR),
            interval_ms=HOUR,
        )
        return [row["time"] for row in await query(filled.influx, text, "marks")]

    assert len(await marked(0.25, 61)) >= 6, "six hours, two months ago"
    assert await marked(50, 0) == []
    whole = await marked(730, 0)
    days = {at // (24 * hour_ns) for at in whole}
    assert len(days) == len({(last_hour - hours) // 24 for hours in range(900)})


async def test_simulated_devices_are_counted_and_none_is_zero(any_influxdb: InfluxConnection):
    for firmware, expected in (("simulated", 1), ("2.0.1", 0)):
        city = await calm_city(any_influxdb, f"counted-{firmware}", firmware)
        found = [await values(city, name) for name in ("simulated_devices", "devices_online")]
        assert found == [[expected], [1]]


async def test_alert_whose_rule_got_another_severity_does_not_fire_on(
    any_influxdb: InfluxConnection,
):
    at_ms = int(time.time()) // 3600 * HOUR - HOUR
    rows = [
        f"alert,site=s,rule=r,severity={severity},device=d firing={firing}i {at * 1_000_000}"
        for severity, firing, at in (("warning", 1, at_ms), ("critical", 0, at_ms + 1000))
    ]
    filled = await filled_with(any_influxdb, "severities", {"r1h": rows})
    found = [await values(filled, f"firing_{severity}") for severity in ("warning", "critical")]
    assert found == [[0], [0]]
    assert await values(filled, "firing_site") == [0]


async def test_late_reading_does_not_hide_that_a_camera_was_tampered_with(
    any_influxdb: InfluxConnection,
):
    start_ns = (int(time.time()) // 3600 * HOUR - 20_000) * 1_000_000
    late_ns = start_ns + 1_000
    rows = [
        f"scene_10s,site=s,device=c tamper_max={yes} {at}"
        for yes, at in ((1, start_ns), (0, late_ns))
    ]
    filled = await filled_with(any_influxdb, "tampered", {"r10s": rows})
    assert await values(filled, "tampered") == [1]


async def in_minutes(filled: Filled, signal: Signal, minutes: int) -> list[float]:
    """What a history has in each interval of so many minutes, up to the end."""
    text = interpolate(
        signal.query,
        {"window": "1m", "site": "s", "device": "d"},
        start_ms=filled.end_ms - 10 * 60_000,
        end_ms=filled.end_ms - 1,
        interval_ms=minutes * 60_000,
    )
    rows = await query(filled.influx, text, filled.influx.database)
    return [row["value"] for row in rows if row["value"] is not None]


async def test_value_above_its_limit_is_on_the_boards_whose_mean_is_below(
    any_influxdb: InfluxConnection,
):
    end_ms = int(time.time()) // 3600 * HOUR
    readings = [
        f"air_1m,site=s,device=d count=1i,ozone_ugm3_count=1i,ozone_ugm3_sum={value}.0,"
        f"ozone_ugm3_min={value}.0,ozone_ugm3_max={value}.0 {(end_ms - 60_000) * 1_000_000 + place}"
        for place, value in enumerate((41, 140, 80))
    ]
    filled = await filled_with(any_influxdb, "ozone", {"r1m": readings})
    boards = {board.uid: board for board in BOARDS}
    for uid, expected in (
        ("qala-ionizers", [[140]]),
        ("qala-site", [[87], [140]]),
        ("qala-device", [[87], [140]]),
    ):
        asked_for = [
            entry.signal
            for entry in catalogue([boards[uid]])
            if "ozone_ugm3_" in entry.signal.query
        ]
        found = [await in_minutes(filled, signal, 1) for signal in asked_for]
        assert found == expected, uid


async def test_dust_that_lasted_is_the_highest_that_all_rows_of_a_minute_kept_to(
    any_influxdb: InfluxConnection,
):
    end_ms = int(time.time()) // 3600 * HOUR
    rows = [
        f"air_1m,site=s,device=d count=1i,pm25_ugm3_min={low}.0 {at_ms * 1_000_000 + place}"
        for at_ms, lows in ((end_ms - 120_000, (80, 20)), (end_ms - 60_000, (76,)))
        for place, low in enumerate(lows)
    ]
    filled = await filled_with(any_influxdb, "dust", {"r1m": rows})
    signals = {entry.signal.name: entry.signal for entry in catalogue(BOARDS)}
    lasting = signals["air_pm25_ugm3_lasting_over_time"]
    assert await in_minutes(filled, lasting, 1) == [20, 76]
    assert await in_minutes(filled, lasting, 10) == [76]


async def test_replayed_letters_make_no_row_in_the_table_of_bridges(
    any_influxdb: InfluxConnection,
):
    at_ns = (int(time.time()) // 3600 * HOUR - 10_000) * 1_000_000
    rows = [
        f"pipeline,stage=bridge,instance=bridge-1,reader=s lines=5i,tick_age_s=0.4 {at_ns}",
        f"pipeline,stage=bridge,instance=replay,reader=s lines=3i {at_ns}",
    ]
    filled = await filled_with(any_influxdb, "replayed", {"raw": rows})
    (bridges,) = [
        panel
        for board in BOARDS
        for panel in board.panels
        if isinstance(panel, Table) and panel.title == "Bridges"
    ]
    listed = await query(filled.influx, asked(bridges.rows.query, filled, {}), "replayed")
    assert [row["instance"] for row in listed] == ["bridge-1"]
