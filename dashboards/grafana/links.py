"""Links between boards: they carry the variables that their target has, and its time range."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from grafana_foundation_sdk.builders.dashboard import DashboardLink
from grafana_foundation_sdk.models.dashboard import DashboardLinkType

from dashboards.boards.catalogue import uses
from dashboards.model import Board, Link, Span

WINDOW: Final = "window"


def names_of(board: Board) -> tuple[str, ...]:
    """The variables that a board has in Grafana: its own, and the window where it reads one."""
    own = tuple(variable.name for variable in board.variables)
    return (*own, WINDOW) if uses(board, WINDOW) else own


def row_link(link: Link, board: Board, boards: Mapping[str, Board]) -> dict[str, object]:
    """A data link of a table's row to another board, with the row's own values.

    The range is carried along, and the window that was chosen with it; from a board that
    reads no windows, the target takes those with which it opens.
    """
    target = boards[link.board]
    values = {
        name: f"${{__data.fields.{value.strip('{}')}}}" for name, value in link.variables.items()
    }
    if WINDOW in names_of(target):
        values[WINDOW] = f"${{{WINDOW}}}" if WINDOW in names_of(board) else target.span.window
    query = "&".join(f"var-{name}={value}" for name, value in values.items())
    return {
        "title": f"{link.title}",
        "url": f"/d/{target.uid}?{query}&${{__url_time_range}}",
        "targetBlank": False,
    }


def menu() -> DashboardLink:
    """The list of all boards; each opens with the same choices and range."""
    return (
        DashboardLink("Boards")
        .type(DashboardLinkType.DASHBOARDS)
        .icon("dashboard")
        .tags(["qala"])
        .as_dropdown(as_dropdown=True)
        .include_vars(include_vars=True)
        .keep_time(keep_time=True)
    )


def span_link(board: Board, span: Span) -> DashboardLink:
    """The same board over another range, read through the windows that fit it."""
    own = "".join(f"&${{{name}:queryparam}}" for name in names_of(board) if name != WINDOW)
    window = f"&var-{WINDOW}={span.window}" if WINDOW in names_of(board) else ""
    return (
        DashboardLink(span.title)
        .type(DashboardLinkType.LINK)
        .icon("time")
        .tooltip(f"Show the last {span.title}")
        .url(f"/d/{board.uid}?from={span.start}&to=now{window}{own}")
    )
