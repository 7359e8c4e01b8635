"""Time series and state timelines, drawn by Bokeh; each is one figure of a page."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final, Literal

import numpy as np
from bokeh.core.properties import value as fixed
from bokeh.models import BasicTicker, ColumnDataSource, FactorRange, Range1d
from bokeh.models.annotations.geometry import BoxAnnotation, Span
from bokeh.models.renderers import GlyphRenderer
from bokeh.plotting import figure

from dashboards.draw import palette
from dashboards.draw.figures import (
    MOMENT,
    Times,
    add_hover,
    number_format,
    number_pattern,
    said_unit,
    time_figure,
)
from dashboards.draw.series import (
    Line,
    Mark,
    bands,
    extent,
    lonely,
    places,
    stacked,
    stretches,
)
from dashboards.draw.words import moment, span
from dashboards.model import Step, Word

_MARKS: Final = "marks"
_BAR_SHARE: Final = 0.86
_BESIDE_ALPHA: Final = 0.7


def time_series(
    times: Times,
    lines: Sequence[Line],
    *,
    step_ms: int,
    style: Literal["lines", "bars"] = "lines",
    stack: bool = False,
    limits: Sequence[Step] = (),
    marks: Sequence[Mark] = (),
    lowest: float | None = None,
    highest: float | None = None,
) -> figure:
    """A chart of ``lines``, which have their gaps already (`with_gaps`).

    ``step_ms`` is the time from one value to the next; a bar stands over all of it, as a value
    is that of the time which begins at its own. All have one unit.
    """
    raised = stacked(lines) if stack else [(line, [0.0] * len(line.values)) for line in lines]
    shown = [line for line, _ in raised]
    floor = 0.0 if style == "bars" or stack else lowest
    bounds = extent(shown, limits, lowest=floor, highest=highest) or (0.0, 1.0)
    plot = time_figure(times, Range1d(start=bounds[0], end=bounds[1]))
    plot.xgrid.grid_line_color = None
    plot.yaxis.formatter = number_format(bounds, lines[0].unit if lines else "")
    is_counts = style == "bars" and all(line.decimals == 0 for line in lines)
    plot.yaxis.ticker = BasicTicker(desired_num_ticks=4, min_interval=1 if is_counts else 0)
    _draw_limits(plot, limits, bounds)
    found = list(zip(places(lines), raised, lines, strict=True))
    # what is beside another line lies under it
    for place, (line, bottoms), told in sorted(found, key=lambda each: each[2].beside is None):
        source = _source(line, bottoms, told)
        colour = palette.COLOURS[line.colour] if line.colour else palette.series_colour(place)
        if style == "bars":
            source.data["middle"] = np.asarray(line.times_ms, dtype=np.float64) + step_ms / 2
            drawn = _draw_bars(plot, line, source, colour, step_ms)
        else:
            dash = palette.series_dash(place)
            drawn = _draw_line(plot, line, source, colour, dash, filled=stack)
        said = f"@own{{{number_pattern(line.unit, line.decimals)}}}{said_unit(line.unit)}"
        add_hover(plot, drawn, [("", "$name"), ("", said), ("", MOMENT)])
    _draw_marks(plot, marks)
    return plot


def state_timeline(
    times: Times,
    lines: Sequence[Line],
    states: Sequence[Word],
    *,
    holds_ms: int,
    until_ms: int,
) -> figure:
    """A bar for each line, in pieces of the colour of its state; a gap where none is known.

    A value says a state for ``holds_ms`` at most, and nothing is known after ``until_ms``.
    """
    plot = time_figure(times, FactorRange(factors=[line.label for line in reversed(lines)]))
    plot.ygrid.grid_line_color = None
    pieces = [
        (line.label, piece) for line in lines for piece in stretches(line, holds_ms, until_ms)
    ]
    for state in states:
        found = [(label, piece) for label, piece in pieces if piece.code == state.value]
        source = ColumnDataSource(
            {
                "label": [label for label, _ in found],
                "start": [piece.start_ms for _, piece in found],
                "end": [piece.end_ms for _, piece in found],
                "since": [moment(piece.start_ms) for _, piece in found],
                "for": [span((piece.end_ms - piece.start_ms) / 1000) for _, piece in found],
                "state": [state.text] * len(found),
            }
        )
        bars = plot.hbar(
            y="label",
            left="start",
            right="end",
            height=0.72,
            fill_color=palette.COLOURS[state.colour],
            fill_alpha=0.8,
            line_color=None,
            hatch_pattern=palette.HATCHES[state.colour],
            hatch_color=palette.GROUND,
            hatch_alpha=0.3,
            hatch_scale=8,
            source=source,
        )
        add_hover(plot, bars, [("", "@label"), ("", "@state for @for"), ("since", "@since")])
    return plot


def _source(line: Line, bottoms: Sequence[float], told: Line) -> ColumnDataSource:
    """A line's columns: arrays, which Bokeh sends as bytes and not one number at a time."""
    return ColumnDataSource(
        {
            "time": np.array(line.times_ms, dtype=np.float64),
            "value": np.array(line.values, dtype=np.float64),  # None becomes NaN, a gap
            "bottom": np.array(bottoms, dtype=np.float64),
            "own": np.array(told.values, dtype=np.float64),
        }
    )


