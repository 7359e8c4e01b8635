"""Kafka records become rows by retention policy."""

from __future__ import annotations

import msgspec

from schemas.deadletters import Reason
from schemas.envelope import line_bytes, line_head
from schemas.measurements import DAY_S
from schemas.records import Alert, DeviceRecord, Rollup, Throughput, WorkerProgress, encode
from schemas.topics import ALERTS, DEVICES, ROLLUPS, TELEMETRY
from sinks.rows import FirstTime, RowMaker

NOW_MS = 1_800_000_000_000
DAY_MS = DAY_S * 1000
HEAD = line_head("stop-1", "ionizer", "ion-1")


def air(seq: int, ts: int = NOW_MS, *, at: int | None = None, rx: int = NOW_MS * 1000) -> bytes:
    body = b'{"type":"air","ts":%d,"boot":1,"seq":%d,"efficiency_pct":20}' % (ts, seq)
    return line_bytes(HEAD, rx, b"reading", body, at)


def made(topic: str, value: bytes | None, *, remembered: int = 10):
    return RowMaker(remembered).rows(topic, value, NOW_MS)


def test_an_envelope_becomes_raw_rows_in_its_order():
    rows = made(TELEMETRY, air(1) + air(2))
    assert rows.received == 2
    assert [row.split(" ")[1] for row in rows.by_policy["raw"]] == [
        "boot=1i,seq=1i,efficiency_pct=20.0",
        "boot=1i,seq=2i,efficiency_pct=20.0",
    ]
    assert rows.rx_us == NOW_MS * 1000


def test_a_tick_and_a_tombstone_become_nothing():
    assert made(TELEMETRY, b"").received == 0
    assert made(DEVICES, None).received == 0


def test_lines_without_a_reading_are_not_counted_as_readings():
    status = line_bytes(HEAD, 1, b"status", b'{"state":"online","ts":1,"boot":1}')
    rows = made(TELEMETRY, status + air(1))
    assert rows.received == 1
    assert len(rows.by_policy["raw"]) == 1


def test_one_bad_line_becomes_a_letter_with_its_bytes_and_its_neighbours_become_rows():
    bad = b'{"site":"stop-1","kind":"ionizer"\n'
    rows = made(TELEMETRY, air(1) + bad + air(2))
    assert len(rows.by_policy["raw"]) == 2
    assert [(letter.value, letter.reason) for letter in rows.letters] == [
        (bad.rstrip(), Reason.NOT_A_RECORD)
    ]
    assert rows.received == 3


def test_lines_nested_too_deep_and_broken_utf8_are_letters_too():
    deep = b'{"site":"s","x":' + b"[" * 10_000 + b"]" * 10_000 + b"}\n"
    rows = made(TELEMETRY, deep + air(1) + b'{"site":"\xff"}\n')
    assert len(rows.letters) == 2
    assert len(rows.by_policy["raw"]) == 1


def test_a_reading_older_than_raw_keeps_is_expired():
    rows = made(TELEMETRY, air(1, NOW_MS - 31 * DAY_MS) + air(2))
    assert rows.expired == 1
    assert len(rows.by_policy["raw"]) == 1
    assert rows.received == 2


def test_an_unbelieved_old_clock_does_not_expire_a_reading():
    rows = made(TELEMETRY, air(1, 5, at=NOW_MS))
    assert rows.expired == 0
    assert rows.by_policy["raw"][0].endswith(f",device_ts=5i {NOW_MS}{(1 + 7919):06d}")


def test_a_repeated_reading_of_a_wrong_clock_keeps_its_first_receive_time():
    maker = RowMaker(10)
    first = maker.rows(TELEMETRY, air(1, 5, at=NOW_MS), NOW_MS).by_policy["raw"]
    again = maker.rows(TELEMETRY, air(1, 5, at=NOW_MS + 70), NOW_MS).by_policy["raw"]
    assert first == again


def test_a_reading_that_is_believed_only_when_repeated_keeps_its_first_receive_time():
    maker = RowMaker(10)
    ts = NOW_MS + 60_000
    first = maker.rows(TELEMETRY, air(1, ts, at=NOW_MS), NOW_MS).by_policy["raw"]
    again = maker.rows(TELEMETRY, air(1, ts), NOW_MS).by_policy["raw"]
    assert first == again


