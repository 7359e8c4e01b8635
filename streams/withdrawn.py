"""What becomes of an alert whose rule was changed or removed while it was on.

The state of a worker keeps, beside each alert's state machine, what its rule said. Where the
rules that are loaded say otherwise, an alert that was pending or firing is resolved: nothing
else ever would, and dashboards and the chat would show it for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from schemas.records import Alert, Severity
from streams.alerts import ABSENT_FIELDS, AbsentAlert, ValueAlert, what_is_on
from streams.log_clock import LogClock
from streams.rules import Rule
from streams.summaries import human_number
from streams.transitions import alert_id


class SavedAlert(NamedTuple):
    """An alert's state machine as it is kept, with what its rule said then.

    ``severity`` is empty in a state of a program that did not keep it.
    """

    rule: str
    measure: str
    severity: Severity | Literal[""]
    unit: str
    state: Sequence[int | float]

    @classmethod
    def of(cls, alert: ValueAlert | AbsentAlert) -> SavedAlert | None:
        """What is kept of ``alert``; None where it has nothing to remember."""
        state = alert.snapshot()
        rule = alert.rule
        if state is None:
            return None
        return cls(rule.id, rule.measure, rule.severity, rule.unit, state)

    def fits(self, rule: Rule) -> bool:
        """Whether ``rule`` still judges the same thing, under the same name and severity."""
        if not self.severity:
            return (len(self.state) == ABSENT_FIELDS) == (rule.measure == rule.type)
        return self.measure == rule.measure and self.severity == rule.severity


def resolved(saved: SavedAlert, site: str, kind: str, device: str, clock: LogClock) -> Alert | None:
    """The end of an alert whose rule is no longer there; None where it was not on.

    ``clock`` is the log's when the state was kept: the same state and rules give the same
    record, however often they are loaded.
    """
    was = what_is_on(saved.state, clock.active_ms)
    if was is None or not saved.severity:
        return None
    value = f"{human_number(was.value)} {saved.unit}".rstrip()
    return Alert(
        id=alert_id(saved.rule, site, device, was.started_ms),
        rule=saved.rule,
        severity=saved.severity,
        site=site,
        kind=kind,
        device=device,
        state="resolved",
        value=was.value,
        summary=f"rule {saved.rule} no longer watches {device} at {site}; last value {value}",
        at=clock.now_ms,
        ordinal=was.next_ordinal,
        started=was.started_ms,
        unit=saved.unit,
        measure=saved.measure,
        fired=was.fired,
    )
