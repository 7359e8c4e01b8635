"""Tables: of current values, and of events with their times."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dashboards.draw.cells import Cell, in_table
from dashboards.draw.html import Html, el, join


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, and whether it holds numbers, which are aligned at the right."""

    title: str
    number: bool = False
    unit: str = ""


def table(
    columns: Sequence[Column], rows: Iterable[Sequence[Cell]], *, caption: str, empty: str
) -> Html:
    """A table with a head that stays while it is scrolled, or ``empty`` in its place."""
    body = [
        el("tr", *(in_table(cell, right=c.number) for c, cell in zip(columns, row, strict=True)))
        for row in rows
    ]
    if not body:
        return nothing(empty)
    head = (
        el(
            "th",
            column.title,
            el("span", f" {column.unit}", class_="unit") if column.unit else None,
            class_="number" if column.number else None,
            scope="col",
        )
        for column in columns
    )
    return el(
        "table",
        el("caption", caption, class_="aside"),
        el("thead", el("tr", *head)),
        el("tbody", join(*body)),
    )


def nothing(words: str) -> Html:
    """What stands in a panel without anything to show."""
    return el("p", words, class_="nothing")
