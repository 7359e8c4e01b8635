"""iQala service desks: who waits, and what becomes of tickets."""

from __future__ import annotations

from dashboards.boards import parts
from dashboards.limits import Limits
from dashboards.model import Board, Section, Shown, Signal, Stat, Step, Table, Text, TimeSeries
from dashboards.signals import alerts, readings, tickets

_EVENTS: tuple[tickets.Event, ...] = ("opened", "called", "closed", "abandoned")
_PROMISE = (
    "A ticket's number is a field of its row, so these queries count steps and can't follow one "
    "ticket from opened to closed: the promise of 15 minutes is not shown here. Waiting is what "
    "was opened less what was called or given up within 12 hours; a ticket that is given up after "
    "its call counts as gone twice, so the number may be too low, but never below 0."
)


def desks(_limits: Limits) -> Board:
    """The board of service desks."""
    newest = readings.last_seen("ticket", "seq", ())
    waiting = Stat(
        title="Waiting now",
        description=tickets.waiting().description,
        values=(Shown(signal=tickets.waiting(), title="Waiting", decimals=0),),
        age=newest,
        width=4,
    )
    today = Stat(
        title="Tickets, last 12 hours",
        description="How many were opened, called, closed and given up.",
        values=tuple(Shown(signal=tickets.today(event), decimals=0) for event in _EVENTS),
        age=newest,
        width=9,
    )
    return Board(
        uid="qala-desks",
        title="Service desks",
        description="iQala centres: tickets opened, called, closed and given up; who waits now.",
        variables=(parts.SITE, parts.DEVICE),
        sections=(
            Section(
                title="Now",
                panels=(
                    parts.live_tile(),
                    waiting,
                    today,
                    parts.devices_tile("desk", width=7),
                    Text(
                        title="",
                        description="What tickets can't say.",
                        markdown=_PROMISE,
                        height=2,
                    ),
                    _table("Centres", "site"),
                    _table("Services", "service"),
                ),
            ),
            Section(
                title="Over time",
                panels=(
                    _bars("Steps of tickets", tickets.per_hour(("event",))),
                    _bars("Opened by service", tickets.opened_per_hour(("service",))),
                ),
            ),
        ),
        annotations=alerts.marks,
    )


def _bars(title: str, signal: Signal) -> TimeSeries:
    return TimeSeries(
        title=title,
        description=signal.description,
        lines=parts.shown([signal], 0),
        style="bars",
        stacked=True,
        lowest=0,
    )


def _table(title: str, tag: str) -> Table:
    by = (tag,)
    return Table(
        title=title,
        description="Steps of tickets in the last 12 hours.",
        rows=readings.last_seen("ticket", "seq", by),
        age_title="Last step",
        columns=(
            Shown(signal=tickets.waiting(by), steps=(Step(None, "neutral"), Step(10, "notice"))),
            *(Shown(signal=tickets.today(event, by)) for event in _EVENTS),
        ),
        sort=tickets.today("opened", by).name,
        links=(parts.TO_SITE,) if tag == "site" else (),
    )
