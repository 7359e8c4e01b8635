"""Each variable that is used is defined, and each that is defined is used."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dashboards.influxql import variables_in
from dashboards.lint.findings import (
    Boards,
    Finding,
    Json,
    all_queries,
    data_panels,
    finding,
    variables,
)

_PLAIN = re.compile(r"\$(?!timeFilter\b|__interval\b|__interval_ms\b|/)([A-Za-z_]\w*)")
"""A variable without braces: Grafana would fill it in, in a form that we don't control."""


def defined(board: Json) -> frozenset[str]:
    """The names of a board's variables."""
    return frozenset(variable["name"] for variable in variables(board))


def check_variables(board: Json, _boards: Boards) -> Iterator[Finding]:
    """Variables of queries and intervals against those that the board defines."""
    known = defined(board)
    used: set[str] = set()
    for panel, query in all_queries(board):
        names = variables_in(query)
        used |= names
        for name in sorted(names - known):
            yield finding(
                board, panel, "variable-undefined", f"uses ${{{name}}}, which is not there"
            )
        for name in _PLAIN.findall(query):
            text = f"writes ${name} without a form; write ${{{name}:regex}} or ${{{name}:raw}}"
            yield finding(board, panel, "variable-form", text)
    for panel in data_panels(board):
        names = variables_in(panel.get("interval", ""))
        used |= names
        for name in sorted(names - known):
            yield finding(board, panel, "variable-undefined", f"its interval uses ${{{name}}}")
    for name in sorted(known - used):
        yield finding(board, None, "variable-unused", f"the variable {name} is used by no query")
