"""Boards: sections of panels, what a reader can choose, and where each panel stands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from dashboards.model.panels import Link, Panel
from dashboards.model.signals import Signal
from schemas.records import Window

GRID_COLUMNS: Final = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Panels under one heading, laid out from left to right."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A choice of the reader's: the tag values that ``query`` (a SHOW TAG VALUES) gives.

    ``many`` allows several and all of them; else exactly one is chosen.
    """

    name: str
    title: str
    description: str
    query: str
    many: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A range of time with the window whose policy fits it."""

    title: str
    seconds: int
    window: Window

    @property
    def start(self) -> str:
        """The range's start in Grafana's form, such as ``now-6h``."""
        for unit, seconds in (("d", 86_400), ("h", 3600)):
            if self.seconds % seconds == 0:
                return f"now-{self.seconds // seconds}{unit}"
        return f"now-{self.seconds}s"


SPANS: Final = (
    Span(title="1 hour", seconds=3600, window="10s"),
    Span(title="6 hours", seconds=6 * 3600, window="1m"),
    Span(title="7 days", seconds=7 * 86_400, window="1m"),
    Span(title="90 days", seconds=90 * 86_400, window="1h"),
    Span(title="2 years", seconds=730 * 86_400, window="1h"),
)
"""The ranges that boards offer. Each sets ``$window`` too."""
OPENING_SPAN: Final = SPANS[1]
"""The range that boards open with. Its windows are those that are kept longest of all that are
as fine as its lines: the menu and the time picker carry them along into other ranges."""
RAW_SPANS: Final = (*SPANS[:3], Span(title="30 days", seconds=30 * 86_400, window="1m"))
"""The ranges of boards whose histories are of single rows, which are kept for 30 days."""
YEAR_SPANS: Final = (
    *SPANS[:3],
    Span(title="90 days", seconds=90 * 86_400, window="1m"),
    Span(title="1 year", seconds=365 * 86_400, window="1m"),
)
"""The ranges of boards without windows, from which others open with windows of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """One page. Its uid is part of its address and never changes."""

    uid: str
    title: str
    description: str
    sections: tuple[Section, ...]
    variables: tuple[Variable, ...] = ()
    links: tuple[Link, ...] = ()
    annotations: Signal | None = None
    spans: tuple[Span, ...] = SPANS
    refresh_s: int = 10
    tags: tuple[str, ...] = ("qala",)

    @property
    def span(self) -> Span:
        """The range that it opens with."""
        return OPENING_SPAN

    @property
    def panels(self) -> tuple[Panel, ...]:
        """All panels, in order."""
        return tuple(panel for section in self.sections for panel in section.panels)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Where a panel, or a section's heading (``panel`` is None), stands in the grid."""

    section: Section
    panel: Panel | None
    x: int
    y: int
    width: int
    height: int


def placed(board: Board) -> Iterator[Placed]:
    """Every heading and panel of a board with its place, row by row in 24 columns.

    A panel that doesn't fit beside the last one begins a new row under the highest of them.
    """
    y = 0
    for section in board.sections:
        yield Placed(section=section, panel=None, x=0, y=y, width=GRID_COLUMNS, height=1)
        y += 1
        x = highest = 0
        for panel in section.panels:
            if x + panel.width > GRID_COLUMNS:
                x, y, highest = 0, y + highest, 0
            yield Placed(
                section=section, panel=panel, x=x, y=y, width=panel.width, height=panel.height
            )
            x += panel.width
            highest = max(highest, panel.height)
        y += highest
