"""Current values as cells: masked, in words, with what they mean and how old they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from dashboards.draw import Cell, Known, Missing, Said, age, say, words
from dashboards.draw.words import is_counted, unit_words, whole
from dashboards.model import Board, Colour, Panel, Shown, Signal, Stat, Table
from dashboards.preview.masking import Key, current, newest
from dashboards.preview.view import Answers

_MS: Final = 1000


class NamedCell(NamedTuple):
    """A cell of a panel with the heading it stands under, and how old it is in words."""

    name: str
    cell: Cell
    aged: str


class TableRow(NamedTuple):
    """A row of a table: its tags by name, its masked cells, and the age of its newest row."""

    tags: Mapping[str, str]
    cells: tuple[Cell, ...]
    seen: Cell


class CurrentValue(NamedTuple):
    """One value that a board shows as current, and what it shows for it.

    ``place`` is its series' tags. ``stage`` is the one whose liveness it depends on.
    """

    board: str
    panel: str
    signal: str
    place: Mapping[str, str]
    stage: str
    cell: Cell


def stat_cells(panel: Stat, answers: Answers) -> list[NamedCell]:
    """The cells of a panel of large values, each with the age of the newest row behind it.

    A panel may name more kinds of readings than its devices send. Those of which there is
    nothing are left out beside others that are there.
    """
    kinds = {each.signal.measurement for each in panel.values if _is_known(each, answers)}
    found: list[NamedCell] = []
    for shown in panel.values:
        values = _values(shown.signal, answers)
        if not isinstance(values, Missing):
            found += [
                NamedCell(
                    _name(panel, shown, key, values),
                    _tile(panel, shown, value, answers),
                    _aged(panel, shown, key, answers),
                )
                for key, value in sorted(values.items())
            ]
        elif values.why == "unknown" or not kinds or shown.signal.measurement in kinds:
            cell = Missing(values.why)
            found.append(NamedCell(shown.name, cell, _aged(panel, shown, None, answers)))
    return found


def table_rows(panel: Table, answers: Answers) -> list[TableRow]:
    """The rows of a table of current values, one for each series of its ``rows`` signal."""
    seen = newest(panel.rows, answers.to(panel.rows))
    columns = [(shown, _values(shown.signal, answers)) for shown in panel.columns]
    rows = []
    for key, time_ms in sorted(seen.items(), key=lambda one: _rank(panel, one[0], columns)):
        tags = dict(zip(panel.rows.by, key, strict=True))
        cells = tuple(_in_row(shown, values, tags, answers) for shown, values in columns)
        rows.append(TableRow(tags, cells, words(age(_age_s(time_ms, answers)))))
    return rows


def current_values(board: Board, answers: Answers) -> Iterator[CurrentValue]:
    """Every value that the board shows as current, as a page shows it."""
    for panel in board.panels:
        yield from _of_panel(board, panel, answers)


def known(shown: Shown, value: float, answers: Answers) -> Known:
    """A value in words: its own where it stands for one, else digits and unit."""
    for word in shown.words:
        if value == word.value or (word.to is not None and word.value <= value <= word.to):
            return Known(Said(word.text, ""), word.colour)
    colour = shown.colour or meaning(shown, value)
    if shown.signal.unit == "time":
        return Known(Said(age(_age_s(value, answers)), ""), colour)
    return Known(say(value, shown.signal.unit, shown.decimals), colour)


def meaning(shown: Shown, value: float) -> Colour:
    """What a number means by the steps of its panel."""
    colour: Colour = "neutral"
    for step in shown.steps:
        if step.value is None or value >= step.value:
            colour = step.colour
    return colour


def _of_panel(board: Board, panel: Panel, answers: Answers) -> Iterator[CurrentValue]:
    def value(shown: Shown, place: Mapping[str, str], cell: Cell) -> CurrentValue:
        vouching = shown.signal.liveness
        stage = "" if vouching is None else vouching.stage
        return CurrentValue(board.uid, panel.title, shown.signal.name, place, stage, cell)

    if isinstance(panel, Stat):
        for shown in panel.values:
            values = _values(shown.signal, answers)
            if isinstance(values, Missing):
                yield value(shown, {}, values)
                continue
            for key, number in values.items():
                place = dict(zip(shown.signal.by, key, strict=True))
                yield value(shown, place, known(shown, number, answers))
    elif isinstance(panel, Table):
        for row in table_rows(panel, answers):
            for shown, cell in zip(panel.columns, row.cells, strict=True):
                yield value(shown, row.tags, cell)


def _values(signal: Signal, answers: Answers) -> Mapping[Key, float] | Missing:
    """The masked values of a ``now`` signal; whatever names no liveness can't be shown."""
    vouching = [] if signal.liveness is None else answers.to(signal.liveness)
    found = current(signal, answers.to(signal), vouching)
    if signal.zero_by is None or (isinstance(found, Missing) and found.why == "unknown"):
        return found
    zeros = _values(signal.zero_by, answers)
    if isinstance(zeros, Missing):
        return found
    return zeros if isinstance(found, Missing) else {**zeros, **found}


