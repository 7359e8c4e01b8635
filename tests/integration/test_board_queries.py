"""Every query of every board, asked of each InfluxDB that can be tested here."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from typing import NamedTuple

import pytest
import pytest_asyncio

from dashboards.boards import build_all, catalogue
from dashboards.influxql import ALL, Choice, interpolate, interval_ms
from dashboards.limits import read_limits, shipped_rules
from dashboards.model import LIVE_ABOVE, SPANS, Signal, Span
from dashboards.signals import people
from dashboards.signals.liveness import SINK, STREAMS
from dashboards.signals.simulated import simulated
from dashboards.signals.tickets import opened_per_hour
from infra.provision.influx import provision_influx
from schemas.connections import InfluxConnection
from schemas.lineprotocol import device_row
from schemas.records import DeviceRecord
from sinks.influx import InfluxSink
from tests.support.board_city import DEVICES, HOUR, BoardCity
from tests.support.servers import query

BOARDS = build_all(read_limits(shipped_rules()))


class Filled(NamedTuple):
    """An InfluxDB that holds the city's rows, which end at ``end_ms``."""

    influx: InfluxConnection
    end_ms: int


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def filled(any_influxdb: InfluxConnection) -> AsyncIterator[Filled]:
    influx = any_influxdb.model_copy(update={"database": "boards"})
    await provision_influx(influx)
    city = BoardCity(int(time.time()) // 60 * 60_000)  # a whole minute: counts don't depend on it
    sink = InfluxSink(influx, timeout_s=60)
    for policy, rows in city.rows.items():
        for start in range(0, len(rows), 5000):
            written = await sink.write(policy, rows[start : start + 5000])
            assert not written.trouble
            assert not written.rejected
    await sink.close()
    yield Filled(influx, city.end_ms)


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


def asked(
    signal_query: str, filled: Filled, variables: Mapping[str, Choice], span: Span = SPANS[0]
) -> str:
    """A query over the last three hours (by hours: of the whole span), as of the city's end."""
    range_ms = 3 * HOUR if span.window != "1h" else span.seconds * 1000
    return interpolate(
        signal_query,
        {"window": span.window, **variables},
        start_ms=filled.end_ms - range_ms,
        end_ms=filled.end_ms,
        interval_ms=interval_ms(range_ms, span.window),
        now_ms=filled.end_ms,
    )


async def answers(filled: Filled, signal: Signal, variables: Mapping[str, Choice]) -> bool:
    """Whether a signal's query has a value, with windows of each length that the city has."""
    spans = SPANS[:4] if "${window" in signal.query else SPANS[:1]
    for span in spans:
        rows = await query(filled.influx, asked(signal.query, filled, variables, span), "boards")
        column = "state" if signal.kind == "events" else "value"
        if not any(row[column] is not None for row in rows):
            return False
    return True


async def test_each_query_of_each_board_finds_data(filled: Filled):
    everything = {"site": ALL, "device": ALL}
    empty = [
        f"{entry.board.uid}: {entry.panel.title}: {entry.signal.name}"
        for entry in {entry.signal.name: entry for entry in catalogue(BOARDS)}.values()
        if not await answers(filled, entry.signal, everything)
    ]
    assert empty == []


async def test_marks_and_choices_of_each_board_find_data(filled: Filled):
    everything = {"site": ALL, "device": ALL}
    made_up = await query(filled.influx, asked(simulated.query, filled, {}), "boards")
    assert {row["made_by"] for row in made_up} == {"simulated"}
    for board in BOARDS:
        if board.annotations:
            assert await answers(filled, board.annotations, everything)
        for variable in board.variables:
            assert await query(filled.influx, asked(variable.query, filled, everything), "boards")


async def test_board_of_one_device_finds_data_of_the_device_that_is_chosen(filled: Filled):
    board = next(board for board in BOARDS if board.uid == "qala-device")
    for entry in catalogue([board]):
        choices = [{"site": site, "device": device} for site, _, device in DEVICES]
        assert any([await answers(filled, entry.signal, choice) for choice in choices])


async def test_queries_mean_the_same_with_the_servers_own_now(filled: Filled):
    for signal in {entry.signal.name: entry.signal for entry in catalogue(BOARDS)}.values():
        text = interpolate(
            signal.query,
            {"window": "10s", "site": "stop-1", "device": ["ion-1", "th-1"]},
            start_ms=filled.end_ms - HOUR,
            end_ms=filled.end_ms,
            interval_ms=10_000,
        )
        await query(filled.influx, text, "boards")


@pytest.mark.parametrize("liveness", [STREAMS, SINK], ids=lambda liveness: liveness.stage)
async def test_liveness_is_one_at_the_last_tick_and_zero_ten_seconds_later(
    filled: Filled, liveness
):
    at_end = await query(filled.influx, asked(liveness.query, filled, {}), "boards")
    later = filled._replace(end_ms=filled.end_ms + 10_001)
    afterwards = await query(filled.influx, asked(liveness.query, later, {}), "boards")
    assert [row["value"] > LIVE_ABOVE for row in at_end] == [True]
    assert [row["value"] for row in afterwards] == [0]


async def test_current_values_are_what_the_city_did(filled: Filled):
    signals = {entry.signal.name: entry.signal for entry in catalogue(BOARDS)}
    expected: dict[str, float] = {
        "devices_online": 7,
        "devices_stale": 1,
        "devices_offline": 1,
        "firing_critical": 2,
        "firing_warning": 2,
        "firing_info": 2,
        "people_in": 359,
        "people_now_scene": 2,
        "people_now_air": 0,
        "bridges_absent": 0,
        "chat_behind": 0,
        "chat_channels": 1,
        "simulated_devices": 1,
        "tickets_opened": 1080,
        "tickets_waiting": 1080 - 360 - 108,
        "wrong_clocks": 1,
        "all_late": 36,
        "all_duplicates": 450,
        "sink_influx_lag_telemetry_total": 3,
    }
    found = {}
    for name in expected:
        text = asked(signals[name].query, filled, {"site": ALL, "device": ALL})
        (row,) = await query(filled.influx, text, "boards")
        found[name] = row["value"]
    assert found == expected


async def test_counts_are_zero_and_not_nothing_where_a_site_has_none(filled: Filled):
    signals = {entry.signal.name: entry.signal for entry in catalogue(BOARDS)}
    stale = await query(
        filled.influx,
        asked(signals["devices_stale_site"].query, filled, {"site": ALL}),
        "boards",
    )
    assert {row["site"]: row["value"] for row in stale} == {
        "centre-1": 0,
        "school-1": 0,
        "street-1": 0,
        "stop-1": 0,
        "stop-2": 1,
    }


async def test_silent_device_has_an_age_and_no_current_value(filled: Filled):
    signals = {entry.signal.name: entry.signal for entry in catalogue(BOARDS)}
    chosen = {"site": "stop-2", "device": "ion-2"}
    text = asked(signals["air_efficiency_pct_seen"].query, filled, chosen)
    seen = await query(filled.influx, text, "boards")
    assert [filled.end_ms - row["time"] // 1_000_000 > 29 * 60_000 for row in seen] == [True]
    for name in ("air_efficiency_pct", "safe_without_mask", "air_people"):
        text = asked(signals[name].query, filled, chosen)
        assert await query(filled.influx, text, "boards") == []


async def test_rate_is_zero_where_rows_say_so_and_a_gap_where_there_is_none(filled: Filled):
    signals = {entry.signal.name: entry.signal for entry in catalogue(BOARDS)}
    rates = {}
    for site in ("stop-1", "nowhere"):
        text = asked(signals["people_in_rate"].query, filled, {"site": site})
        rates[site] = {row["value"] for row in await query(filled.influx, text, "boards")}
    assert {value for value in rates["stop-1"] if value is not None} == {0}
    assert rates["nowhere"] == set()


async def test_nobody_waits_less_than_not_at_all(filled: Filled):
    signals = {entry.signal.name: entry.signal for entry in catalogue(BOARDS)}
    gone_twice = interpolate(
        signals["tickets_waiting"].query.replace("(opened)", "(abandoned)"),
        {"site": ALL, "device": ALL},
        start_ms=0,
        end_ms=filled.end_ms,
        interval_ms=10_000,
        now_ms=filled.end_ms,
    )
    rows = await query(filled.influx, gone_twice, "boards")
    assert [row["value"] for row in rows] == [0]


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


async def test_flow_is_the_same_rate_through_windows_of_every_length(filled: Filled):
    signals = {entry.signal.name: entry.signal for entry in catalogue(BOARDS)}
    for span in SPANS[:2]:
        text = asked(signals["people_in_rate"].query, filled, {"site": ALL}, span)
        rates = [row["value"] for row in await query(filled.influx, text, "boards")]
        assert {round(rate, 6) for rate in rates[1:-1] if rate is not None} == {6.0}


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
