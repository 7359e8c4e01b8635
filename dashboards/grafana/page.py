"""A board as a Grafana dashboard: variables, links, marks, and its panels in their places."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import (
    AnnotationQuery,
    DashboardCursorSync,
    GridPos,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from dashboards.grafana.fields import colour
from dashboards.grafana.links import WINDOW, menu, names_of, span_link
from dashboards.grafana.panels import panels
from dashboards.grafana.queries import INFLUX
from dashboards.influxql import ALL
from dashboards.model import SPANS, Board, Signal, Variable, placed
from dashboards.signals.simulated import simulated
from schemas.measurements import DAY_S, POLICIES, POLICY_OF_WINDOW
from schemas.records import Window


def dashboard(board: Board, boards: Iterable[Board]) -> dict[str, Any]:
    """The JSON of one of ``boards`` (links lead to the others) as plain values."""
    parsed: dict[str, Any] = json.loads(dashboard_json(board, boards))
    return parsed


def dashboard_json(board: Board, boards: Iterable[Board]) -> str:
    """The JSON of one of ``boards`` as text: the same boards always give the same text."""
    made = _dashboard(board, {each.uid: each for each in boards})
    text = json.dumps(made.build(), cls=JSONEncoder, indent=1, sort_keys=True, ensure_ascii=False)
    return f"{text}\n"


def _dashboard(board: Board, boards: Mapping[str, Board]) -> build.Dashboard:
    made = (
        build.Dashboard(board.title)
        .uid(board.uid)
        .description(board.description)
        .tags(list(board.tags))
        .editable()
        .time(board.span.start, "now")
        .timezone("browser")
        .refresh(f"{board.refresh_s}s")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .link(menu())
    )
    for span in board.spans:
        made.link(span_link(board, span))
    for variable in board.variables:
        made.with_variable(_variable(variable))
    if WINDOW in names_of(board):
        made.with_variable(_window(board))
    if board.annotations:
        made.annotation(_Marks(board.annotations, "red", text="summary", tags="rule,severity"))
    made.annotation(_Marks(simulated, colour("unknown"), text="made_by", tags=""))
    _fill(made, board, boards)
    return made


def _fill(made: build.Dashboard, board: Board, boards: Mapping[str, Board]) -> None:
    number = 0
    for place in placed(board):
        if place.panel is None:
            number += 1
            heading = GridPos(x=place.x, y=place.y, w=place.width, h=place.height)
            made.with_row(build.Row(place.section.title).id(number).grid_pos(heading))
        for panel in panels(place, board, boards):
            number += 1
            made.with_panel(panel.id(number))


def _variable(variable: Variable) -> build.QueryVariable:
    made = (
        build.QueryVariable(variable.name)
        .label(variable.title)
        .description(variable.description)
        .datasource(INFLUX)
        .query(variable.query)
        .refresh(VariableRefresh.ON_DASHBOARD_LOAD)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .multi(multi=variable.many)
        .include_all(include_all=variable.many)
    )
    if variable.many:
        made.all_value(".*").current(VariableOption(selected=True, text=["All"], value=[ALL]))
    return made


def _window(board: Board) -> build.CustomVariable:
    windows = list(dict.fromkeys(span.window for span in SPANS))
    options = [
        VariableOption(selected=window == board.span.window, text=window, value=window)
        for window in windows
    ]
    return (
        build.CustomVariable(WINDOW)
        .label("Window")
        .description(_keeps(windows))
        .values(",".join(windows))
        .options(options)
        .current(next(option for option in options if option.selected))
    )


def _keeps(windows: Iterable[Window]) -> str:
    """What each window keeps, for who takes another range than the links offer."""
    kept = ", ".join(f"{window} for {_kept(POLICY_OF_WINDOW[window])}" for window in windows)
    return (
        f"How long the window of each row is. Windows are kept: {kept}. "
        "A range that goes further back is empty there."
    )


def _kept(policy: str) -> str:
    keep_s = POLICIES[policy].keep_s
    return "ever" if keep_s is None else f"{keep_s // DAY_S} days"


class _Marks(AnnotationQuery, Builder[AnnotationQuery]):
    """Marks of what happened; the SDK has no type for InfluxDB's. Columns: ``text``, ``tags``."""

    def __init__(self, signal: Signal, colour: str, *, text: str, tags: str) -> None:
        super().__init__(
            name=signal.title, datasource=INFLUX, enable=True, hide=False, icon_color=colour
        )
        self._target = {
            "fromAnnotations": True,
            "query": signal.query,
            "rawQuery": True,
            "refId": "Anno",
            "tagsColumn": tags,
            "textColumn": text,
            "textEditor": True,
        }

    def build(self) -> AnnotationQuery:
        return self

    def to_json(self) -> dict[str, object]:
        return {**super().to_json(), "target": self._target}