def test_believed_readings_stand_at_their_own_time_beside_those_of_wrong_clocks():
    maker = RowMaker(10)
    maker.rows(TELEMETRY, air(1, 5, at=NOW_MS), NOW_MS)
    believed = maker.rows(TELEMETRY, air(2, NOW_MS - 1) + air(1, NOW_MS - 2), NOW_MS)
    assert believed.by_policy == made(TELEMETRY, air(2, NOW_MS - 1) + air(1, NOW_MS - 2)).by_policy
    assert maker.rows(TELEMETRY, air(3, NOW_MS - 31 * DAY_MS), NOW_MS).expired == 1


def test_another_reading_of_a_wrong_clock_keeps_its_own_receive_time():
    maker = RowMaker(10)
    maker.rows(TELEMETRY, air(1, 5, at=NOW_MS), NOW_MS)
    other = maker.rows(TELEMETRY, air(1, 6, at=NOW_MS + 70), NOW_MS).by_policy["raw"]
    assert other[0].endswith(f" {NOW_MS + 70}{(1 + 7919):06d}")


def test_receive_times_of_wrong_clocks_are_remembered_for_a_bounded_number_of_readings():
    maker = RowMaker(2)
    for seq in range(3):
        maker.rows(TELEMETRY, air(seq, 5, at=NOW_MS), NOW_MS)
    forgotten = maker.rows(TELEMETRY, air(0, 5, at=NOW_MS + 70), NOW_MS).by_policy["raw"]
    known = maker.rows(TELEMETRY, air(2, 5, at=NOW_MS + 70), NOW_MS).by_policy["raw"]
    assert forgotten[0].split(" ")[-1].startswith(str(NOW_MS + 70))
    assert known[0].split(" ")[-1].startswith(str(NOW_MS))


def first(seq: int, at_ms: int) -> FirstTime:
    return FirstTime(("stop-1", "ion-1", 1, seq, 5), at_ms)


def at_of(maker: RowMaker, seq: int, at_ms: int) -> int:
    """Where (ms) the reading ``seq`` stands that the bridge received at ``at_ms``."""
    (row,) = maker.rows(TELEMETRY, air(seq, 5, at=at_ms), NOW_MS).by_policy["raw"]
    return int(row.split(" ")[-1]) // 1_000_000


def test_what_was_written_before_is_recalled_and_the_earliest_row_is_the_first():
    maker = RowMaker(10)
    maker.recall([first(1, NOW_MS + 7), first(1, NOW_MS), first(1, NOW_MS + 3)])
    assert at_of(maker, 1, NOW_MS + 70) == NOW_MS
    assert at_of(maker, 2, NOW_MS + 70) == NOW_MS + 70


def test_a_recalled_reading_that_is_believed_when_it_comes_again_stays_where_it_is():
    maker, ts = RowMaker(10), NOW_MS + 60_000
    maker.recall([FirstTime(("stop-1", "ion-1", 1, 1, ts), NOW_MS)])
    again = maker.rows(TELEMETRY, air(1, ts), NOW_MS).by_policy["raw"]
    assert again == made(TELEMETRY, air(1, ts, at=NOW_MS)).by_policy["raw"]


def test_what_is_remembered_is_not_replaced_by_what_is_recalled():
    maker = RowMaker(10)
    at_of(maker, 1, NOW_MS)
    maker.recall([first(1, NOW_MS - 50), first(2, NOW_MS - 40)])
    assert at_of(maker, 1, NOW_MS + 70) == NOW_MS
    assert at_of(maker, 2, NOW_MS + 70) == NOW_MS - 40


def test_of_too_many_that_are_recalled_the_newest_are_kept():
    maker = RowMaker(3)
    at_of(maker, 9, NOW_MS)
    maker.recall(first(seq, NOW_MS - seq) for seq in range(1, 6))
    assert at_of(maker, 9, NOW_MS + 70) == NOW_MS
    assert at_of(maker, 2, NOW_MS + 70) == NOW_MS - 2
    assert at_of(maker, 1, NOW_MS + 70) == NOW_MS - 1
    assert at_of(maker, 3, NOW_MS + 70) == NOW_MS + 70


def test_what_is_recalled_goes_first_when_more_comes():
    maker = RowMaker(2)
    maker.recall([first(1, NOW_MS - 2), first(2, NOW_MS - 1)])
    at_of(maker, 3, NOW_MS)
    assert at_of(maker, 2, NOW_MS + 70) == NOW_MS - 1
    assert at_of(maker, 1, NOW_MS + 70) == NOW_MS + 70


def test_each_rollup_goes_to_the_policy_of_its_window():
    for window, policy in (("10s", "r10s"), ("1m", "r1m"), ("1h", "r1h")):
        rollup = Rollup(
            type="air", window=window, site="s", device="d", start=NOW_MS, count=1,
            fields={"efficiency_pct": (1, 20.0, 20.0, 20.0)},
        )  # fmt: skip
        assert list(made(ROLLUPS, encode(rollup)).by_policy) == [policy]


