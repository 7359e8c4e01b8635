"""No row says that a partition has come somewhere before all rows up to there are written."""

from __future__ import annotations

from aiokafka import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from schemas.records import WorkerProgress
from schemas.topics import ALERTS, DEVICES, ROLLUPS, TELEMETRY
from sinks.liveness import MOST_HELD, Liveness
from tests.unit.schemas.line_protocol_reader import Row, read_row

NOW_MS = 1_800_000_000_000
DAY_MS = 86_400_000
ONE = TopicPartition(TELEMETRY, 1)
ROLL = TopicPartition(ROLLUPS, 1)
ALERT = TopicPartition(ALERTS, 1)
DEVICE = TopicPartition(DEVICES, 1)


def tick(liveness: Liveness, offset: int, at_ms: int, *, speed: float = 1.0) -> None:
    liveness.ticked(ONE, offset, at_ms, partitions=8, speed=speed)


def work(liveness: Liveness, offset: int, clock_ms: int, speed: float | None = None) -> None:
    progress = WorkerProgress(partition=1, partitions=8, clock=clock_ms, speed=speed, accepted=5)
    liveness.worked(ROLL, offset, progress)


def answer(liveness: Liveness, alerts: int = 0, devices: int = 0) -> None:
    for held in liveness.unanswered():
        held.ends = {ALERT: alerts, DEVICE: devices}


def released(liveness: Liveness, done: dict[TopicPartition, int], now_ms: int = NOW_MS):
    return [read_row(row) for row in liveness.released(done, now_ms)]


def times_ms(rows: list[Row]) -> list[int]:
    return [row.timestamp_ns // 1_000_000 for row in rows]


@given(st.lists(st.integers(0, 20), max_size=30))
def test_a_tick_is_told_once_and_only_when_all_before_it_is_written(places):
    liveness = Liveness()
    for offset in range(MOST_HELD):
        tick(liveness, offset, NOW_MS + offset * 2000)
    told: list[int] = []
    for place in places:
        new = times_ms(released(liveness, {ONE: place}, NOW_MS + 60_000))
        assert all(time < NOW_MS + place * 2000 for time in new)
        told += new
    reached = min(max(places, default=0), MOST_HELD)
    assert told == [NOW_MS + offset * 2000 for offset in range(reached)]


def test_a_tick_becomes_a_row_of_its_own_time_with_its_partitions_share():
    liveness = Liveness()
    tick(liveness, 7, NOW_MS)
    assert released(liveness, {ONE: 7}) == []
    assert released(liveness, {ONE: 8}) == [
        (
            "pipeline",
            {"stage": "sink-influx", "partition": "1"},
            {"share": 0.125},
            NOW_MS * 1_000_000,
        )
    ]
    assert released(liveness, {ONE: 9}) == []


def test_one_tick_of_every_two_seconds_is_told():
    liveness = Liveness()
    times = (0, 500, 1999, 2000, 3999, 3000, 7000, 7999, 8000)
    for offset, ms in enumerate(times):
        tick(liveness, offset, NOW_MS + ms)
    rows = released(liveness, {ONE: 100}, NOW_MS + 8000)
    assert [ms - NOW_MS for ms in times_ms(rows)] == [0, 2000, 7000, 8000]


def test_on_a_simulated_clock_the_two_seconds_are_multiplied_and_a_new_speed_holds_nothing_up():
    liveness = Liveness()
    for offset, ms in enumerate((0, 60_000, 119_000, 120_000)):
        tick(liveness, offset, NOW_MS + ms, speed=60)
    tick(liveness, 4, NOW_MS + 122_000, speed=1)
    tick(liveness, 5, NOW_MS + 240_000, speed=60)
    rows = released(liveness, {ONE: 100}, NOW_MS + 240_000)
    assert [ms - NOW_MS for ms in times_ms(rows)] == [0, 120_000, 122_000, 240_000]


def test_progress_waits_for_its_rollups_and_for_the_alerts_and_devices_of_its_partition():
    liveness = Liveness()
    work(liveness, 4, NOW_MS - 3000)
    written = {ROLL: 5, ALERT: 3, DEVICE: 9}
    assert released(liveness, written) == [], "nobody has asked where alerts and devices end"
    answer(liveness, alerts=3, devices=9)
    for short in (ROLL, ALERT, DEVICE):
        assert released(liveness, written | {short: written[short] - 1}) == []
        assert released(liveness, {key: v for key, v in written.items() if key != short}) == []
    (row,) = released(liveness, written)
    assert row.tags == {"stage": "streams", "partition": "1"}
    assert times_ms([row]) == [NOW_MS - 3000]
    assert (row.fields["share"], row.fields["accepted"]) == (0.125, 5.0)
    assert row.fields["behind_s"] == 3.0


def test_progress_on_a_simulated_clock_is_not_said_to_be_behind():
    liveness = Liveness()
    work(liveness, 0, NOW_MS, speed=60.0)
    answer(liveness)
    (row,) = released(liveness, {ROLL: 1, ALERT: 0, DEVICE: 0})
    assert "behind_s" not in row.fields


def test_other_partitions_are_asked_for_only_when_the_rollups_are_written():
    liveness = Liveness()
    work(liveness, 4, NOW_MS)
    answer(liveness)
    assert liveness.wanted({ROLL: 4}) == set()
    assert liveness.wanted({ROLL: 5}) == {ALERT, DEVICE}
    tick(liveness, 0, NOW_MS)
    assert liveness.wanted({ONE: 1}) == set()


def test_rows_held_are_few_and_the_first_keeps_its_turn_and_the_newest_its_place():
    liveness = Liveness()
    for offset in range(1000):
        tick(liveness, offset, NOW_MS + offset * 2000)
    rows = released(liveness, {ONE: 2000}, NOW_MS + 2_000_000)
    told = [(ms - NOW_MS) // 2000 for ms in times_ms(rows)]
    assert told == [*range(MOST_HELD - 1), 999]


def test_where_writing_is_always_a_few_seconds_behind_rows_come_all_the_same():
    liveness = Liveness()
    ages = []
    newest = NOW_MS
    for offset in range(100):
        now_ms = NOW_MS + offset * 2000
        tick(liveness, offset, now_ms)
        for row in released(liveness, {ONE: max(0, offset - 2)}, now_ms):
            newest = row.timestamp_ns // 1_000_000
        ages.append(now_ms - newest)
    assert max(ages[4:]) == 6000


def test_what_is_older_than_raw_rows_are_kept_is_left_out():
    liveness = Liveness()
    tick(liveness, 0, NOW_MS - 31 * DAY_MS)
    tick(liveness, 1, NOW_MS)
    assert times_ms(released(liveness, {ONE: 2})) == [NOW_MS]


def test_a_partition_that_is_taken_away_is_told_no_more_and_begins_anew_when_it_is_back():
    liveness = Liveness()
    tick(liveness, 0, NOW_MS)
    work(liveness, 0, NOW_MS)
    answer(liveness)
    liveness.drop([ONE, ROLL])
    assert released(liveness, {ONE: 9, ROLL: 9, ALERT: 9, DEVICE: 9}) == []
    tick(liveness, 0, NOW_MS)
    assert times_ms(released(liveness, {ONE: 1})) == [NOW_MS]
