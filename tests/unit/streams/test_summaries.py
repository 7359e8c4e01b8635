import pytest

from streams.summaries import human_duration, human_number, parse_duration_ms, render


@pytest.mark.parametrize(
    "ms, text",
    [
        (0, "0s"),
        (-5, "0s"),
        (400, "400ms"),
        (20_900, "20s"),
        (200_000, "3m 20s"),
        (7_200_000, "2h"),
        (100_800_000, "1d 4h"),
    ],
)
def test_durations_read_as_people_write_them(ms, text):
    assert human_duration(ms) == text


@pytest.mark.parametrize(
    "value, text",
    [
        (104.2, "104.2"),
        (0.1 + 0.2, "0.3"),
        (100, "100"),
        (-0.0, "0"),
        (0.00012345, "0.000123"),
        (1_234_567.0, "1234567"),
        (99.95, "99.95"),
    ],
)
def test_numbers_carry_no_float_noise(value, text):
    assert human_number(value) == text


@pytest.mark.parametrize(
    "text, ms",
    [("0s", 0), ("500ms", 500), ("90s", 90_000), ("5m", 300_000), ("1h", 3_600_000)],
)
def test_durations_are_parsed(text, ms):
    assert parse_duration_ms(text) == ms


@pytest.mark.parametrize("text", ["", "5", "s", "1.5s", "1h30m", " 5s", "5s\n", "٣s", "5d"])
def test_what_is_no_duration_is_refused(text):
    assert parse_duration_ms(text) is None


def test_a_value_that_looks_like_a_placeholder_is_not_read_again():
    values = {"site": "{device}", "device": "{site}", "unit": ""}
    assert render("{site} {unit} {device}", values) == "{device} {site}"
