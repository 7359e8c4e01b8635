"""What `qala simulate --into-influx` does."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from math import ceil
from pathlib import Path
from typing import Final

import uvloop
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from infra.cli.host import tune_collector
from infra.cli.output import console, print_json, show, table
from infra.settings import Settings, load_settings
from infra.simulator import SimulatorSettings
from infra.simulator.past import Filled, Told, fill
from infra.words import age_words, count_words
from ingest.persons import load_person_key
from streams.rulefile import default_rules, load_rules

_LINE_S: Final = 10.0


class ProgressLines:
    """Progress where nobody looks at a terminal: a line every ten seconds."""

    def __init__(self, write: Callable[[str], object], clock_s: Callable[[], float]) -> None:
        """``clock_s`` gives the time in s from any origin."""
        self._write = write
        self._clock_s = clock_s
        self._last_s = self._begin_s = clock_s()

    def told(self, share: float) -> None:
        """``share`` (0 to 1) of the work is done."""
        now_s = self._clock_s()
        if now_s - self._last_s >= _LINE_S:
            self._last_s = now_s
            passed = age_words(now_s - self._begin_s)
            self._write(f"SIMULATED DATA: {share:.0%} written after {passed}\n")


def run_past(
    settings: SimulatorSettings,
    *,
    days: float,
    ending: datetime | None,
    force: bool,
    data: Path | None,
    as_json: bool,
) -> None:
    """Write the city's past with a bar of progress, and print what it came to."""
    chosen = load_settings(data=data)
    tune_collector()
    now_ms = time.time_ns() // 1_000_000
    end_ms = now_ms if ending is None else round(ending.replace(tzinfo=UTC).timestamp() * 1000)
    err = Console(stderr=True)
    lines = ProgressLines(sys.stderr.write, time.monotonic)
    bar = Progress(
        TextColumn("SIMULATED DATA into [b]{task.description}[/b]"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=err,
        transient=True,
        disable=not err.is_terminal,
    )
    with bar:
        task = bar.add_task(f"{chosen.influx.database} at {chosen.influx}", total=1.0)
        filled = uvloop.run(
            _filled(
                settings,
                chosen,
                days=days,
                end_ms=end_ms,
                force=force,
                told=(lambda share: bar.update(task, completed=share))
                if err.is_terminal
                else lines.told,
            )
        )
    if as_json:
        print_json(filled.as_dict())
    else:
        _print(filled, chosen, days)


async def _filled(
    settings: SimulatorSettings,
    chosen: Settings,
    *,
    days: float,
    end_ms: int,
    force: bool,
    told: Told,
) -> Filled:
    secret = chosen.person.key
    return await fill(
        settings,
        days=days,
        end_ms=end_ms,
        influx=chosen.influx,
        key=lambda: load_person_key(secret.get_secret_value() if secret else None, chosen.data),
        rules=load_rules(chosen.rules or default_rules()),
        force=force,
        progress=told,
    )


def _print(filled: Filled, chosen: Settings, days: float) -> None:
    made = table("simulated past", "count", right=("count",))
    made.add_row("devices", count_words(len(filled.devices)))
    made.add_row("readings", count_words(filled.readings))
    made.add_row("state changes of alerts", count_words(filled.alerts))
    for policy, rows in filled.rows.items():
        made.add_row(f"rows in {policy}", count_words(rows))
    made.add_row("rows too old to be kept", count_words(filled.expired))
    made.add_row("duration", age_words(filled.seconds))
    console().print(
        f"SIMULATED DATA: {filled.first} to {filled.last}, seed {filled.seed}, "
        f"in database {chosen.influx.database} at {chosen.influx}"
    )
    show(made, "nothing was written")
    # it has no current value ten seconds after its end, so a board is asked for that moment
    command = (
        f"QALA_INFLUX_DATABASE={shlex.quote(chosen.influx.database)} qala dashboards preview "
        f"--range {_range(days)} --now {filled.last}"
    )
    console().print(f"its boards, as of its end:\n{command}", soft_wrap=True)


def _range(days: float) -> str:
    """All of the past as a `--range`: in whole days, or in hours where it is shorter."""
    return f"{ceil(days)}d" if days >= 1 else f"{ceil(days * 24)}h"
