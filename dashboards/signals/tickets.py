"""Service desks: what happens to tickets.

A ticket's number is a field, so InfluxQL can count steps but can't follow one ticket from
opened to closed. Who waits now is what was opened less what was called or given up, within
the last twelve hours: right for a centre that opens for at most twelve hours a day.
"""

from __future__ import annotations

from functools import cache
from typing import Final, Literal

from dashboards.model import Signal
from dashboards.signals import forms
from dashboards.signals.forms import AT_DEVICE, grouping, subselect, within
from dashboards.signals.liveness import STREAMS

DAY_S: Final = 12 * 3600
"""The longest that a centre is open at a stretch."""
Event = Literal["opened", "called", "closed", "abandoned"]

_SOURCE: Final = forms.newest_windows("ticket")
_WORDS: Final[dict[Event, str]] = {
    "opened": "Opened",
    "called": "Called",
    "closed": "Closed",
    "abandoned": "Given up",
}


def _steps(factor: int, pattern: str, by: tuple[str, ...]) -> str:
    times = "" if factor == 1 else f"{factor} * "
    counted = subselect(
        f'{times}sum("count") AS "tickets"',
        _SOURCE,
        AT_DEVICE,
        f'"event" =~ /^({pattern})$/',
        within(DAY_S),
        group=grouping(by),
    )
    return f"({counted})"


def _signal(name: str, title: str, description: str, query: str, by: tuple[str, ...]) -> Signal:
    return Signal(
        name="_".join([name, *by]),
        title=title,
        query=query,
        unit="tickets",
        kind="now",
        measurement="ticket",
        description=description,
        by=by,
        liveness=STREAMS,
        bound_s=DAY_S,
    )


@cache
def today(event: Event, by: tuple[str, ...] = ()) -> Signal:
    """How many tickets took a step in the last twelve hours: 0 too, where any ticket did."""
    sources = f"{_steps(1, event, by)}, {_steps(0, '|'.join(_WORDS), by)}"
    return _signal(
        f"tickets_{event}",
        _WORDS[event],
        f"Tickets {_WORDS[event].lower()} in the last 12 hours.",
        forms.select('sum("tickets")', sources, group=grouping(by)),
        by,
    )


@cache
def waiting(by: tuple[str, ...] = ()) -> Signal:
    """How many wait to be called."""
    sources = f"{_steps(1, 'opened', by)}, {_steps(-1, 'called|abandoned', by)}"
    return _signal(
        "tickets_waiting",
        "Waiting now",
        "Opened less called or given up, in the last 12 hours.",
        forms.select('sum("tickets")', sources, group=grouping(by)),
        by,
    )


@cache
def per_hour(by: tuple[str, ...]) -> Signal:
    """How many tickets take a step in an hour."""
    return Signal(
        name="_".join(["tickets_per_hour", *by]),
        title="Tickets",
        query=forms.rate("ticket", "count", "1h", AT_DEVICE, by=by),
        unit="1/h",
        kind="history",
        measurement="ticket",
        description="Tickets an hour.",
        by=by,
    )


@cache
def opened_per_hour(by: tuple[str, ...]) -> Signal:
    """How many tickets are opened in an hour."""
    return Signal(
        name="_".join(["tickets_opened_per_hour", *by]),
        title="Opened",
        query=forms.rate("ticket", "count", "1h", AT_DEVICE, "\"event\" = 'opened'", by=by),
        unit="1/h",
        kind="history",
        measurement="ticket",
        description="Tickets opened in an hour.",
        by=by,
    )
