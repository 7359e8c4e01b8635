"""What `qala doctor` prints."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from infra.cli.output import console, print_json
from infra.doctor import Finding, examine
from infra.errors import InfraError
from infra.settings import load_settings

_SIGNS: Final = {
    "problem": ("✖", "bold red"),
    "warning": ("▲", "yellow"),
    "unknown": ("?", "cyan"),
    "ok": ("●", "green"),
}
_TITLES: Final = {
    "settings": "Settings",
    "machine": "This machine",
    "mqtt": "MQTT broker",
    "kafka": "Kafka",
    "influxdb": "InfluxDB",
    "clocks": "Clocks",
    "bridges": "Bridges",
    "stages": "Stages",
}


class ProblemsFoundError(InfraError):
    """Something that was looked at does not work."""


def show_findings(*, data: Path | None, as_json: bool) -> None:
    """Look at everything, and print it.

    Raises:
        ProblemsFoundError: there is a problem.
        SettingsError: the settings can't be used.
    """
    logging.disable()  # what clients log of an absent server is in our findings
    settings = load_settings(data=data)
    findings = asyncio.run(examine(settings, lambda: time.time_ns() // 1_000_000))
    if as_json:
        print_json([msgspec.to_builtins(finding) for finding in findings])
    else:
        print_findings(findings, console())
    problems = sum(finding.state == "problem" for finding in findings)
    if problems:
        raise ProblemsFoundError(
            f"{problems} problem{'s' * (problems > 1)} found; mend what is listed and look again"
        )


def print_findings(findings: Sequence[Finding], out: Console) -> None:
    """Print findings, which are in order, part by part, and count them."""
    width = max((len(finding.check) for finding in findings), default=0)
    for part, of_part in groupby(findings, key=lambda finding: finding.part):
        out.print(Text(_TITLES[part], style="bold"))
        out.print(Padding(_rows(of_part, width), (0, 0, 0, 2), expand=False))
        out.print()
    out.print(_summary(findings))


def _rows(findings: Iterable[Finding], width: int) -> Table:
    rows = Table.grid(padding=(0, 2, 0, 0))
    rows.add_column(no_wrap=True)
    rows.add_column(no_wrap=True, min_width=width)
    rows.add_column(overflow="fold")
    for finding in findings:
        sign, style = _SIGNS[finding.state]
        rows.add_row(Text(sign, style=style), Text(finding.check), _said(finding, style))
    return rows


def _said(finding: Finding, style: str) -> RenderableType:
    if finding.mend is None:
        return Text(finding.what, style="dim")
    mend = Table.grid(padding=(0, 1, 0, 0))
    mend.add_column(no_wrap=True)
    mend.add_column(overflow="fold")
    mend.add_row(Text("→", style="bold"), Text(finding.mend))
    return Group(Text(finding.what, style=style), mend)


def _summary(findings: Sequence[Finding]) -> Text:
    counts = Counter[str](finding.state for finding in findings)
    words = {
        "problem": "problem" if counts["problem"] == 1 else "problems",
        "warning": "warning" if counts["warning"] == 1 else "warnings",
        "unknown": "not to be seen from here",
        "ok": "in order",
    }
    told = [
        (f"{sign} {counts[state]} {words[state]}", style)
        for state, (sign, style) in _SIGNS.items()
        if counts[state]
    ]
    summary = Text()
    for number, part in enumerate(told):
        summary.append("   " if number else "")
        summary.append(*part)
    return summary
