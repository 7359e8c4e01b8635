"""Alerts: which fire now, and what has happened to them."""

from __future__ import annotations

from functools import cache
from typing import Final

from dashboards.model import Signal
from dashboards.signals import forms
from dashboards.signals.forms import AT_DEVICE, AT_SITE, grouping, subselect, within
from dashboards.signals.liveness import STREAMS
from dashboards.signals.states import SOURCE, TOLD_S
from schemas.records import Severity

LONGEST_S: Final = 365 * 86_400
"""An alert that has fired for longer than this is no longer counted."""
MOST_EVENTS: Final = 500
SERIES: Final = ("site", "device", "rule", "severity")

_SOURCE: Final = '"r1h"."alert"'


@cache
def firing(severity: Severity | None = None, by: tuple[str, ...] = ()) -> Signal:
    """How many alerts fire now (of a severity): 0 too, once any alert was ever told.

    While the worker is live, all that it told is here: where there is a device and no row of an
    alert, none fires. InfluxQL can't add that 0, as it never joins two measurements.
    """
    # severity beside the value and not in GROUP BY: an alert that has ended with another one
    # than it began with, as its rule was changed, would fire on in the series where it began
    newest = subselect(
        'last("firing") AS "firing", "severity"',
        _SOURCE,
        AT_SITE,
        within(LONGEST_S),
        group=grouping(("site", "device", "rule")),
    )
    mine = [f"\"severity\" = '{severity}'"] if severity else []
    wanted = subselect('sum("firing") AS "firing"', f"({newest})", *mine, group=grouping(by))
    none = subselect('0 * sum("firing") AS "firing"', f"({newest})", group=grouping(by))
    return Signal(
        name="_".join(["firing", *([severity] if severity else []), *by]),
        title=severity.capitalize() if severity else "Firing",
        query=forms.select('sum("firing")', f"({wanted}), ({none})", group=grouping(by)),
        unit="alerts",
        kind="now",
        measurement="alert",
        description=f"Alerts{f' of severity {severity}' if severity else ''} that fire now.",
        by=by,
        liveness=STREAMS,
        bound_s=LONGEST_S,
        zero_by=_known(by),
    )


@cache
def _known(by: tuple[str, ...]) -> Signal:
    """A 0 wherever there is any device."""
    return Signal(
        name="_".join(["devices_known", *by]),
        title="None",
        query=forms.select(
            '0 * count("code")', SOURCE, AT_SITE, within(TOLD_S), group=grouping(by)
        ),
        unit="alerts",
        kind="now",
        measurement="device_state",
        description="Where there is any device.",
        by=by,
        liveness=STREAMS,
        bound_s=TOLD_S,
    )


def _newest(name: str, title: str, field: str, unit: str, description: str) -> Signal:
    return Signal(
        name=name,
        title=title,
        query=forms.last_value(_SOURCE, field, AT_DEVICE, within(LONGEST_S), by=SERIES),
        unit=unit,
        kind="now",
        measurement="alert",
        description=description,
        by=SERIES,
        liveness=STREAMS,
        bound_s=LONGEST_S,
    )


alert_firing = _newest("alert_firing", "State", "firing", "", "1 where it fires, else 0.")
alert_value = _newest("alert_value", "Value", "value", "", "The value at its last transition.")
alert_started = _newest(
    "alert_started", "Began", "started_ms", "time", "When its condition began, in event time."
)


def _changed(name: str, by: tuple[str, ...], where: str) -> Signal:
    return Signal(
        name=name,
        title="Last change",
        query=forms.last_value(_SOURCE, "firing", where, within(LONGEST_S), by=by),
        unit="",
        kind="age",
        measurement="alert",
        description="When an alert last changed its state.",
        by=by,
        bound_s=LONGEST_S,
    )


changed = _changed("alerts_changed", SERIES, AT_DEVICE)


@cache
def newest_change(severity: Severity | None = None) -> Signal:
    """When any alert (of a severity) last changed its state."""
    if severity is None:
        return _changed("alerts_newest_change", (), AT_SITE)
    where = f"{AT_SITE} AND \"severity\" = '{severity}'"
    return _changed(f"alerts_newest_change_{severity}", (), where)


fired_over_time = Signal(
    name="fired_over_time",
    title="Transitions to firing",
    query=forms.select(
        'sum("firing")',
        _SOURCE,
        "$timeFilter",
        AT_DEVICE,
        group=forms.in_intervals(("severity",)),
    ),
    unit="alerts",
    kind="history",
    measurement="alert",
    description="Alerts that began to fire in each interval.",
    by=("severity",),
)

transitions = Signal(
    name="transitions",
    title="Transitions",
    query=subselect(
        '"state", "severity", "rule", "site", "device", "value", "summary"',
        _SOURCE,
        "$timeFilter",
        AT_DEVICE,
        group=f" ORDER BY time DESC LIMIT {MOST_EVENTS}",
    ),
    unit="",
    kind="events",
    measurement="alert",
    description=f"State changes of alerts, the newest {MOST_EVENTS}.",
)

marks = Signal(
    name="alert_marks",
    title="Alerts",
    query=subselect(
        '"summary", "rule", "severity", "state"',
        _SOURCE,
        "$timeFilter",
        AT_SITE,
        "\"state\" = 'firing'",
        group=f" ORDER BY time DESC LIMIT {MOST_EVENTS}",
    ),
    unit="",
    kind="events",
    measurement="alert",
    description="Where alerts began to fire.",
)
