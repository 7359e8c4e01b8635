from hypothesis import given
from hypothesis import strategies as st

from streams.log_clock import ABSENCE_HOLD_MS, ALLOWED_LATENESS_MS, OUTAGE_GAP_MS, LogClock

T0 = 1_767_225_600_000


def at(*timestamps: int, speed: float | None = None) -> LogClock:
    clock = LogClock()
    for timestamp in timestamps:
        clock.advance(timestamp, speed)
    return clock


def test_the_clock_is_the_running_maximum_of_the_timestamps():
    assert at(T0, T0 + 3000, T0 + 1000).now_ms == T0 + 3000


def test_the_watermark_trails_the_clock_by_two_seconds():
    assert at(T0).watermark_ms == T0 - ALLOWED_LATENESS_MS == T0 - 2000


def test_a_gap_of_five_seconds_is_no_outage_and_a_longer_one_is():
    clock = at(T0)
    assert clock.advance(T0 + OUTAGE_GAP_MS) == 0
    assert clock.advance(T0 + 2 * OUTAGE_GAP_MS + 1) == OUTAGE_GAP_MS + 1
    assert clock.active_ms == T0 + OUTAGE_GAP_MS


def test_the_first_record_of_a_log_ends_no_outage():
    assert at(T0).outage_ms == 0


def test_after_an_outage_absences_are_held_for_a_minute_of_log_time():
    clock = at(T0, T0 + 60_000)
    assert clock.absence_hold_ms == clock.active_ms + ABSENCE_HOLD_MS


def test_the_speed_of_a_simulated_clock_multiplies_all_spans():
    clock = at(T0, speed=60.0)
    assert clock.watermark_ms == T0 - 120_000
    assert clock.advance(T0 + 300_000) == 0
    assert clock.advance(T0 + 600_001) == 300_001
    assert clock.absence_hold_ms == clock.active_ms + 3_600_000


def test_a_rising_speed_does_not_take_the_watermark_back():
    clock = at(T0)
    before = clock.watermark_ms
    clock.advance(T0 + 1000, 60.0)
    assert clock.watermark_ms == before


@given(st.lists(st.tuples(st.integers(0, 10**6), st.sampled_from([None, 1.0, 60.0]))))
def test_nothing_of_the_clock_ever_goes_back(records):
    clock = LogClock()
    for timestamp, speed in records:
        before = (clock.now_ms, clock.watermark_ms, clock.active_ms, clock.absence_hold_ms)
        outage = clock.advance(T0 + timestamp, speed)
        after = (clock.now_ms, clock.watermark_ms, clock.active_ms, clock.absence_hold_ms)
        assert all(new >= old for old, new in zip(before, after, strict=True))
        assert outage == 0 or clock.active_ms == before[2]
