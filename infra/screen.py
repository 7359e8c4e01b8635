"""The live screen of `qala up`: a picture of one moment, as a pure function of a snapshot."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Final

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from infra.tables import HouseTable
from infra.words import age_words, bytes_words, count_words, severity_text, state_text

MOST_ALERTS: Final = 5
MOST_EVENTS: Final = 4
_FIGURES: Final = ("readings/s", "lag", "rejected", "failures", "restarts", "CPU", "memory")
_ALERT_COLUMNS: Final = ("at", "state", "severity", "what")
_WIDE: Final = 100
_ALERT_STATE: Final = {"firing": "bold red", "pending": "yellow", "resolved": "green"}


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRow:
    """One process. Figures it doesn't have are None; ``rate`` in readings a second.

    ``lag`` is in readings or records that wait, ``rejected`` counts dead letters (the input's
    fault), ``failures`` what a server did not take.
    """

    name: str
    state: str
    rate: float | None = None
    lag: float | None = None
    rejected: float | None = None
    failures: float | None = None
    restarts: int = 0
    cpu_pct: float | None = None
    memory_bytes: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRow:
    """The last state change of an alert; ``at`` is its time in words (UTC)."""

    at: str
    state: str
    severity: str
    rule: str
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertBoard:
    """The alerts of one picture: those that fire first; ``firing`` counts all of these.

    ``complete`` says that everything known of alerts has been read; where not, there may be more.
    """

    rows: Sequence[AlertRow] = ()
    firing: int = 0
    complete: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All that one picture shows; ``up_s`` is how long the run has lasted, in s."""

    data: str
    up_s: float
    simulated: bool
    speed: float | None
    stages: Sequence[StageRow]
    alerts: AlertBoard
    events: Sequence[str]


def render(snapshot: Snapshot) -> RenderableType:
    """The whole screen, made for 100 columns; at 80 the least important figures are left out."""
    return Group(
        _header(snapshot),
        Text(),
        _stages(snapshot.stages),
        Text(),
        _alerts_title(snapshot.alerts),
        _alerts(snapshot.alerts),
        Text(),
        *_events(snapshot.events[-MOST_EVENTS:]),
        Text(" Ctrl-C stops everything in order; a second one at once.", style="dim"),
    )


_FONTS: Final = re.compile(r"\s*@font-face \{.*?\}|<!-- Generated with Rich.*?-->", re.DOTALL)


def as_svg(snapshot: Snapshot, *, width: int = 100) -> str:
    """The screen as an SVG picture of a terminal of ``width`` columns."""
    # drawn into a string, so that nothing reaches the real terminal
    console = Console(record=True, width=width, file=StringIO(), force_terminal=True)
    console.print(render(snapshot))
    # a picture must not fetch fonts from anywhere
    return _FONTS.sub("", console.export_svg(title="qala up"))


def summary_line(snapshot: Snapshot) -> str:
    """The picture in one plain line, for where there is no terminal."""
    parts = []
    for row in snapshot.stages:
        figures = [row.state]
        if row.rate is not None:
            figures.append(f"{count_words(row.rate)}/s")
        if row.lag is not None:
            figures.append(f"lag {count_words(row.lag)}")
        if row.rejected:
            figures.append(f"rejected {count_words(row.rejected)}")
        if row.failures:
            figures.append(f"failures {count_words(row.failures)}")
        if row.restarts:
            figures.append(f"restarts {row.restarts}")
        parts.append(f"{row.name} {', '.join(figures)}")
    return "; ".join(parts)


def _header(snapshot: Snapshot) -> RenderableType:
    line = Table.grid(expand=True)
    line.add_column()
    line.add_column(justify="right")
    title = Text(" qala ", style="bold")
    if snapshot.simulated:
        title.append(" SIMULATED DATA ", style="bold black on yellow")
    if snapshot.speed is not None:
        title.append(" ")
        title.append(f" SIMULATED CLOCK {snapshot.speed:g}× ", style="bold black on yellow")
    line.add_row(title, Text(f"{snapshot.data} · up {age_words(snapshot.up_s)} ", style="dim"))
    return line


def _stages(rows: Sequence[StageRow]) -> RenderableType:
    table = HouseTable(
        ("stage", "state", *_FIGURES, "note"),
        right=_FIGURES,
        drop=("memory", "CPU", "failures", "restarts"),
        wraps="note",
        hint="a wider terminal shows them",
    )
    for row in rows:
        table.add_row(
            row.name,
            state_text(row.state),
            _figure(row.rate),
            _figure(row.lag, "yellow"),
            _figure(row.rejected, "yellow"),
            _figure(row.failures, "red"),
            Text(str(row.restarts), style="yellow" if row.restarts else "dim"),
            Text("–" if row.cpu_pct is None else f"{row.cpu_pct:.0f} %"),
            Text("–" if row.memory_bytes is None else bytes_words(row.memory_bytes)),
            Text(row.note, style="dim"),
        )
    return Padding(table, (0, 1))


def _figure(value: float | None, alarm: str = "") -> Text:
    if value is None:
        return Text("–", style="dim")
    return Text(count_words(value), style=alarm if value else "")


def _alerts_title(alerts: AlertBoard) -> Text:
    title = Text(" Alerts", style="bold")
    if alerts.firing:
        title.append(f"  {count_words(alerts.firing)} firing", style=_ALERT_STATE["firing"])
    shown = sum(row.state == "firing" for row in alerts.rows)
    if alerts.firing > shown:
        title.append(", all of them: qala alerts list --firing", style="not bold dim")
    return title


def _alerts(alerts: AlertBoard) -> RenderableType:
    rows = alerts.rows[:MOST_ALERTS]
    if not rows:
        known = "none fires, none ended lately" if alerts.complete else "not read yet"
        return Text(f" {known}", style="dim")
    return _AlertLines(rows)


@dataclass(frozen=True, slots=True)
class _AlertLines:
    """Alerts as a table; where there is little room, their summaries without the rules' ids."""

    rows: Sequence[AlertRow]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        del console
        narrow = options.max_width < _WIDE
        table = HouseTable(_ALERT_COLUMNS, wraps="what", show_header=False)
        for row in self.rows:
            table.add_row(
                Text(row.at, style="dim"),
                Text(row.state, style=_ALERT_STATE.get(row.state, "")),
                severity_text(row.severity),
                Text(row.summary if narrow else f"{row.rule}: {row.summary}"),
            )
        yield Padding(table, (0, 1))


def _events(lines: Sequence[str]) -> list[RenderableType]:
    if not lines:
        return []
    texts = [Text(line, style="dim", no_wrap=True, overflow="ellipsis") for line in lines]
    return [Text(" Last events", style="bold"), Padding(Group(*texts), (0, 1)), Text()]
