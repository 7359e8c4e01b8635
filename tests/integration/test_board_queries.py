"""Every query of every board, asked of each InfluxDB that can be tested here."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping

import pytest
import pytest_asyncio

from dashboards.boards import catalogue
from dashboards.influxql import ALL, Choice, interpolate
from dashboards.model import LIVE_ABOVE, SPANS, Signal
from dashboards.signals.liveness import SINK, STREAMS
from dashboards.signals.simulated import simulated
from infra.provision.influx import provision_influx
from schemas.connections import InfluxConnection
from sinks.influx import InfluxSink
from tests.support.board_city import DEVICES, HOUR, BoardCity
from tests.support.board_queries import BOARDS, Filled, asked
from tests.support.servers import query


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


async def test_flow_is_the_same_rate_through_windows_of_every_length(filled: Filled):
    signals = {entry.signal.name: entry.signal for entry in catalogue(BOARDS)}
    for span in SPANS[:2]:
        text = asked(signals["people_in_rate"].query, filled, {"site": ALL}, span)
        rates = [row["value"] for row in await query(filled.influx, text, "boards")]
        assert {round(rate, 6) for rate in rates[1:-1] if rate is not None} == {6.0}
