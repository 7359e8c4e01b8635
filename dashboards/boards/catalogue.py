"""Every query that boards ask, for whoever runs, draws or documents them all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from dashboards.influxql import variables_in
from dashboards.model import (
    Board,
    Events,
    Liveness,
    Panel,
    Signal,
    Stat,
    StateTimeline,
    Table,
    TimeSeries,
)


class Entry(NamedTuple):
    """One query of one panel; ``liveness`` is what masks it, None where nothing need."""

    board: Board
    panel: Panel
    signal: Signal
    liveness: Liveness | None


def catalogue(boards: Iterable[Board]) -> tuple[Entry, ...]:
    """What each panel of each board asks, in order; a signal comes once for each panel."""
    return tuple(
        Entry(board, panel, signal, signal.liveness)
        for board in boards
        for panel in board.panels
        for signal in signals_of(panel)
    )


def uses(board: Board, variable: str) -> bool:
    """Whether a query of a board, or of its variables, uses a variable."""
    queries = [signal.query for panel in board.panels for signal in signals_of(panel)]
    queries += [each.query for each in board.variables]
    queries += [board.annotations.query] if board.annotations else []
    return any(variable in variables_in(query) for query in queries)


def signals_of(panel: Panel) -> Iterator[Signal]:
    """The signals that a panel shows."""
    match panel:
        case Stat():
            yield from (shown.signal for shown in panel.values)
            yield from dict.fromkeys(panel.age_of(shown) for shown in panel.values)
        case Table():
            yield panel.rows
            yield from (shown.signal for shown in panel.columns)
        case TimeSeries():
            yield from (shown.signal for shown in panel.lines)
        case StateTimeline():
            yield panel.states.signal
        case Events():
            yield panel.signal
        case _:
            return
