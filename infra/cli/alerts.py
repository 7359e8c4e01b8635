"""`qala alerts`: the alerts of the worker."""
# ruff: noqa: PLC0415 - each command imports what it needs when it runs, so that help comes at once

from __future__ import annotations

import time
from enum import StrEnum
from typing import Annotated

import typer

from infra.cli.options import Data, Json

alerts = typer.Typer(help="Alerts: which fire, and which did.", rich_markup_mode="markdown")


class Severity(StrEnum):
    """Severities that `alerts list --severity` takes."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


@alerts.callback()
def _alerts() -> None:
    """Keep `list` a command of its own, as long as it is the only one."""


@alerts.command("list")
def alerts_list(
    *,
    firing: Annotated[bool, typer.Option("--firing", help="Only what fires now.")] = False,
    site: Annotated[
        str | None,
        typer.Option("--site", metavar="PATTERN", help="Only these sites (a shell pattern)."),
    ] = None,
    severity: Annotated[
        Severity | None, typer.Option("--severity", help="Only alerts of this severity.")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit", metavar="N", min=1, help="How many, at most; default: 50 in a table."
        ),
    ] = None,
    as_json: Json = False,
    data: Data = None,
) -> None:
    """Print alerts with their last state: those that fire first, then the newest.

    A pending one holds its condition, but not yet for as long as its rule says. Ended ones are
    kept for 90 days; what was only pending is left out once it is over.

    **Examples**

    - `qala alerts list --firing`
    - `qala alerts list --site 'stop-*' --severity critical`
    - `qala alerts list --json | jq '.[] | select(.state == "firing") | .summary'`
    """
    from infra.cli.look_alerts import Wanted, list_alerts

    wanted = Wanted(
        firing=firing, site=site, severity=severity.value if severity else None, limit=limit
    )
    list_alerts(wanted, data=data, as_json=as_json, now_s=time.time())
