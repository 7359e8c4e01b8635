"""How commands print: tables for people, JSON for programs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from infra.tables import HouseTable

_PLAIN_WIDTH: Final = 120
_LEAST_WIDTH: Final = 40
"""Narrower than that is no screen: some terminals give 0 where they don't know."""


def console() -> Console:
    """Standard output; wide enough for our tables where nothing says how wide it is."""
    known = sys.stdout.isatty() or _width_is_set()
    return Console(width=None if known else _PLAIN_WIDTH, highlight=False)


def _width_is_set() -> bool:
    """Whether COLUMNS says how wide the output is to be; rich's console goes by it."""
    columns = os.environ.get("COLUMNS", "")
    return columns.isdecimal() and int(columns) >= _LEAST_WIDTH


def print_json(value: Any) -> None:  # noqa: ANN401 - whatever JSON can hold
    """Print one JSON document."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def iso_ms(ms: int) -> str:
    """A moment (ms since 1970) in ISO 8601, UTC, to the millisecond."""
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def table(
    *columns: str,
    right: Sequence[str] = (),
    cut: Sequence[str] = (),
    drop: Sequence[str] = (),
    last_wraps: bool = True,
) -> HouseTable:
    """An empty table in the house's style; see `HouseTable`."""
    wraps = columns[-1] if last_wraps and columns[-1] not in right else None
    return HouseTable(columns, right=right, cut=cut, drop=drop, wraps=wraps)


def show(rows: HouseTable, empty: str) -> frozenset[str]:
    """Print a table, or the sentence ``empty`` where it has no rows.

    Where it goes into a file or to a program, and COLUMNS is not set, it is as wide as it must be
    to leave nothing out.

    Returns:
        The names of the columns that are shown.
    """
    out = console()
    if not rows.row_count:
        out.print(empty)
        return frozenset()
    fixed = out.is_terminal or _width_is_set()
    width = out.width if fixed else max(out.width, rows.whole_width)
    out.print(rows, width=width)
    return rows.shown(width)


def print_simulated(speed: float | None) -> None:
    """Say that times are those of a simulated clock, where its ``speed`` is given."""
    if speed is not None:
        told = f"The bridges' clock is simulated, {speed:g} times as fast: times and ages are its."
        console().print(Text(told, style="yellow"))
