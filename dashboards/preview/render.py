"""From a board and its answers to the panels of a page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Final

from dashboards.boards.parts import SEVERITIES
from dashboards.draw import Cell, Html, Known, Said, el, moment, words
from dashboards.draw.embed import embed
from dashboards.draw.panels import Panel as Frame
from dashboards.draw.panels import Place, chart, tiles
from dashboards.draw.prose import prose
from dashboards.draw.tables import Column, nothing, table
from dashboards.draw.words import is_counted, unit_words
from dashboards.model import (
    EventColumn,
    Events,
    Link,
    Panel,
    Placed,
    Shown,
    Stat,
    StateTimeline,
    Table,
    Text,
    TimeSeries,
)
from dashboards.preview.charts import Chart, charts_of
from dashboards.preview.current import stat_cells, table_rows
from dashboards.preview.fit import fitted
from dashboards.preview.history import event_rows
from dashboards.preview.pages import Map, Page
from dashboards.preview.view import Answers

_MS: Final = 1000
_NO_HISTORY: Final = "no data in this range"


def panels_of(page: Page, pages: Map, answers: Answers) -> tuple[Html | None, list[Html]]:
    """The script that draws a page's charts (None without any), and its panels in order."""
    board = page.board
    charts = dict(enumerate(charts_of(board, answers)))
    script, drawn = embed(
        {
            f"{number}-{place}": made.figure
            for number, several in charts.items()
            for place, made in enumerate(several)
        }
    )
    found = []
    numbers = count()
    for spot in fitted(board, answers):
        if spot.panel is None:
            found.append(_heading(spot))
            continue
        number = next(numbers)
        several = charts[number]
        if several:
            elements = [drawn[f"{number}-{place}"] for place in range(len(several))]
            body = _charted(several, elements)
        else:
            body = _body(spot.panel, pages, answers)
        unit = several[0].unit if len(several) == 1 else ""
        found.append(_frame(spot, spot.panel, unit).around(body))
    return script, found


def _heading(spot: Placed) -> Html:
    place = Place(spot.x, spot.y, spot.width, spot.height)
    return el("h2", spot.section.title, class_="section", style=place.style)


def _frame(spot: Placed, panel: Panel, unit: str) -> Frame:
    place = Place(spot.x, spot.y, spot.width, spot.height)
    return Frame(panel.title, panel.description, place, unit)


def _charted(several: Sequence[Chart], elements: Sequence[Html]) -> Html:
    is_one = len(several) == 1  # then the panel's own heading has the unit
    return el(
        "div",
        *(
            chart(element, legend=made.legend, told=made.told, unit="" if is_one else made.unit)
            for made, element in zip(several, elements, strict=True)
        ),
        class_="plots",
    )


def _body(panel: Panel, pages: Map, answers: Answers) -> Html:
    match panel:
        case Stat():
            return tiles(stat_cells(panel, answers))
        case Table():
            return _scrolling(_current_table(panel, pages, answers))
        case Events():
            return _scrolling(_event_table(panel, pages, answers))
        case Text():
            return prose(panel.markdown)
        case TimeSeries() | StateTimeline():
            return el("div", nothing(_NO_HISTORY), class_="body")


def _scrolling(body: Html) -> Html:
    return el("div", body, class_="body scrolls", tabindex=0)


def _current_table(panel: Table, pages: Map, answers: Answers) -> Html:
    tags = panel.rows.by
    columns = [
        *(Column(tag.capitalize()) for tag in tags),
        *(_column(shown) for shown in panel.columns),
        Column(panel.age_title, number=True),
    ]
    rows = [
        [*_linked(panel.links, row.tags, pages), *row.cells, row.seen]
        for row in table_rows(panel, answers)
    ]
    return table(columns, rows, caption=panel.description, empty="no data")


def _column(shown: Shown) -> Column:
    is_number = not shown.words and shown.signal.unit != "time"
    unit = "" if is_counted(shown.signal.unit) else unit_words(shown.signal.unit)
    return Column(shown.name, is_number, unit if is_number else "")


def _event_table(panel: Events, pages: Map, answers: Answers) -> Html:
    columns = [Column("When"), *(Column(column.title) for column in panel.columns)]
    rows = [list(_event(panel, row, pages, answers)) for row in event_rows(panel.signal, answers)]
    return table(columns, rows, caption=panel.description, empty="nothing in this range")


def _event(
    panel: Events, row: Mapping[str, object], pages: Map, answers: Answers
) -> Iterator[Cell]:
    time_ms = float(str(row["time"]))
    yield Known(Said(moment(time_ms), ""), age_s=(answers.view.end_ms - time_ms) / _MS)
    told = {name: str(value) for name, value in row.items() if value is not None}
    for column in panel.columns:
        yield _event_cell(column, told, _href(panel.links, column.column, told, pages))


def _event_cell(column: EventColumn, row: Mapping[str, str], href: str | None) -> Cell:
    text = row.get(column.column, "")
    return words(text, column.words.get(text, "neutral"), href)


def _linked(links: Sequence[Link], tags: Mapping[str, str], pages: Map) -> Iterator[Cell]:
    """A row's tags, each leading to what it names."""
    for tag, value in tags.items():
        colour = SEVERITIES.get(value, "neutral") if tag == "severity" else "neutral"
        yield words(value, colour, _href(links, tag, tags, pages))


def _href(links: Sequence[Link], column: str, row: Mapping[str, str], pages: Map) -> str | None:
    """Where a cell leads: the first link whose last variable is this column's."""
    for link in links:
        values = list(link.variables.values())
        if not values or values[-1] != f"{{{column}}}":
            continue
        filled = {name: value.format_map(row) for name, value in link.variables.items()}
        return pages.href(link.board, filled)
    return pages.about({"site": row["site"]}) if column == "site" else None
