from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.draw import Line, with_gaps
from dashboards.draw.series import Beside, bands, extent, limits_of, lonely, stacked, stretches
from dashboards.model import Step

MINUTE = 60_000


def test_missing_interval_becomes_a_gap():
    line = with_gaps(Line("a", [0, MINUTE, 4 * MINUTE], [1.0, 2.0, 3.0]), MINUTE)
    assert line.values == [1.0, 2.0, None, 3.0]
    assert MINUTE < line.times_ms[2] < 4 * MINUTE


def test_empty_and_undefined_values_become_one_gap():
    times = [0, MINUTE, 2 * MINUTE, 3 * MINUTE]
    line = with_gaps(Line("a", times, [1.0, None, float("nan"), 3.0]), MINUTE)
    assert line.values == [1.0, None, 3.0]


@given(st.sets(st.integers(0, 500), max_size=60))
def test_a_stroke_never_joins_values_that_are_two_steps_apart(places):
    times = [place * MINUTE for place in sorted(places)]
    line = with_gaps(Line("a", times, [1.0] * len(times)), MINUTE)
    drawn = list(zip(line.times_ms, line.values, strict=True))
    joined = [
        after - before
        for (before, one), (after, other) in pairwise(drawn)
        if one is not None and other is not None
    ]
    assert all(distance == MINUTE for distance in joined)
    assert [time for time, value in drawn if value is not None] == times


def test_value_between_gaps_is_found_since_no_stroke_shows_it():
    assert lonely(Line("a", [0, 1, 2, 3, 4], [None, 1.0, None, 2.0, 3.0])) == [1]


def test_state_holds_until_the_next_row_and_not_longer_than_it_may():
    line = Line("a", [0, 10 * MINUTE], [3.0, 1.0])
    found = stretches(line, holds_ms=60 * MINUTE, until_ms=200 * MINUTE)
    assert found == [(0, 10 * MINUTE, 3), (10 * MINUTE, 70 * MINUTE, 1)]


def test_equal_states_in_a_row_are_one_stretch_unless_there_is_silence_between():
    line = Line("a", [0, MINUTE, 9 * MINUTE], [3.0, 3.0, 3.0])
    found = stretches(line, holds_ms=2 * MINUTE, until_ms=10 * MINUTE)
    assert found == [(0, 3 * MINUTE, 3), (9 * MINUTE, 10 * MINUTE, 3)]


def test_no_state_is_claimed_after_the_time_up_to_which_it_is_known():
    line = Line("a", [0, 5 * MINUTE], [3.0, 3.0])
    assert stretches(line, holds_ms=60 * MINUTE, until_ms=4 * MINUTE) == [(0, 4 * MINUTE, 3)]


def test_alarming_ranges_are_bands_and_good_ones_are_not():
    steps = (Step(None, "bad"), Step(99.9, "good"))
    assert bands(steps) == [(None, 99.9, "bad")]
    assert bands((Step(None, "good"), Step(100, "critical"))) == [(100, None, "critical")]


def test_limit_that_data_come_near_is_in_the_picture():
    near = extent([Line("a", [0, 1], [60.0, 90.0])], [Step(100, "bad")])
    far = extent([Line("a", [0, 1], [60.0, 61.0])], [Step(1000, "bad")])
    assert near is not None
    assert far is not None
    assert near[1] > 100
    assert far[1] < 70


def test_axis_of_numbers_that_are_not_negative_is_not_negative():
    assert extent([Line("a", [0, 1], [0.0, 5.0])])[0] == 0.0


def test_picture_reaches_the_ends_that_it_must_reach():
    assert extent([Line("a", [0], [40.0])], lowest=0.0, highest=100.0) == (0.0, 100.0)


def test_nothing_to_show_has_no_extent():
    assert extent([Line("a", [0], [None])]) is None


def test_stacked_lines_stand_on_those_under_them():
    (_, floor), (upper, bottoms) = stacked(
        [Line("a", [0, 1, 2], [1.0, 2.0, None]), Line("b", [0, 1, 2], [10.0, None, 5.0])]
    )
    assert floor == [0.0, 0.0, 0.0]
    assert bottoms == [1.0, 2.0, 0.0]
    assert upper.values == [11.0, None, 5.0]


@pytest.mark.parametrize("holds_ms", [MINUTE, 61 * MINUTE])
@given(rows=st.lists(st.tuples(st.integers(0, 300), st.integers(0, 3)), max_size=40))
def test_stretches_never_overlap_nor_run_backwards(holds_ms, rows):
    ordered = sorted(dict(rows).items())
    line = Line("a", [t * MINUTE for t, _ in ordered], [float(c) for _, c in ordered])
    found = stretches(line, holds_ms, 200 * MINUTE)
    assert all(piece.start_ms < piece.end_ms <= 200 * MINUTE for piece in found)
    pairs = pairwise(found)
    assert all(before.end_ms <= after.start_ms for before, after in pairs)


def test_axis_has_the_limits_of_its_lines_unless_they_differ():
    low, high = (Step(None, "bad"), Step(5, "good")), (Step(None, "good"), Step(9, "bad"))
    one, same, other = (Line("a", [], [], limits=steps) for steps in (low, low, high))
    beside = Line("lowest", [], [], beside=Beside("a", "lowest"))
    assert limits_of([one, beside, same]) == low
    assert limits_of([one, other]) == ()
    assert limits_of([Line("b", [], [])]) == ()