def _draw_bars(
    plot: figure, line: Line, source: ColumnDataSource, colour: str, step_ms: int
) -> GlyphRenderer[Any]:
    return plot.vbar(
        x="middle",
        top="value",
        bottom="bottom",
        width=step_ms * _BAR_SHARE,
        source=source,
        name=line.label,
        fill_color=colour,
        fill_alpha=0.85,
        line_color=None,
    )


def _draw_line(
    plot: figure, line: Line, source: ColumnDataSource, colour: str, dash: str, *, filled: bool
) -> GlyphRenderer[Any]:
    if filled:
        plot.varea("time", "bottom", "value", source=source, fill_color=colour, fill_alpha=0.35)
    alpha = _BESIDE_ALPHA if line.beside else 1.0
    alone = lonely(line)
    if alone:
        plot.scatter(
            [line.times_ms[place] for place in alone],
            [line.values[place] or 0.0 for place in alone],
            size=4,
            line_color=colour,
            fill_color=None if line.beside else colour,
        )
    return plot.line(
        "time",
        "value",
        source=source,
        name=line.label,
        line_color=colour,
        line_alpha=alpha,
        line_width=1.0 if line.beside else 1.6,
        line_dash=dash,
        line_join="round",
    )


def _draw_limits(plot: figure, steps: Sequence[Step], bounds: tuple[float, float]) -> None:
    for band in bands(steps):
        plot.add_layout(
            BoxAnnotation(
                bottom=bounds[0] if band.bottom is None else band.bottom,
                top=bounds[1] if band.top is None else band.top,
                fill_color=palette.COLOURS[band.colour],
                fill_alpha=0.07,
                line_color=None,
                level="underlay",
            )
        )
    for low, high in pairwise(steps):
        if high.value is not None and bounds[0] <= high.value <= bounds[1]:
            colour = high.colour if high.colour in palette.ALARMING else low.colour
            plot.add_layout(
                Span(
                    location=high.value,
                    dimension="width",
                    line_color=palette.COLOURS[colour],
                    line_dash=[5, 4],
                    line_alpha=0.8,
                )
            )


def _draw_marks(plot: figure, marks: Sequence[Mark]) -> None:
    """Small triangles along the upper edge, each with a thin line down through the chart."""
    if not marks:
        return
    plot.extra_y_ranges = {_MARKS: Range1d(start=0, end=1)}
    source = ColumnDataSource(
        {
            "time": [mark.time_ms for mark in marks],
            "top": [1.0] * len(marks),
            "low": [0.0] * len(marks),
            "colour": [palette.COLOURS[mark.colour] for mark in marks],
            "text": [mark.text for mark in marks],
        }
    )
    plot.segment(
        x0="time",
        y0="low",
        x1="time",
        y1="top",
        source=source,
        y_range_name=_MARKS,
        line_color="colour",
        line_alpha=0.16,
    )
    tips = plot.scatter(
        "time",
        "top",
        source=source,
        y_range_name=_MARKS,
        marker=fixed("inverted_triangle"),
        size=8,
        color="colour",
    )
    add_hover(plot, tips, [("", "@text"), ("", MOMENT)])
