"""Options that several commands share, each explained once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from schemas.clock import parse_clock
from schemas.errors import ClockError


def _clock(text: str | None) -> str | None:
    """Refuse a clock that can't be read, as wrong usage."""
    if text:
        try:
            parse_clock(text)
        except ClockError as exc:
            raise typer.BadParameter(str(exc)) from exc
    return text


Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="Folder of logs, state and the servers' files; default: QALA_DATA, or .qala here.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Clock = Annotated[
    str | None,
    typer.Option(
        "--clock",
        metavar="START,SPEED",
        callback=_clock,
        help="Run on a simulated clock: START is `now` or an ISO time, SPEED a factor (60).",
    ),
]
Devices = Annotated[
    int,
    typer.Option(
        "--devices", metavar="N", min=1, help="Devices of the simulated city, of all kinds."
    ),
]
Sites = Annotated[
    int, typer.Option("--sites", metavar="N", min=1, help="Sites that they stand at.")
]
