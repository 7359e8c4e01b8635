"""The record of an alert's state change: its id, its summary, and all that the rule says of it."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from schemas.readings import KIND_OF_TYPE
from schemas.records import Alert, AlertState
from streams.rules import Rule
from streams.summaries import human_duration, human_number, render


class Moment(NamedTuple):
    """Whose state change it is, when the condition began, and when it changed."""

    site: str
    device: str
    started_ms: int
    clock_ms: int


def alert_id(rule: str, site: str, device: str, started_ms: int) -> str:
    """An alert's id: a function of rule, device and start (80 bits of SHA-256, in hex)."""
    name = f"{rule}/{site}/{device}/{started_ms}"
    return hashlib.sha256(name.encode()).hexdigest()[:20]


def transition(
    rule: Rule,
    moment: Moment,
    state: AlertState,
    *,
    ordinal: int,
    value: float,
    limit: str,
    since_ms: int,
    fired: bool,
) -> Alert:
    """The record of one state change of the rule's alert, its summary in words.

    ``limit`` is as people read it, ``since_ms`` how long the condition has held (or the device
    been silent), ``fired`` whether the alert has fired in its life.
    """
    words = {
        "value": human_number(value),
        "unit": rule.unit,
        "limit": limit,
        "site": moment.site,
        "device": moment.device,
        "since": human_duration(since_ms),
        "rule": rule.id,
    }
    return Alert(
        id=alert_id(rule.id, moment.site, moment.device, moment.started_ms),
        rule=rule.id,
        severity=rule.severity,
        site=moment.site,
        kind=KIND_OF_TYPE[rule.type],
        device=moment.device,
        state=state,
        value=value,
        summary=render(rule.summary, words),
        at=moment.clock_ms,
        ordinal=ordinal,
        started=moment.started_ms,
        unit=rule.unit,
        measure=rule.measure,
        runbook=rule.runbook,
        fired=fired,
    )
