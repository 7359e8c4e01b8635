"""How commands print: tables for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from rich.console import Console, RenderableType
from rich.table import Table

_PLAIN_WIDTH: Final = 120


def console() -> Console:
    """Standard output; wide enough for our tables where it is no terminal."""
    return Console(width=None if sys.stdout.isatty() else _PLAIN_WIDTH, highlight=False)


def print_json(value: Any) -> None:  # noqa: ANN401 - whatever JSON can hold
    """Print one JSON document."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def iso_ms(ms: int) -> str:
    """A moment (ms since 1970) in ISO 8601, UTC, to the millisecond."""
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def table(*columns: str, right: Sequence[str] = (), last_wraps: bool = True) -> Table:
    """An empty table in the house's style; the columns named in ``right`` hold numbers."""
    made = Table(box=None, header_style="dim", padding=(0, 2, 0, 0), pad_edge=False)
    for column in columns:
        made.add_column(
            column,
            justify="right" if column in right else "left",
            no_wrap=not (last_wraps and column == columns[-1]),
            overflow="fold",
        )
    return made


def show(rows: Table, empty: str) -> None:
    """Print a table, or the sentence ``empty`` where it has no rows."""
    out: RenderableType = rows if rows.row_count else empty
    console().print(out)
