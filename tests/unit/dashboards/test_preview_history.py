"""What a range asks for, and what the preview makes of it: lines, states and marks."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bokeh.models.annotations.geometry import Span

from dashboards.draw.series import Beside, places
from dashboards.model import Section, Shown, Step
from dashboards.preview.charts import charts_of
from dashboards.preview.history import event_marks, known_until_ms, series_lines, state_lines
from schemas.influxql import Series
from tests.support.preview_boards import (
    CITY,
    GATE,
    HISTORY,
    MARKS,
    NOW_MS,
    STOP,
    TIMELINE,
    VIEW,
    answers,
    rows,
    signal,
)


def test_of_many_stacked_bars_the_smallest_are_one() -> None:
    bars = replace(HISTORY, lines=HISTORY.lines[:1], style="bars", stacked=True)
    found = {
        "ozone_history": [
            rows({"site": "s", "device": f"d{size:02}"}, (NOW_MS, float(size)))
            for size in range(1, 12)
        ]
    }
    lines = series_lines(bars, answers(found))
    assert [line.label for line in lines] == [*(f"d{n:02}" for n in range(5, 12)), "4 others"]
    assert lines[-1].values == [1 + 2 + 3 + 4]


def test_lines_are_named_by_what_tells_them_apart() -> None:
    found = {
        "ozone_history": [
            rows({"site": "stop-1", "device": "a"}, (NOW_MS - 120_000, 1.0), (NOW_MS, None)),
            rows({"site": "stop-1", "device": "b"}, (NOW_MS, 2.0)),
        ]
    }
    lines = series_lines(HISTORY, answers(found))
    assert [line.label for line in lines] == ["Ozone_history · a", "Ozone_history · b"]
    assert [line.unit for line in lines] == ["µg/m³", "µg/m³"]


def test_line_beside_another_is_known_by_it() -> None:
    shown = HISTORY.lines[0]
    highest = signal("ozone_highest", "history")
    chart = replace(HISTORY, lines=(shown, Shown(signal=highest, beside=shown.signal)))
    asked = answers({"ozone_history": [rows(STOP, (NOW_MS, 87.0)), rows(GATE, (NOW_MS, 20.0))]})
    asked.found[VIEW.fill(highest.query)] = [rows(STOP, (NOW_MS, 140.0))]
    lines = series_lines(chart, asked)
    gate, stop, peak = lines
    assert (gate.label, stop.label) == ("gate-1 · cam-1", "stop-1 · ion-1")
    assert (gate.beside, stop.beside) == (None, None)
    assert peak.label == "Ozone_highest · stop-1 · ion-1"
    assert peak.beside == Beside("stop-1 · ion-1", "Ozone_highest")
    assert places(lines) == [0, 1, 1]


def test_chart_of_one_unit_has_the_limit_of_its_line() -> None:
    limit = (Step(None, "good"), Step(100.0, "critical"))
    ozone = replace(HISTORY.lines[0], steps=limit)
    chart = replace(HISTORY, lines=(ozone, HISTORY.lines[1]))
    board = replace(CITY, sections=(Section(title="", panels=(chart,)),))
    found = {name: [rows(STOP, (NOW_MS, 87.0))] for name in ("ozone_history", "share_history")}
    ((of_ozone, of_share),) = charts_of(board, answers(found))
    for made, levels in ((of_ozone, [100.0]), (of_share, [])):
        across = [each for each in made.figure.select(Span) if each.dimension == "width"]
        assert [each.location for each in across] == levels


def test_silence_in_a_history_is_a_gap() -> None:
    step = HISTORY.joins_s * 1000
    found = {"ozone_history": [rows(STOP, *((NOW_MS - step * n, 1.0) for n in (9, 8, 3, 2)))]}
    (line,) = series_lines(HISTORY, answers(found))
    assert line.values == [1.0, 1.0, None, 1.0, 1.0]


def test_states_are_known_up_to_the_workers_last_tick_and_not_up_to_now() -> None:
    assert known_until_ms(answers({}, ago_s=34)) == NOW_MS - 34_000
    assert known_until_ms(answers({}, ago_s=-1)) == VIEW.start_ms


def test_a_timeline_has_a_line_for_each_device() -> None:
    found = {"states": [rows(STOP, (NOW_MS, 3)), rows(GATE, (NOW_MS, 1))]}
    assert [line.label for line in state_lines(TIMELINE, answers(found))] == [
        "gate-1 · cam-1",
        "stop-1 · ion-1",
    ]


def test_alerts_that_fired_are_marks_with_their_summary() -> None:
    told = Series({}, ("time", "summary", "severity"), [[NOW_MS, "Ozone 140", "critical"]])
    (mark,) = event_marks(MARKS, answers({"marks": [told]}))
    assert (mark.text, mark.colour) == ("Ozone 140", "critical")


def test_the_present_is_that_of_influxdb_and_a_past_moment_has_an_end() -> None:
    query = "SELECT 1 WHERE time > now() - 10s AND $timeFilter"
    assert "time > now() - 10s" in VIEW.fill(query)
    past = replace(VIEW, past=True).fill(query)
    assert f"time <= {NOW_MS}ms + 5s AND time > {NOW_MS}ms - 10s" in past
    assert f"time <= {NOW_MS}ms" in past


def test_a_signal_with_longer_intervals_than_the_view_is_asked_by_its_own() -> None:
    hourly = signal("hourly", "history", query="$__interval", shortest_s=3600)
    assert VIEW.ask(hourly) == "3600000ms"
    assert VIEW.ask(replace(hourly, shortest_s=0)) == f"{VIEW.step_ms}ms" == "60000ms"
    year = replace(VIEW, range_s=365 * 86_400)
    assert year.ask(hourly) == f"{year.step_ms}ms"
    assert year.step_ms % 3_600_000 == 0


@pytest.mark.parametrize("hours, window", [(1, "10s"), (6, "1m"), (7 * 24, "1m"), (91 * 24, "1h")])
def test_the_range_chooses_the_window(hours: int, window: str) -> None:
    assert replace(VIEW, range_s=hours * 3600).window == window
