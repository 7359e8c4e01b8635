"""A small city's boards, and InfluxDB's answers to their queries without InfluxDB."""

from __future__ import annotations

from dataclasses import replace

from dashboards.influxql import ALL
from dashboards.model import (
    Board,
    EventColumn,
    Events,
    Link,
    Section,
    Shown,
    Signal,
    Stat,
    StateTimeline,
    Step,
    Table,
    Text,
    TimeSeries,
    Variable,
    Word,
)
from dashboards.preview.pages import Map, Page
from dashboards.preview.view import Answers, View
from dashboards.signals.liveness import SINK, STREAMS, sink_tick, worker_tick
from schemas.influxql import Series

NOW_MS = 1_800_000_000_000
VIEW = View(variables={"site": ALL}, end_ms=NOW_MS, range_s=6 * 3600)
BY = ("site", "device")


def signal(name: str, kind: str, **more: object) -> Signal:
    fields = {
        "title": name.capitalize(),
        "query": f"{name} $timeFilter",
        "unit": "µg/m³",
        "measurement": "air",
        "description": f"{name}.",
        "by": BY,
        "liveness": STREAMS if kind == "now" else None,
    }
    return Signal(name=name, kind=kind, **(fields | more))


OZONE = signal("ozone", "now")
PEOPLE = signal("people", "now", unit="people", measurement="scene")
SEEN = signal("seen", "age", unit="")
NEWEST = signal("newest", "age", unit="", by=())
OZONE_HISTORY = signal("ozone_history", "history")
SHARE_HISTORY = signal("share_history", "history", unit="1")
STATES = signal("states", "history", unit="")
MARKS = signal("marks", "events", by=())
EVENTS = signal("events", "events", by=())

STAT = Stat(
    title="Ozone",
    description="Ozone now.",
    values=(Shown(signal=OZONE, steps=(Step(None, "good"), Step(100, "critical"))),),
    age=NEWEST,
)
TABLE = Table(
    title="Stops",
    description="All stops.",
    rows=SEEN,
    age_title="Last reading",
    columns=(Shown(signal=OZONE), Shown(signal=PEOPLE)),
    links=(Link(title="", board="device", variables={"site": "{site}", "device": "{device}"}),),
)
HISTORY = TimeSeries(
    title="Over time",
    description="History.",
    lines=(Shown(signal=OZONE_HISTORY), Shown(signal=SHARE_HISTORY)),
)
TIMELINE = StateTimeline(
    title="States",
    description="States.",
    states=Shown(signal=STATES, words=(Word(3, "online", "good"), Word(1, "offline", "bad"))),
)
HAPPENED = Events(
    title="Happened",
    description="Events.",
    signal=EVENTS,
    columns=(EventColumn(column="state", title="State", words={"firing": "critical"}),),
)
SITE = Variable(name="site", title="Site", description="", query="sites")
CITY = Board(
    uid="city",
    title="City",
    description="All.",
    variables=(SITE,),
    sections=(
        Section(title="Now", panels=(STAT, TABLE)),
        Section(title="History", panels=(HISTORY, TIMELINE, HAPPENED)),
        Section(title="Words", panels=(Text(title="", description="", markdown="**Hi**"),)),
    ),
    annotations=MARKS,
)
PLACE = Board(
    uid="site",
    title="Site",
    description="One.",
    variables=(replace(SITE, many=False),),
    sections=(),
    links=(Link(title="City", board="city"),),
)
DEVICE = replace(PLACE, uid="device", title="Device")
STOP, GATE = {"site": "stop-1", "device": "ion-1"}, {"site": "gate-1", "device": "cam-1"}
PAGES = Map(
    [
        Page(board=CITY),
        Page(board=PLACE, chosen={"site": "stop-1"}),
        Page(board=DEVICE, chosen=STOP),
    ]
)


def rows(tags: dict[str, str], *values: tuple[int, object]) -> Series:
    return Series(tags, ("time", "value"), [list(value) for value in values])


def answers(found: dict[str, list[Series]], *, live: float = 1.0, ago_s: float = 2) -> Answers:
    """The answers to these signals by name; ticks came ``ago_s`` ago."""
    tick = rows({}, (NOW_MS - int(ago_s * 1000), 0.1))
    made = Answers(VIEW)
    for each in (OZONE, PEOPLE, SEEN, NEWEST, OZONE_HISTORY, SHARE_HISTORY, STATES, MARKS, EVENTS):
        made.found[VIEW.fill(each.query)] = found.get(each.name, [])
    for liveness in (STREAMS, SINK):
        made.found[VIEW.fill(liveness.query)] = [rows({}, (0, live))]
    for age in (worker_tick, sink_tick):
        made.found[VIEW.fill(age.query)] = [tick] if ago_s >= 0 else []
    return made


FULL = {
    "ozone": [rows(STOP, (0, 140.0)), rows(GATE, (0, 20.0))],
    "people": [rows(STOP, (0, 3))],
    "seen": [rows(STOP, (NOW_MS - 5000, 1)), rows(GATE, (NOW_MS - 90_000, 1))],
    "newest": [rows({}, (NOW_MS - 5000, 1))],
}
