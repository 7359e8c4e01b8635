"""Colours of the boards: one dark theme, told apart also by eyes that see fewer colours.

The series' colours follow Okabe and Ito's palette (https://jfly.uni-koeln.de/color/), made
lighter for a dark ground. A colour of meaning never stands alone: it comes with a word, and
with a sign of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from dashboards.model import Colour

GROUND: Final = "#0d1218"
LINE: Final = "#263140"
INK: Final = "#e6ecf3"
SOFT: Final = "#93a1b3"
FAINT: Final = "#76859a"

COLOURS: Final[Mapping[Colour, str]] = MappingProxyType(
    {
        "good": "#3fb68b",
        "notice": "#e9c94b",
        "bad": "#f09a4a",
        "critical": "#f4664f",
        "neutral": INK,
        "unknown": FAINT,
    }
)
"""What each meaning looks like; the same in ``style.css``, as a test says."""

SIGNS: Final[Mapping[Colour, str]] = MappingProxyType(
    {"good": "●", "notice": "◆", "bad": "▲", "critical": "■", "neutral": "", "unknown": "○"}
)
"""A sign for each meaning, so that it is told without its colour."""

HATCHES: Final[Mapping[Colour, str | None]] = MappingProxyType(
    {
        "good": None,
        "notice": "dot",
        "bad": "right_diagonal_line",
        "critical": "cross",
        "neutral": None,
        "unknown": "horizontal_line",
    }
)
"""Bokeh's hatch of each meaning, in bands over time."""

ALARMING: Final[tuple[Colour, ...]] = ("notice", "bad", "critical")
"""Meanings that a chart shows as a ground of their own, the mildest first."""

SERIES: Final = (
    "#62b1ea",  # sky blue
    "#e8a33a",  # orange
    "#3fb68b",  # bluish green
    "#d98cc0",  # reddish purple
    "#f2e36b",  # yellow
    "#f0805a",  # vermilion
    "#8f9cf0",  # indigo
    "#b9c4d0",  # grey
)


DASHES: Final = ("solid", "dashed", "dotted")


def series_colour(place: int) -> str:
    """The colour of the series at ``place``; after eight they come again, with other dashes."""
    return SERIES[place % len(SERIES)]


def series_dash(place: int) -> str:
    """The dash of the series at ``place``, in the words of Bokeh and of CSS."""
    return DASHES[place // len(SERIES) % len(DASHES)]
