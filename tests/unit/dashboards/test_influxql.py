"""How a board's query becomes what InfluxDB takes."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.errors import QueryError
from dashboards.influxql import (
    ALL,
    MOST_POINTS,
    Choice,
    interpolate,
    interval_ms,
    variables_in,
)
from schemas.records import WINDOW_MS

HOUR_MS = 3_600_000
_IDS = st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True)


def filled(query: str, now_ms: int | None = None, **variables: Choice) -> str:
    return interpolate(
        query, variables, start_ms=1000, end_ms=5000, interval_ms=30_000, now_ms=now_ms
    )


def test_macros_become_bounds_and_intervals():
    query = "WHERE $timeFilter GROUP BY time($__interval) / $__interval_ms"
    assert filled(query) == (
        "WHERE time >= 1000ms and time <= 5000ms GROUP BY time(30000ms) / 30000"
    )


def test_given_moment_stands_for_now():
    assert filled("time > now() - 10s", now_ms=77_000) == "time > 77000ms - 10s"
    assert filled("time > now() - 10s") == "time > now() - 10s"


def test_window_names_policy_and_measurement():
    text = filled('"r${window:raw}"."air_${window:raw}"', window="1m")
    assert text == '"r1m"."air_1m"'


@pytest.mark.parametrize("chosen,pattern", [(ALL, ".*"), ("a-1", r"(a\-1)"), (["a", "b"], "(a|b)")])
def test_choice_becomes_a_pattern(chosen, pattern):
    assert filled("/^${site:regex}$/", site=chosen) == f"/^{pattern}$/"


@given(chosen=st.lists(_IDS, min_size=1, max_size=5), other=_IDS)
def test_pattern_matches_what_is_chosen_and_nothing_else(chosen, other):
    pattern = filled("^${site:regex}$", site=chosen)
    assert all(re.fullmatch(pattern, value) for value in chosen)
    assert bool(re.fullmatch(pattern, other)) == (other in chosen)


@given(hostile=st.text(min_size=1))
def test_no_choice_can_end_the_pattern_that_it_stands_in(hostile):
    pattern = filled("${site:regex}", site=hostile) if hostile != ALL else ""
    assert not re.search(r"(?<!\\)(?:\\\\)*/", pattern)


def test_missing_variable_is_named():
    with pytest.raises(QueryError, match="'device'; give it a value"):
        filled("/^${device:regex}$/", site="a")


@pytest.mark.parametrize("query", ["${site}", "${site:csv}"])
def test_other_forms_of_a_variable_are_refused(query):
    with pytest.raises(QueryError, match="can't be written as"):
        filled(query, site="a")


def test_several_values_have_no_raw_form():
    with pytest.raises(QueryError, match="can't be written as 'raw'"):
        filled("${window:raw}", window=["10s", "1m"])


def test_variables_are_found_in_every_form():
    assert variables_in("${a} ${b:raw} $c ${__data.fields.x}") == {"a", "b"}


@given(
    range_ms=st.integers(min_value=1, max_value=1000 * 86_400_000),
    window=st.sampled_from(sorted(WINDOW_MS)),
)
def test_interval_is_whole_windows_and_few_points(range_ms, window):
    interval = interval_ms(range_ms, window)
    assert interval % WINDOW_MS[window] == 0
    assert range_ms // interval <= MOST_POINTS


@pytest.mark.parametrize("hours,seconds", [(1, 10), (6, 60), (12, 120), (24, 300)])
def test_usual_ranges_have_usual_intervals(hours, seconds):
    assert interval_ms(hours * HOUR_MS, "10s") == seconds * 1000
