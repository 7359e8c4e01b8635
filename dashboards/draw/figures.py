"""What every figure of a page has in common: its look, its times, its hover and its cursor."""

from __future__ import annotations

from typing import Any, Final

from bokeh.models import (
    CrosshairTool,
    DatetimeTicker,
    DatetimeTickFormatter,
    FactorRange,
    HoverTool,
    NumeralTickFormatter,
    Range1d,
)
from bokeh.models.annotations.geometry import Span
from bokeh.models.renderers import GlyphRenderer
from bokeh.plotting import figure
from bokeh.themes import Theme

from dashboards.draw import palette

_FONT: Final = "Inter, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
_TOOLS: Final = "xbox_zoom,xpan,reset"
_LEFT_PX: Final = 44
_RIGHT_PX: Final = 18
_WIDE_RANGE: Final = 4
_NARROW_RANGE: Final = 0.05
_FIVE_DIGITS: Final = 10_000

MOMENT: Final = "@time{%d %b %Y %H:%M:%S}"
"""How a hover writes the column ``time``."""
THEME: Final = Theme(
    json={
        "attrs": {
            "Plot": {
                "background_fill_color": None,
                "border_fill_color": None,
                "outline_line_color": None,
                "min_border": 0,
            },
            "Axis": {
                "axis_line_color": None,
                "major_tick_line_color": None,
                "minor_tick_line_color": None,
                "major_label_text_font": _FONT,
                "major_label_text_color": palette.SOFT,
                "major_label_text_font_size": "11px",
                "major_label_standoff": 6,
            },
            "Grid": {"grid_line_color": palette.LINE, "grid_line_width": 1},
        }
    }
)
"""The dark look of all figures; given to Bokeh where they are written into a page."""


class Times:
    """The times that all figures of a page share: zooming into one zooms all.

    ``start_ms`` and ``end_ms`` are ms since 1970.
    """

    def __init__(self, start_ms: int, end_ms: int) -> None:
        self.start_ms = start_ms
        self.end_ms = end_ms
        self.range = Range1d(start=start_ms, end=end_ms, bounds=(start_ms, end_ms))
        # one line across every chart: what was elsewhere at that moment?
        self.cursor = Span(dimension="height", line_color=palette.FAINT, line_width=1)


def time_figure(times: Times, y_range: Range1d | FactorRange) -> figure:
    """An empty figure over ``times``."""
    plot = figure(
        x_range=times.range,
        y_range=y_range,
        x_axis_type="datetime",
        tools=_TOOLS,
        active_drag="xbox_zoom",
        toolbar_location="above",
        sizing_mode="stretch_both",
    )
    plot.toolbar.logo = None
    plot.toolbar.autohide = True
    plot.toolbar_inner = True
    # equal borders, so that equal times stand under one another
    plot.min_border_left = _LEFT_PX
    plot.min_border_right = _RIGHT_PX
    plot.add_tools(CrosshairTool(overlay=times.cursor, dimensions="height"))
    plot.xaxis.ticker = DatetimeTicker(desired_num_ticks=6)
    plot.xaxis.formatter = _time_format()
    return plot


def add_hover(plot: figure, drawn: GlyphRenderer[Any], shown: list[tuple[str, str]]) -> None:
    """Say ``shown`` where the pointer is: names, and texts with ``@column`` or ``$name``.

    Bokeh takes what it fills in as text, never as markup.
    """
    plot.add_tools(
        HoverTool(
            renderers=[drawn], tooltips=shown, formatters={"@time": "datetime"}, visible=False
        )
    )


def number_pattern(unit: str, decimals: int | None) -> str:
    """How a hover writes a number, in numbro's form."""
    if unit == "1":
        return "0.0%"
    if unit.startswith("B"):
        return "0.0 b"
    return "0,0.[00]" if decimals is None else f"0,0.{'0' * decimals}" if decimals else "0,0"


def said_unit(unit: str) -> str:
    """What a hover writes behind a number: its unit, where the number hasn't got it."""
    return "" if not unit or unit == "1" or unit.startswith("B") else f" {unit}"


def _time_format() -> DatetimeTickFormatter:
    return DatetimeTickFormatter(
        seconds="%H:%M:%S",
        minsec="%H:%M:%S",
        minutes="%H:%M",
        hourmin="%H:%M",
        hours="%H:%M",
        days="%d %b",
        months="%b %Y",
        years="%Y",
    )


def number_format(bounds: tuple[float, float], unit: str) -> NumeralTickFormatter:
    """How an axis from ``bounds[0]`` to ``bounds[1]`` writes its numbers."""
    spread = bounds[1] - bounds[0]
    if unit == "1":
        return NumeralTickFormatter(format="0%" if spread > _NARROW_RANGE else "0.0%")
    if unit.startswith("B"):
        return NumeralTickFormatter(format="0.[0] b")
    if max(abs(bound) for bound in bounds) >= _FIVE_DIGITS:
        return NumeralTickFormatter(format="0.[0]a")
    if spread >= _WIDE_RANGE:
        return NumeralTickFormatter(format="0")
    return NumeralTickFormatter(format="0.[00]" if spread >= _NARROW_RANGE else "0.[0000]")
