"""A finding, and how rules walk through a board's JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

Json = Mapping[str, Any]
Boards = Mapping[str, Json]
"""Boards by uid."""


class Finding(NamedTuple):
    """One thing that is wrong: in which board and panel, by which rule."""

    board: str
    panel: str
    rule: str
    text: str

    def __str__(self) -> str:
        """One line that names all four."""
        return f"{self.board}, {self.panel}: {self.text} [{self.rule}]"


def finding(board: Json, panel: Json | None, rule: str, text: str) -> Finding:
    """A finding in a panel, or in the board as a whole."""
    name = "board" if panel is None else f"panel {panel.get('id')} '{panel.get('title', '')}'"
    return Finding(str(board.get("uid")), name, rule, text)


def variables(board: Json) -> Iterator[Json]:
    """A board's variables."""
    yield from board.get("templating", {}).get("list", ())


def data_panels(board: Json) -> Iterator[Json]:
    """Panels that show data."""
    for panel in board.get("panels", ()):
        if panel["type"] not in {"row", "text"}:
            yield panel


def influx_targets(panel: Json) -> Iterator[Json]:
    """A panel's InfluxQL queries."""
    for target in panel.get("targets", ()):
        if target.get("datasource", {}).get("type") == "influxdb":
            yield target


def expressions(panel: Json) -> Iterator[Json]:
    """What Grafana's server computes for a panel."""
    for target in panel.get("targets", ()):
        if target.get("datasource", {}).get("type") == "__expr__":
            yield target


def all_queries(board: Json) -> Iterator[tuple[Json | None, str]]:
    """Every InfluxQL text of a board, with its panel: of panels, variables and annotations."""
    for panel in data_panels(board):
        for target in influx_targets(panel):
            yield panel, target["query"]
    for variable in variables(board):
        if variable["type"] == "query":
            yield None, variable["query"]
    for annotation in board.get("annotations", {}).get("list", ()):
        if "query" in annotation.get("target", {}):
            yield None, annotation["target"]["query"]
