"""One value as a reader sees it: known, with its age; or plainly not known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from dashboards.draw.html import Html, el, join
from dashboards.draw.palette import SIGNS
from dashboards.draw.words import THIN, Said, age
from dashboards.model import Colour

Lack = Literal["unknown", "no data"]
"""Why there is no value: Qala can't know it now, or it knows that there is none."""

_WHY: Final = {
    "unknown": "what it is made from doesn't come in at present",
    "no data": "nothing of this kind came in lately",
}
_LONG: Final = 10


@dataclass(frozen=True, slots=True)
class Known:
    """A value to show: what it says, what that means, and how old it is where that is said."""

    said: Said
    colour: Colour = "neutral"
    age_s: float | None = None
    href: str | None = None


@dataclass(frozen=True, slots=True)
class Missing:
    """A value that there isn't, and why."""

    why: Lack


Cell = Known | Missing
"""What stands in a tile or in a cell of a table."""


def words(text: str, colour: Colour = "neutral", href: str | None = None) -> Known:
    """A cell that holds plain words."""
    return Known(Said(text, ""), colour, href=href)


def tile(cell: Cell) -> Html:
    """One large value with its unit."""
    if isinstance(cell, Missing):
        return el(
            "div",
            el("p", cell.why, class_="lack", title=_WHY[cell.why]),
            class_="tile",
            data_lack=cell.why,
        )
    value = el(
        "p",
        sign(cell.colour),
        el("span", cell.said.digits, class_="digits"),
        el("span", cell.said.unit, class_="unit") if cell.said.unit else None,
        class_="value",
        data_size="long" if len(str(cell.said)) > _LONG else None,
    )
    return el("div", value, class_="tile", data_colour=cell.colour)


def sign(colour: Colour) -> Html | None:
    """The sign of a meaning, where it has one; not read aloud, as the words say it."""
    if not SIGNS[colour]:
        return None
    return el("span", SIGNS[colour], class_="sign", data_colour=colour, aria_hidden="true")


def in_table(cell: Cell, *, right: bool) -> Html:
    """A value as a cell of a table; ``right`` aligns numbers."""
    if isinstance(cell, Missing):
        kind = "lack number" if right else "lack"
        # where many cells may be empty, a dash is calmer; screen readers hear the words
        short = el("span", "–", aria_label=cell.why) if cell.why == "no data" else cell.why
        return el("td", short, class_=kind, data_lack=cell.why, title=_WHY[cell.why])
    text = join(
        sign(cell.colour),
        cell.said.digits,
        el("span", THIN + cell.said.unit, class_="unit") if cell.said.unit else None,
    )
    body = el("a", text, href=cell.href) if cell.href else text
    aged = el("span", age(cell.age_s), class_="age") if cell.age_s is not None else None
    colour = cell.colour if cell.colour != "neutral" else None
    return el("td", body, aged, class_="number" if right else None, data_colour=colour)
