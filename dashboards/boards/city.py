"""The city now: all systems at a glance, and a table of sites to go on from."""

from __future__ import annotations

from dashboards.boards import parts
from dashboards.limits import Limits
from dashboards.model import Board, Section, Shown, Stat, Step, Table, Text, TimeSeries
from dashboards.signals import alerts, flow, people, states
from schemas.records import DeviceStateName

_BY_SITE = ("site",)
_READ_ME = (
    "A value here is current, or it says so: **unknown** where nothing has ticked for 10 s, "
    "**–** where there is no data. Under each stands the age of the last row behind it."
)


def city(_limits: Limits) -> Board:
    """The board to begin with."""
    return Board(
        uid="qala-city",
        title="City now",
        description="All systems at a glance: alerts, devices, readings, people, sites.",
        variables=(parts.SITE,),
        sections=(
            Section(title="Now", panels=_tiles()),
            Section(title="Sites", panels=(_sites(),)),
            Section(title="Over time", panels=_histories()),
        ),
        annotations=alerts.marks,
    )


def _tiles() -> tuple[Stat | Text, ...]:
    return (
        parts.live_tile(width=5, with_bridges=True),
        parts.alerts_tile(width=5),
        parts.devices_tile(),
        Stat(
            title="Readings",
            description=flow.readings_per_second().description,
            values=(Shown(signal=flow.readings_per_second(), decimals=1),),
            age=flow.seen(),
            width=3,
        ),
        parts.people_tile(*people.COUNTERS, width=3),
        parts.passages_tile(width=3),
        Text(title="", description="How to read this board.", markdown=_READ_ME, height=2),
    )


def _sites() -> Table:
    def devices(name: DeviceStateName, *steps: Step) -> Shown:
        signal = states.devices_in(name, _BY_SITE)
        return Shown(signal=signal, steps=steps)

    return Table(
        title="Sites",
        description="Each site that has sent in the last 7 days.",
        rows=flow.seen(_BY_SITE),
        age_title="Last reading",
        columns=(
            Shown(
                signal=alerts.firing("critical", by=_BY_SITE),
                steps=(Step(None, "neutral"), Step(1, "critical")),
            ),
            Shown(
                signal=alerts.firing(by=_BY_SITE),
                title="Alerts firing",
                steps=(Step(None, "neutral"), Step(1, "bad")),
            ),
            devices("online"),
            devices("stale", Step(None, "neutral"), Step(1, "notice")),
            devices("offline", Step(None, "neutral"), Step(1, "bad")),
            Shown(signal=flow.readings_per_second(_BY_SITE), title="Readings", decimals=2),
            Shown(signal=people.now("scene", _BY_SITE), title="In view of cameras"),
            Shown(signal=people.now("air", _BY_SITE), title="At bus stops"),
            Shown(signal=flow.passed("in", _BY_SITE), title="In, last hour"),
            Shown(signal=flow.passed("out", _BY_SITE), title="Out, last hour"),
        ),
        links=(parts.TO_SITE,),
    )


def _histories() -> tuple[TimeSeries, ...]:
    return (
        parts.over_time(flow.rate("readings", "Readings", "1/s", ("kind",)), lowest=0),
        TimeSeries(
            title="Through entrances",
            description="People in and out in a minute.",
            lines=(
                Shown(signal=flow.rate("people_in", "In", "1/min", ()), decimals=1),
                Shown(signal=flow.rate("people_out", "Out", "1/min", ()), decimals=1),
            ),
            lowest=0,
        ),
        parts.over_time(flow.devices_heard(("kind",)), lowest=0),
        TimeSeries(
            title="People in view",
            description="The mean of each device in each interval, of all devices of a site "
            "together; a device counts in those in which it has counted.",
            lines=parts.shown(people.over_time(counter, _BY_SITE) for counter in people.COUNTERS),
            lowest=0,
        ),
    )
