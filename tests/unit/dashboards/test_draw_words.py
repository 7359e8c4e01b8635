from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.draw import age, moment, say, span
from dashboards.draw.words import THIN, whole


@pytest.mark.parametrize(
    "value, unit, words",
    [
        (1234, "people", "1 234 people"),
        (1_234_567.0, "", "1 234 567"),
        (23.44, "°C", "23.4 °C"),
        (-3.21, "°C", "−3.2 °C"),
        (0.034, "dB", "0.03 dB"),
        (0, "devices", "0 devices"),
        (148.6, "µg/m³", "149 µg/m³"),
        (0.92, "1", "92 %"),
        (0.084, "s", "84 ms"),
        (0.000_2, "s", "200 µs"),
        (1.84, "s", "1.8 s"),
        (7_500, "s", "2 h 05 min"),
        (1_250_000, "B", "1.2 MB"),
        (890, "B/s", "890 B/s"),
    ],
)
def test_value_is_said_with_three_digits_and_its_unit(value, unit, words):
    assert str(say(value, unit)).replace(THIN, " ") == words


@pytest.mark.parametrize("value", [99.95, 99.996, 99.999_9])
def test_percentage_just_under_100_is_never_said_to_be_100(value):
    assert say(value, "%").digits.startswith("99.9")


def test_decimals_that_a_panel_asks_for_are_kept():
    assert say(20.0, "°C", 1).digits == "20.0"


def test_small_negative_number_is_not_said_to_be_minus_nothing():
    assert say(-0.001, "°C", 1).digits == "0.0"


@given(st.floats(min_value=-1e12, max_value=1e12))
def test_words_of_a_number_are_never_far_from_it(value):
    said = float(say(value).digits.replace(THIN, "").replace("−", "-"))
    assert math.isclose(said, value, rel_tol=0.05, abs_tol=0.005)


@pytest.mark.parametrize(
    "seconds, words",
    [
        (-3, "now"),
        (0.4, "now"),
        (12.9, "12 s ago"),
        (185, "3 min 05 s ago"),
        (7620, "2 h 07 min ago"),
        (5 * 86_400, "5 d ago"),
    ],
)
def test_age_is_said_in_two_units_at_most(seconds, words):
    assert age(seconds) == words


def test_span_under_a_second_has_a_decimal():
    assert span(0.42) == "0.4 s"


def test_moment_is_said_in_utc():
    assert moment(1_769_860_984_000) == "31 Jan 2026 12:03:04"


def test_chosen_length_of_time_is_said_in_whole_words():
    lengths = [whole(days * 86_400) for days in (1, 7, 30, 365)]
    assert lengths == ["a day", "a week", "30 days", "a year"]
    assert [whole(60), whole(90_000)] == ["1 min", "1 d 1 h"]
