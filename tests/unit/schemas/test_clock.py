"""Real and simulated clocks, and the setting that makes them."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.clock import RealClock, SimulatedClock, parse_clock
from schemas.errors import ClockError

WALL_NS = 1_767_225_600_000_000_000
SECOND_US = 1_000_000
SECOND_NS = 1_000_000_000
# 2001 to 2100
MOMENTS = st.integers(978_307_200 * SECOND_US, 4_102_444_800 * SECOND_US)


@dataclass
class Source:
    """A time source that a test moves."""

    ns: int

    def __call__(self) -> int:
        return self.ns


def test_the_real_clock_gives_microseconds_of_its_source():
    assert RealClock(wall_ns=Source(WALL_NS + 1999)).now_us() == WALL_NS // 1000 + 1


def test_the_real_clock_waits_while_the_machine_steps_back():
    wall = Source(WALL_NS)
    clock = RealClock(wall_ns=wall)
    before = clock.now_us()
    wall.ns -= 5 * SECOND_NS
    assert clock.now_us() == before
    wall.ns += 6 * SECOND_NS
    assert clock.now_us() == before + SECOND_US


@pytest.mark.parametrize("text", [None, ""])
def test_without_a_setting_the_clock_is_real(text):
    clock = parse_clock(text, wall_ns=Source(WALL_NS))
    assert clock.speed is None
    assert clock.now_us() == WALL_NS // 1000


def test_a_simulated_clock_runs_at_its_speed():
    monotonic = Source(77)
    clock = parse_clock("2026-03-01T12:00:00Z,60", wall_ns=Source(WALL_NS), monotonic_ns=monotonic)
    start = 1_772_366_400 * SECOND_US
    assert clock.speed == 60
    assert clock.now_us() == start
    monotonic.ns += SECOND_NS
    assert clock.now_us() == start + 60 * SECOND_US
    monotonic.ns += SECOND_NS // 2
    assert clock.now_us() == start + 90 * SECOND_US


def test_a_step_of_the_wall_clock_does_not_move_a_simulated_one():
    wall = Source(WALL_NS)
    clock = parse_clock("0,2", wall_ns=wall, monotonic_ns=Source(0))
    wall.ns += 3600 * SECOND_NS
    assert clock.now_us() == 0


def test_processes_started_later_agree_through_the_anchor():
    first = SimulatedClock(
        5 * SECOND_US, 10.0, WALL_NS // 1000, wall_ns=Source(WALL_NS), monotonic_ns=Source(0)
    )
    monotonic = Source(123_456_789)
    second = parse_clock(
        str(first), wall_ns=Source(WALL_NS + 7 * SECOND_NS), monotonic_ns=monotonic
    )
    assert second.now_us() == 5 * SECOND_US + 70 * SECOND_US
    monotonic.ns += SECOND_NS
    assert second.now_us() == 5 * SECOND_US + 80 * SECOND_US


@given(MOMENTS, st.floats(0.001, 1e6).map(lambda speed: float(f"{speed:.12g}")), MOMENTS)
def test_the_full_form_gives_the_same_clock_again(start, speed, anchor):
    again = parse_clock(str(SimulatedClock(start, speed, anchor)))
    assert isinstance(again, SimulatedClock)
    assert (again.start_us, again.speed, again.anchor_us) == (start, speed, anchor)


@pytest.mark.parametrize(
    "start, start_us",
    [
        ("now", WALL_NS // 1000),
        ("0", 0),
        ("12.5", 12_500_000),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1970-01-01", 0),
        ("1970-01-01T00:00:01", SECOND_US),
        (" 7 ", 7 * SECOND_US),
    ],
)
def test_a_start_can_be_written_in_three_ways(start, start_us):
    clock = parse_clock(f"{start},1", wall_ns=Source(WALL_NS), monotonic_ns=Source(0))
    assert clock.now_us() == start_us


@pytest.mark.parametrize(
    "text",
    [
        "60",
        ",",
        "now,",
        ",60",
        "now,fast",
        "now,0",
        "now,-1",
        "now,nan",
        "now,inf",
        "nan,1",
        "inf,1",
        "yesterday,1",
        "2026-13-01,1",
        "now,1,",
        "now,1,then",
        "now,1,now,now",
    ],
)
def test_a_setting_of_another_form_is_refused_with_what_to_write(text):
    with pytest.raises(ClockError, match=r"write START,SPEED or START,SPEED,ANCHOR"):
        parse_clock(text)
