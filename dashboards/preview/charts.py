"""The charts of one page: figures with what their panels say beside them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bokeh.plotting import figure

from dashboards.draw import Html, Line, Mark
from dashboards.draw.charts import state_timeline, time_series
from dashboards.draw.figures import Times
from dashboards.draw.panels import line_legend, state_legend, told_of
from dashboards.draw.series import by_unit, limits_of
from dashboards.draw.words import unit_words
from dashboards.model import Board, Panel, StateTimeline, TimeSeries
from dashboards.preview.history import (
    event_marks,
    known_until_ms,
    series_lines,
    state_lines,
)
from dashboards.preview.view import Answers


@dataclass(frozen=True, slots=True)
class Chart:
    """A figure, its legend, one sentence for who can't see it, and its axis' unit."""

    figure: figure
    legend: Html | None
    told: str
    unit: str = ""


def charts_of(board: Board, answers: Answers) -> list[list[Chart]]:
    """The charts of each panel, in order: none where it has no data or is no chart.

    A panel whose lines differ in unit has a chart for each unit, as one axis can't have two.
    """
    times = Times(answers.view.start_ms, answers.view.end_ms)
    marks = event_marks(board.annotations, answers)
    return [list(_charts(panel, answers, times, marks)) for panel in board.panels]


def _charts(panel: Panel, answers: Answers, times: Times, marks: Sequence[Mark]) -> Iterator[Chart]:
    if isinstance(panel, TimeSeries):
        for lines in by_unit(series_lines(panel, answers)):
            yield _series(panel, lines, answers, times, marks)
    elif isinstance(panel, StateTimeline):
        lines = state_lines(panel, answers)
        if lines:
            yield _states(panel, lines, answers, times)


def _series(
    panel: TimeSeries,
    lines: Sequence[Line],
    answers: Answers,
    times: Times,
    marks: Sequence[Mark],
) -> Chart:
    drawn = time_series(
        times,
        lines,
        step_ms=max(answers.view.step_of(shown.signal) for shown in panel.lines),
        style=panel.style,
        stack=panel.stacked,
        limits=panel.limits or limits_of(lines),
        marks=marks,
        lowest=panel.lowest,
        highest=panel.highest,
    )
    told = told_of(panel.title, lines)
    unit = lines[0].unit
    # an axis has to say seconds, which values say themselves
    return Chart(drawn, line_legend(lines), told, unit if unit == "s" else unit_words(unit))


def _states(panel: StateTimeline, lines: Sequence[Line], answers: Answers, times: Times) -> Chart:
    drawn = state_timeline(
        times,
        lines,
        panel.states.words,
        holds_ms=panel.holds_s * 1000,
        until_ms=known_until_ms(answers),
    )
    return Chart(drawn, state_legend(panel.states.words), f"{panel.title} over time")
