"""Service desks: what happens to tickets.

A ticket's number is a field, so InfluxQL can count steps but can't follow one ticket from
opened to closed. Who waits now is what was opened less what was called or given up, within
the last twelve hours: right for a centre that opens for at most twelve hours a day and calls
nobody who then gives up. Such a ticket counts as gone twice, so the number may be too low; it
is never below 0.
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
_HOUR_S: Final = 3600
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
    waits = subselect('sum("tickets") AS "tickets"', sources, group=grouping(by))
    return _signal(
        "tickets_waiting",
        "Waiting now",
        "Opened less called or given up, in the last 12 hours. A ticket that is given up after "
        "its call counts as gone twice; never below 0.",
        # InfluxQL has no greater of two: half of a number and its size is that of it and 0
        forms.select('("tickets" + abs("tickets")) / 2', f"({waits})", group=grouping(by)),
        by,
    )


@cache
def per_hour(by: tuple[str, ...]) -> Signal:
    """How many tickets take a step in each hour."""
    return _per_hour("tickets_per_hour", "Tickets", "Steps of tickets in each hour.", by)


@cache
def opened_per_hour(by: tuple[str, ...]) -> Signal:
    """How many tickets are opened in each hour."""
    return _per_hour(
        "tickets_opened_per_hour",
        "Opened",
        "Tickets opened in each hour.",
        by,
        "\"event\" = 'opened'",
    )


def _per_hour(
    name: str, title: str, description: str, by: tuple[str, ...], *conditions: str
) -> Signal:
    """Tickets come so seldom that shorter intervals than an hour would hold one or none."""
    return Signal(
        name="_".join([name, *by]),
        title=title,
        query=forms.rate("ticket", "count", "1h", AT_DEVICE, *conditions, by=by),
        unit="1/h",
        kind="history",
        measurement="ticket",
        description=description,
        by=by,
        shortest_s=_HOUR_S,
    )