def _aged(panel: Stat, shown: Shown, key: Key | None, answers: Answers) -> str:
    """How old the newest row behind a value is: of its series, or (None) of any."""
    asked = panel.age_of(shown)
    place = {} if key is None else dict(zip(shown.signal.by, key, strict=True))
    mine = [
        time_ms
        for tags, time_ms in newest(asked, answers.to(asked)).items()
        if all(place.get(tag, tags[at]) == tags[at] for at, tag in enumerate(asked.by))
    ]
    if mine:
        return age(_age_s(max(mine), answers))
    return "never" if asked.bound_s is None else f"none in {whole(asked.bound_s)}"


def _is_known(shown: Shown, answers: Answers) -> bool:
    return not isinstance(_values(shown.signal, answers), Missing)


def _name(panel: Stat, shown: Shown, key: Key, values: Mapping[Key, float]) -> str:
    """A value's name: its signal's, its series', or both where there are several of each."""
    series = " · ".join(part for part in key if part)
    if not series or len(values) == 1:
        return shown.name
    return series if len(panel.values) == 1 else f"{shown.name} · {series}"


def _tile(panel: Stat, shown: Shown, value: float, answers: Answers) -> Known:
    cell = known(shown, value, answers)
    # `3 devices` under the name `Offline` in a panel named `Devices` says it thrice
    is_said = len(panel.values) > 1 and is_counted(shown.signal.unit)
    return replace(cell, said=Said(cell.said.digits, "")) if is_said else cell


def _in_row(
    shown: Shown, values: Mapping[Key, float] | Missing, tags: Mapping[str, str], answers: Answers
) -> Cell:
    if isinstance(values, Missing):
        return values
    value = values.get(tuple(tags.get(tag, "") for tag in shown.signal.by))
    if value is None:
        return Missing("no data")
    cell = known(shown, value, answers)
    # the heading has the unit; and where all is well, a table stays calm
    colour = "neutral" if cell.colour == "good" and not shown.words else cell.colour
    return replace(
        cell, said=Said(cell.said.digits, _in_cell(cell.said.unit, shown)), colour=colour
    )


def _in_cell(unit: str, shown: Shown) -> str:
    """What a cell says of a unit: nothing, unless it isn't the one of the heading (``ms``)."""
    return "" if unit == unit_words(shown.signal.unit) else unit


def _rank(
    panel: Table, key: Key, columns: Sequence[tuple[Shown, Mapping[Key, float] | Missing]]
) -> tuple[float, Key]:
    """Where a row stands: by the column that the panel sorts by, the highest first."""
    for shown, values in columns:
        if shown.signal.name == panel.sort and not isinstance(values, Missing):
            return -values.get(key, float("-inf")), key
    return 0.0, key


def _age_s(time_ms: float, answers: Answers) -> float:
    return (answers.view.end_ms - time_ms) / _MS