def test_each_policy_is_judged_by_what_it_keeps():
    start = NOW_MS - 40 * DAY_MS
    for window, expired in (("10s", 1), ("1m", 0), ("1h", 0)):
        value = Throughput(
            window=window, site="s", kind="camera", start=start, readings=1, bytes=1, devices=1,
            people_in=0, people_out=0, people=0,
        )  # fmt: skip
        assert made(ROLLUPS, encode(value)).expired == expired


def test_an_alert_is_kept_for_ever_and_a_device_state_as_long_as_raw_rows():
    alert = Alert(
        id="a", rule="r", severity="info", site="s", kind="ionizer", device="d", state="firing",
        value=1, summary="s", at=NOW_MS - 500 * DAY_MS, ordinal=0, started=0,
    )  # fmt: skip
    device = DeviceRecord(site="s", kind="desk", device="d", state="stale", since=NOW_MS)
    assert list(made(ALERTS, encode(alert)).by_policy) == ["r1h"]
    assert list(made(DEVICES, encode(device)).by_policy) == ["raw"]


def test_a_simulated_device_marks_the_hour_in_which_it_was_heard_for_ever():
    hour_ms = NOW_MS - NOW_MS % 3_600_000
    device = DeviceRecord(
        site="s", kind="desk", device="d", state="online", since=NOW_MS - DAY_MS,
        heard=hour_ms + 7, at=hour_ms + 3_600_000, firmware="simulated",
    )  # fmt: skip
    rows = made(DEVICES, encode(device))
    assert rows.by_policy["r1h"] == [f'simulated,site=s firmware="simulated" {hour_ms}000000']
    assert len(rows.by_policy["raw"]) == 1
    assert rows.received == 2


def test_mark_of_a_simulated_device_outlives_its_state():
    device = DeviceRecord(
        site="s", kind="desk", device="d", state="offline", since=NOW_MS - 400 * DAY_MS,
        firmware="simulated",
    )  # fmt: skip
    rows = made(DEVICES, encode(device))
    assert list(rows.by_policy) == ["r1h"]
    assert (rows.received, rows.expired) == (2, 1)


def test_a_device_with_firmware_of_its_own_marks_nothing():
    device = DeviceRecord(
        site="s", kind="desk", device="d", state="online", since=NOW_MS, firmware="2.0.1"
    )
    assert list(made(DEVICES, encode(device)).by_policy) == ["raw"]


def test_a_device_state_is_judged_by_when_it_was_told():
    device = DeviceRecord(
        site="s", kind="desk", device="d", state="online", since=NOW_MS - 400 * DAY_MS, at=NOW_MS
    )
    assert made(DEVICES, encode(device)).expired == 0
    assert made(DEVICES, encode(msgspec.structs.replace(device, at=None))).expired == 1


def test_the_workers_progress_is_handed_on_and_is_no_row_yet():
    progress = WorkerProgress(partition=1, partitions=2, clock=NOW_MS)
    rows = made(ROLLUPS, encode(progress))
    assert (rows.progress, rows.by_policy, rows.received) == (progress, {}, 0)


def test_the_age_of_an_envelope_is_that_of_its_first_reading_unless_late_or_not_believed():
    assert made(TELEMETRY, air(1, NOW_MS - 59_999) + air(2)).event_ms == NOW_MS - 59_999
    assert made(TELEMETRY, air(1, NOW_MS - 60_000) + air(2)).event_ms is None
    assert made(TELEMETRY, air(1, NOW_MS + 900)).event_ms == NOW_MS + 900
    assert made(TELEMETRY, air(1, NOW_MS, at=NOW_MS)).event_ms is None


def test_a_record_that_is_none_of_its_topic_becomes_one_letter():
    for topic in (ROLLUPS, ALERTS, DEVICES):
        value = msgspec.json.encode({"site": "s"})
        rows = made(topic, value)
        assert (rows.received, len(rows.letters), rows.by_policy) == (1, 1, {})
        assert rows.letters[0].value == value


def test_a_rollup_of_a_type_that_a_newer_worker_knows_is_a_letter_and_ends_nothing():
    newer = encode(
        Rollup(type="noise", window="10s", site="s", device="d", start=NOW_MS, count=1, fields={})
    )
    rows = made(ROLLUPS, newer)
    assert (rows.by_policy, rows.received) == ({}, 1)
    assert [(letter.value, letter.reason) for letter in rows.letters] == [
        (newer, Reason.NOT_A_RECORD)
    ]
