"""`qala alerts list`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
from rich.text import Text

from infra.cli.output import console, iso_ms, print_json, print_simulated, show, table
from infra.errors import LookupFailedError
from infra.settings import load_settings
from infra.topic_reader import last_by_key
from infra.words import age_words, count_words, severity_text
from infra.worker_clocks import NO_CLOCKS, WorkerClocks, worker_clocks
from schemas.connections import KafkaConnection
from schemas.records import Alert, decode_alert
from schemas.topics import ALERTS

_SHOWN: Final = 50
_BEGAN: Final = "began: when its condition did, UTC (a chat message's `since`); "
_STATES: Final = {
    "firing": ("●", "bold red"),
    "pending": ("◐", "yellow"),
    "resolved": ("○", "green"),
}


class Wanted(NamedTuple):
    """Which alerts: ``site`` is a shell pattern, None is any; ``limit`` how many at most."""

    firing: bool = False
    site: str | None = None
    severity: str | None = None
    limit: int | None = None

    def takes(self, alert: Alert) -> bool:
        """Whether ``alert`` is to be shown."""
        if alert.state == "resolved" and not alert.fired:
            return False  # it was pending only and never reached anybody
        return (
            (alert.state == "firing" or not self.firing)
            and (self.site is None or fnmatchcase(alert.site, self.site))
            and self.severity in {None, alert.severity}
        )


def list_alerts(wanted: Wanted, *, data: Path | None, as_json: bool, now_s: float) -> None:
    """Print the last state of each alert, those that fire first.

    Raises:
        LookupFailedError: Kafka can't be asked.
    """
    logging.disable()  # what a client logs of an absent Kafka is in our sentence
    settings = load_settings(data=data)
    now_ms = round(now_s * 1000)

    async def ask() -> tuple[dict[bytes, bytes], WorkerClocks]:
        stored = await last_by_key(settings.kafka, ALERTS)
        return stored, NO_CLOCKS if as_json else await _clocks(settings.kafka, now_ms)

    values, clocks = asyncio.run(ask())
    found = sorted(filter(wanted.takes, _decoded(values.values())), key=_order)
    if as_json:
        print_json([_as_dict(alert) for alert in found[: wanted.limit]])
        return
    shown = found[: wanted.limit or _SHOWN]
    counted = "firing for" if wanted.firing else "in state for"
    made = table(
        "state", "severity", counted, "began", "site", "device", "rule", "what",
        right=(counted,),
        drop=("rule", "began", "severity"),
    )  # fmt: skip
    for alert in shown:
        made.add_row(*_row(alert, clocks.now_ms(now_ms) / 1000))
    columns = show(made, "no alert fires" if wanted.firing else "no alerts")
    if shown:
        rest = len(found) - len(shown)
        more = f"and {count_words(rest)} more (--limit); " if rest else ""
        told = (
            f"{_BEGAN if 'began' in columns else ''}what: as it was told with its last change of "
            "state, its figures do not move on. `qala ps` says whether the worker runs"
        )
        console().print(Text(f"\n{more}{told}", style="dim"))
        print_simulated(clocks.speed)


async def _clocks(kafka: KafkaConnection, now_ms: int) -> WorkerClocks:
    """Which clock ages are on; the wall's where it can't be asked, for whoever may see alerts."""
    try:
        return await worker_clocks(kafka, now_ms)
    except LookupFailedError:
        return NO_CLOCKS


def _decoded(values: Iterable[bytes]) -> Iterable[Alert]:
    for value in values:
        try:
            yield decode_alert(value)
        except msgspec.DecodeError:
            continue  # a newer version's; it shows it itself


def _order(alert: Alert) -> tuple[int, int]:
    return ("firing", "pending", "resolved").index(alert.state), -alert.at


def _row(alert: Alert, now_s: float) -> tuple[str | Text, ...]:
    sign, style = _STATES[alert.state]
    return (
        Text(f"{sign} {alert.state}", style=style),
        severity_text(alert.severity),
        age_words(now_s - alert.at / 1000),
        _moment(alert.started, now_s),
        alert.site,
        alert.device,
        Text(alert.rule, style="dim"),
        alert.summary,
    )


def _moment(ms: int, now_s: float) -> Text:
    """The time of day, with its date where that is not today's (UTC)."""
    at = datetime.fromtimestamp(ms / 1000, UTC)
    today = at.date() == datetime.fromtimestamp(now_s, UTC).date()
    return Text(at.strftime("%H:%M:%S" if today else "%d %b %H:%M"), style="dim")


def _as_dict(alert: Alert) -> dict[str, Any]:
    """Every field, its times in ISO form."""
    fields = {name: getattr(alert, name) for name in alert.__struct_fields__}
    return {**fields, "at": iso_ms(alert.at), "started": iso_ms(alert.started)}
