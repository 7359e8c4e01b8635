"""A panel's frame, and what stands in it: tiles, a chart with its legend, a table, text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dashboards.draw import palette
from dashboards.draw.cells import Cell, Missing, tile
from dashboards.draw.html import Html, el, join
from dashboards.draw.series import Line, places
from dashboards.draw.words import say
from dashboards.model import Word

ROW_PX: Final = 30
"""How high a row of the grid is, in px; the same in ``style.css``."""
GAP_PX: Final = 8
"""How far apart rows and columns are, in px; the same in ``style.css``."""
_TALL_ROWS: Final = 6


@dataclass(frozen=True, slots=True)
class Place:
    """Where a panel stands in the grid of 24 columns; a row is 30 px high."""

    x: int
    y: int
    width: int
    height: int

    @property
    def style(self) -> str:
        """The same in CSS."""
        return f"grid-area:{self.y + 1}/{self.x + 1}/span {self.height}/span {self.width}"


@dataclass(frozen=True, slots=True)
class Panel:
    """What is said of a panel around its body; ``beside`` is the unit of its axis."""

    title: str
    description: str
    place: Place
    beside: str = ""

    def around(self, *body: Html | str | None) -> Html:
        """The panel with ``body`` in it."""
        header = el(
            "header",
            el("h2", self.title, title=self.title),
            el("span", "?", class_="why", title=self.description, aria_hidden="true"),
            el("span", self.beside, class_="beside") if self.beside else None,
        )
        return el(
            "section",
            header if self.title else None,
            el("p", self.description, class_="aside"),
            *body,
            class_="panel tall" if self.place.height >= _TALL_ROWS else "panel",
            style=self.place.style,
        )


def tiles(cells: Sequence[tuple[str, Cell, str]]) -> Html:
    """One large value; or several, each under its name. Below each: how old it is in words."""
    if len(cells) <= 1:
        _, cell, aged = cells[0] if cells else ("", Missing("no data"), "")
        return join(el("div", tile(cell), class_="body tiles"), _aged(aged))
    named = (
        el("div", el("p", name, class_="name", title=name), tile(cell), _aged(aged), class_="named")
        for name, cell, aged in cells
    )
    return el("div", *named, class_="body tiles")


def _aged(words: str) -> Html | None:
    return el("p", words, class_="age", title=words) if words else None


def chart(drawn: Html, *, legend: Html | None, told: str, unit: str = "") -> Html:
    """A figure of the plotting library; ``told`` is what a screen reader says of it."""
    return el(
        "div",
        el("p", unit, class_="axis") if unit else None,
        el("div", el("div", drawn, class_="chart"), class_="body", role="img", aria_label=told),
        legend,
        class_="plot",
    )


def line_legend(lines: Sequence[Line]) -> Html | None:
    """Colour, dash and name of each line; none where there is one without a name.

    Lines that show the same of several others are named once, in no colour of theirs.
    """
    if len(lines) == 1 and not lines[0].label:
        return None
    named = [
        (line.label, _stroke(line, place))
        for place, line in zip(places(lines), lines, strict=True)
        if line.beside is None
    ]
    thin = [
        (line.beside.shows, _stroke(line, place, 1))
        for place, line in zip(places(lines), lines, strict=True)
        if line.beside is not None
    ]
    return el(
        "ul",
        *(el("li", el("i", style=stroke), name) for name, stroke in (*named, *_once(thin))),
        class_="legend",
        tabindex=0,
    )


def _once(named: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Each name once; one of several lines has a stroke of no line's colour."""
    names = [name for name, _ in named]
    grey = f"border-top: 1px solid {palette.SOFT}"
    return [
        (name, stroke if names.count(name) == 1 else grey) for name, stroke in dict(named).items()
    ]


def _stroke(line: Line, place: int, width_px: int = 3) -> str:
    colour = palette.COLOURS[line.colour] if line.colour else palette.series_colour(place)
    return f"border-top: {width_px}px {palette.series_dash(place)} {colour}"


def state_legend(states: Sequence[Word]) -> Html:
    """Colour and word of each state."""
    return el(
        "ul",
        *(
            el(
                "li",
                el("i", style=f"background:{palette.COLOURS[state.colour]}", class_="block"),
                state.text,
            )
            for state in states
        ),
        class_="legend",
    )


def told_of(title: str, lines: Sequence[Line]) -> str:
    """A chart in one sentence: what it shows, and between which values each line lies."""
    parts = []
    for line in lines:
        values = [value for value in line.values if value is not None]
        if values:
            between = f"{say(min(values), line.unit)} to {say(max(values), line.unit)}"
            parts.append(f"{line.label}: {between}" if line.label else between)
    return f"{title}. {'; '.join(parts)}" if parts else f"{title}. No data"
