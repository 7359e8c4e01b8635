"""Rows of windows, throughput, alerts, device states and counters."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.examples import EXAMPLES
from schemas.lineprotocol import (
    alert_row,
    device_row,
    pipeline_row,
    rollup_row,
    telemetry_row,
    worker_row,
)
from schemas.measurements import DEVICE_STATE_CODES, fields_of
from schemas.readings import READING_STRUCTS
from schemas.records import (
    WORKER_COUNTS,
    Alert,
    DeviceRecord,
    DeviceStateName,
    Rollup,
    Throughput,
    WorkerProgress,
)
from tests.unit.schemas.line_protocol_reader import read_row
from tests.unit.schemas.test_lineprotocol import HOSTILE

TS = 1_767_225_600_000


def test_a_closed_window_is_a_row_at_its_start():
    rollup = Rollup(
        type="air",
        window="10s",
        site="hall",
        device="unit-1",
        start=TS,
        count=3,
        fields={"efficiency_pct": (3, 280.5, 93, 94), "people": (2, 11, 5, 6)},
    )
    assert rollup_row(rollup) == (
        "air_10s,site=hall,device=unit-1 count=3i,efficiency_pct_sum=280.5,"
        "efficiency_pct_min=93.0,efficiency_pct_max=94.0,people_sum=11.0,people_min=5.0,"
        "people_max=6.0,people_count=2i 1767225600000000000"
    )


def test_a_late_partial_keeps_the_tags_of_its_series_and_stands_after_the_start():
    rollup = Rollup(
        type="ticket",
        window="1h",
        site="hall",
        device="unit-1",
        start=TS,
        count=1,
        fields={},
        tags={"service": "id-card", "event": "called"},
        shift=8,
    )
    assert rollup_row(rollup) == (
        "ticket_1h,site=hall,device=unit-1,service=id-card,event=called count=1i "
        "1767225600000000008"
    )


def test_only_optional_fields_of_a_rollup_have_a_count_of_their_own():
    for name in READING_STRUCTS:
        stats = {field.name: (1, 1.0, 1.0, 1.0) for field in fields_of(name) if field.kind != "str"}
        row = read_row(
            rollup_row(
                Rollup(
                    type=name,
                    window="1m",
                    site="s",
                    device="d",
                    start=TS,
                    count=1,
                    fields=stats,
                )
            )
        )
        counted = {key.removesuffix("_count") for key in row.fields if key.endswith("_count")}
        assert counted == {
            field.name for field in fields_of(name) if field.optional and field.kind != "str"
        }
        assert {type(v) for k, v in row.fields.items() if not k.endswith("count")} <= {float}


def test_throughput_is_a_row_of_integers():
    throughput = Throughput(
        window="1m",
        site="hall",
        kind="camera",
        start=TS,
        readings=30,
        bytes=4200,
        devices=2,
        people_in=5,
        people_out=4,
        people=17,
    )
    assert rollup_row(throughput) == (
        "throughput_1m,site=hall,kind=camera readings=30i,bytes=4200i,devices=2i,people_in=5i,"
        "people_out=4i,people=17i 1767225600000000000"
    )


def alert(**changes: Any) -> Alert:
    return msgspec.structs.replace(
        msgspec.convert(EXAMPLES["alert.json"][0], Alert), at=TS, ordinal=1, **changes
    )


def test_an_alert_is_a_row_at_its_transition_and_ordinal():
    assert alert_row(alert(value=130, summary="Ozone high")) == (
        "alert,site=stop-1,rule=ozone-high,severity=critical,device=ion-1 "
        'id="0123abcd",state="firing",firing=1i,started_ms=1767225600000i,value=130.0,'
        'summary="Ozone high" 1767225600000000001'
    )


@pytest.mark.parametrize("state", ["pending", "resolved"])
def test_only_an_alert_in_the_state_firing_is_firing(state):
    assert read_row(alert_row(alert(state=state))).fields["firing"] == 0


@pytest.mark.parametrize("text", HOSTILE, ids=repr)
def test_a_hostile_summary_reads_back_as_it_was(text):
    assert read_row(alert_row(alert(summary=text))).fields["summary"] == text


def test_what_is_known_of_a_device_is_a_row_when_it_was_told():
    record = DeviceRecord(
        site="hall", kind="desk", device="unit-1", state="stale", since=TS, at=TS + 60_000,
        heard=TS + 5, interval_ms=10_500, generation=1, readings=9, duplicates=2, unprovable=3,
        missing=4, late=5, wrong_clock=True, firmware="1.4.2",
    )  # fmt: skip
    row = read_row(device_row(record))
    assert row == (
        "device_state",
        {"site": "hall", "kind": "desk", "device": "unit-1"},
        {
            "state": "stale", "code": 2, "since_ms": TS, "heard_ms": TS + 5, "interval_s": 10.5,
            "generation": 1, "readings": 9, "duplicates": 2, "unprovable": 3, "missing": 4,
            "late": 5, "wrong_clock": True, "firmware": "1.4.2",
        },
        (TS + 60_000) * 1_000_000,
    )  # fmt: skip
    assert {name for name, value in row.fields.items() if type(value) is float} == {"interval_s"}


def test_what_is_not_known_of_a_device_is_no_field():
    record = DeviceRecord(site="hall", kind="desk", device="unit-1", state="never_seen", since=TS)
    row = read_row(device_row(record))
    assert (row.fields["code"], row.timestamp_ns) == (0, TS * 1_000_000)
    assert not row.fields.keys() & {"heard_ms", "interval_s", "firmware"}


@pytest.mark.parametrize("text", HOSTILE, ids=repr)
def test_a_hostile_firmware_reads_back_as_it_was(text):
    record = DeviceRecord(
        site="hall", kind="desk", device="unit-1", state="online", since=TS, firmware=text
    )
    assert read_row(device_row(record)).fields["firmware"] == text


@pytest.mark.parametrize("state", get_args(DeviceStateName))
def test_every_state_of_a_device_has_a_code(state):
    codes = {"online": 3, "stale": 2, "offline": 1, "never_seen": 0}
    assert DEVICE_STATE_CODES[state] == codes[state]


def test_the_workers_progress_is_a_row_at_its_clock_with_its_share_and_its_counts():
    progress = WorkerProgress(partition=3, partitions=8, clock=TS, lines=5, accepted=4, late=1)
    row = read_row(worker_row(progress, 0.25))
    counts = dict.fromkeys(WORKER_COUNTS, 0.0) | {"lines": 5.0, "accepted": 4.0, "late": 1.0}
    assert row == (
        "pipeline",
        {"stage": "streams", "partition": "3"},
        {"share": 0.125, "behind_s": 0.25, **counts},
        TS * 1_000_000,
    )
    assert {type(value) for value in row.fields.values()} == {float}
    assert "behind_s" not in read_row(worker_row(progress, None)).fields


@pytest.mark.parametrize("partitions", [1, 3, 7, 8, 12, 100])
def test_the_shares_of_all_partitions_make_one(partitions):
    rows = [read_row(telemetry_row(number, partitions, TS)) for number in range(partitions)]
    assert sum(row.fields["share"] for row in rows) > 0.999
    assert sum(row.fields["share"] for row in rows[1:]) < 0.999
    assert rows[0].tags == {"stage": "sink-influx", "partition": "0"}
    assert rows[0].timestamp_ns == TS * 1_000_000


def test_counters_of_the_pipeline_are_floats():
    row = pipeline_row({"stage": "a b,c=d"}, {"accepted": 3, "cpu": 1e-7}, 5)
    assert read_row(row) == ("pipeline", {"stage": "a b,c=d"}, {"accepted": 3.0, "cpu": 1e-7}, 5)
    assert "accepted=3.0" in row


TEXTS = st.text(st.characters(codec="utf-8"), max_size=40)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
MOMENTS = st.integers(0, 2**42)


@given(st.tuples(TEXTS, TEXTS), NUMBERS, MOMENTS, st.integers(0, 999_999), MOMENTS)
def test_every_alert_reads_back_as_it_was(texts, value, at, ordinal, started):
    alert_id, summary = texts
    alert = Alert(
        id=alert_id, rule="r", severity="info", site="s", kind="desk", device="d",
        state="firing", value=value, summary=summary, at=at, ordinal=ordinal, started=started,
    )  # fmt: skip
    row = read_row(alert_row(alert))
    assert row.tags == {"site": "s", "rule": "r", "severity": "info", "device": "d"}
    assert row.fields == {
        "id": alert_id, "state": "firing", "firing": 1, "started_ms": started, "value": value,
        "summary": summary,
    }  # fmt: skip
    assert row.timestamp_ns == at * 1_000_000 + ordinal


@given(TEXTS, MOMENTS, st.none() | MOMENTS, st.none() | st.integers(1, 10**9), st.booleans())
def test_every_device_record_reads_back_as_it_was(firmware, since, heard, interval_ms, wrong):
    record = DeviceRecord(
        site="s", kind="desk", device="d", state="stale", since=since, heard=heard,
        interval_ms=interval_ms, firmware=firmware, wrong_clock=wrong,
    )  # fmt: skip
    row = read_row(device_row(record))
    assert row.fields["firmware"] == firmware
    assert (row.fields["since_ms"], row.fields["wrong_clock"]) == (since, wrong)
    assert row.fields.get("heard_ms") == heard
    assert row.fields.get("interval_s") == (None if interval_ms is None else interval_ms / 1000)


@given(st.sampled_from(sorted(READING_STRUCTS)), st.data())
def test_every_rollup_reads_back_with_floats_for_its_sums(name, data):
    stats = st.tuples(st.integers(1, 10**6), NUMBERS, NUMBERS, NUMBERS | st.integers(-9, 9))
    known = {field.name: field for field in fields_of(name) if field.kind != "str"}
    fields = data.draw(st.fixed_dictionaries({}, optional=dict.fromkeys(known, stats)))
    start, shift = data.draw(MOMENTS), data.draw(st.integers(0, 10**10))
    rollup = Rollup(
        type=name, window="10s", site="s", device="d", start=start, count=7, fields=fields,
        shift=shift,
    )  # fmt: skip
    row = read_row(rollup_row(rollup))
    expected = {"count": 7}
    for field, (count, total, low, high) in fields.items():
        expected |= {f"{field}_sum": total, f"{field}_min": low, f"{field}_max": high}
        if known[field].optional:
            expected[f"{field}_count"] = count
    assert row.fields == expected
    assert all((type(row.fields[one]) is int) == one.endswith("count") for one in row.fields)
    assert row.timestamp_ns == start * 1_000_000 + shift
