"""What several boards share: variables, words for numbers, links, tiles and columns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from dashboards.limits import Limits
from dashboards.model import (
    LIVE_ABOVE,
    Colour,
    EventColumn,
    Events,
    Link,
    Shown,
    Signal,
    Stat,
    StateTimeline,
    Step,
    TimeSeries,
    Variable,
    Word,
)
from dashboards.signals import (
    alerts,
    bridges,
    flow,
    liveness,
    people,
    readings,
    simulated,
    states,
)
from schemas.measurements import DEVICE_STATE_CODES

SITE: Final = Variable(
    name="site",
    title="Site",
    description="A school, a bus stop, a street or a service centre.",
    query='SHOW TAG VALUES FROM "raw"."device_state" WITH KEY = "site"',
)
DEVICE: Final = Variable(
    name="device",
    title="Device",
    description="A device of the chosen sites.",
    query=(
        'SHOW TAG VALUES FROM "raw"."device_state" WITH KEY = "device" '
        'WHERE "site" =~ /^${site:regex}$/'
    ),
)
ONE_SITE: Final = replace(SITE, many=False)
ONE_DEVICE: Final = replace(DEVICE, many=False)

_STATE_WORDS: Final[dict[str, tuple[str, Colour]]] = {
    "online": ("online", "good"),
    "stale": ("stale", "notice"),
    "offline": ("offline", "bad"),
    "never_seen": ("never seen", "neutral"),
}
STATES: Final = tuple(Word(code, *_STATE_WORDS[name]) for name, code in DEVICE_STATE_CODES.items())
LIVE: Final = (Word(LIVE_ABOVE, "live", "good", to=1.0 / LIVE_ABOVE),)
FIRING: Final = (Word(1, "firing", "critical"), Word(0, "resolved", "neutral"))
NO_YES: Final = (Word(0, "no", "good"), Word(1, "yes", "critical"))
YES: Final = (Word(0, "no", "neutral"), Word(1, "yes", "good"))
SIMULATED: Final = (Word(0, "of no simulator", "neutral"), Word(1, "simulated", "notice", to=1e9))
NONE_IS_GOOD: Final = (Step(None, "good"), Step(1, "bad"))

TO_SITE: Final = Link(title="Open site", board="qala-site", variables={"site": "{site}"})
TO_DEVICE: Final = Link(
    title="Open device", board="qala-device", variables={"site": "{site}", "device": "{device}"}
)
SEVERITIES: Final[dict[str, Colour]] = {
    "critical": "critical",
    "warning": "bad",
    "info": "notice",
}


def shown(signals: Iterable[Signal], decimals: int | None = None) -> tuple[Shown, ...]:
    """Signals as they are, without steps or words."""
    return tuple(Shown(signal=signal, decimals=decimals) for signal in signals)


def live_tile(width: int = 4, *, with_bridges: bool = False) -> Stat:
    """Whether the worker vouches for what the board shows, and whether the data are real."""
    return Stat(
        title="Live",
        description="Live where every partition's last tick is younger than 10 s; "
        "else all current values are unknown. Data are simulated where any device is.",
        values=(
            Shown(signal=liveness.worker_live, words=LIVE),
            *((absent_bridges(),) if with_bridges else ()),
            made_up(simulated.devices_now(), states.newest_told()),
        ),
        age=liveness.worker_tick,
        width=width,
    )


def absent_bridges() -> Shown:
    """How many bridges are gone, while the others keep everything live."""
    return Shown(signal=bridges.absent, steps=NONE_IS_GOOD, age=bridges.ticked)


def made_up(signal: Signal, age: Signal) -> Shown:
    """Whether data are simulated: a word for how many devices are."""
    return Shown(signal=signal, words=SIMULATED, age=age)


def alerts_tile(width: int = 5) -> Stat:
    """How many alerts fire, by severity."""
    return Stat(
        title="Alerts firing",
        description="Alerts of the chosen sites that fire now; under each, when one of that "
        "severity last changed. Grafana can't tell none from unknown before the first alert.",
        values=(
            Shown(
                signal=alerts.firing("critical"),
                steps=(Step(None, "good"), Step(1, "critical")),
                age=alerts.newest_change("critical"),
            ),
            Shown(
                signal=alerts.firing("warning"),
                steps=NONE_IS_GOOD,
                age=alerts.newest_change("warning"),
            ),
            Shown(
                signal=alerts.firing("info"),
                steps=(Step(None, "good"), Step(1, "notice")),
                age=alerts.newest_change("info"),
            ),
        ),
        age=alerts.newest_change(),
        width=width,
    )


def devices_tile(kind: str = "", width: int = 5) -> Stat:
    """How many devices are online, stale, offline."""
    return Stat(
        title="Devices",
        description="Online: heard. Stale: silent for longer than usual. Offline: said so itself, "
        "or silent for much longer.",
        values=(
            Shown(signal=states.devices_in("online", (), kind), colour="good"),
            Shown(
                signal=states.devices_in("stale", (), kind),
                steps=(Step(None, "good"), Step(1, "notice")),
            ),
            Shown(signal=states.devices_in("offline", (), kind), steps=NONE_IS_GOOD),
        ),
        age=states.newest_told(kind),
        width=width,
    )


def people_tile(*counters: people.Counter, width: int = 4) -> Stat:
    """How many people are in view."""
    return Stat(
        title="People in view",
        description=people.now(counters[0]).description,
        values=tuple(
            Shown(signal=people.now(counter), decimals=0, age=people.seen(counter))
            for counter in counters
        ),
        age=people.seen(counters[0]),
        width=width,
    )


def passages_tile(width: int = 5) -> Stat:
    """How many people went through entrances."""
    return Stat(
        title="Entrances",
        description="Passages of the last hour, in and out.",
        values=(
            Shown(
                signal=flow.passed("in"),
                title="In, last hour",
                decimals=0,
                age=flow.passed_seen("in"),
            ),
            Shown(
                signal=flow.passed("out"),
                title="Out, last hour",
                decimals=0,
                age=flow.passed_seen("out"),
            ),
        ),
        age=flow.passed_seen("in"),
        width=width,
    )


def hourly(signal: Signal) -> Signal:
    """A history of whole hours: for what comes so seldom that less holds a value or two."""
    return replace(signal, shortest_s=3600, description=f"{signal.description} At least an hour.")


def over_time(
    signal: Signal,
    title: str = "",
    *,
    limits: tuple[Step, ...] = (),
    decimals: int | None = None,
    width: int = 12,
    lowest: float | None = None,
) -> TimeSeries:
    """One signal over time."""
    return TimeSeries(
        title=title or signal.title,
        description=signal.description,
        lines=(Shown(signal=signal, decimals=decimals),),
        limits=limits,
        width=width,
        lowest=lowest,
    )


def with_extremes(
    limits: Limits, reading_type: str, field: str, decimals: int
) -> tuple[Shown, ...]:
    """A field's mean, and beside it the highest or lowest value that a rule compares."""
    mean = readings.history(reading_type, field)
    extremes = [
        readings.history(reading_type, field, extreme)
        for extreme in limits.compared(f"{reading_type}.{field}")
    ]
    title = f"{mean.title}, mean" if extremes else ""
    return (
        Shown(
            signal=mean,
            title=title,
            steps=limits.steps(f"{reading_type}.{field}"),
            decimals=decimals,
        ),
        *(Shown(signal=signal, decimals=decimals, beside=mean) for signal in extremes),
    )


def against_limits(
    limits: Limits, reading_type: str, field: str, decimals: int, *, lowest: float | None = None
) -> TimeSeries:
    """A field over time with its limits, for few devices: the mean and what is compared."""
    lines = with_extremes(limits, reading_type, field, decimals)
    return TimeSeries(
        title=lines[0].signal.title,
        description=" ".join(shown.signal.description for shown in lines),
        lines=lines,
        limits=limits.steps(f"{reading_type}.{field}"),
        lowest=lowest,
    )


def compared_over_time(
    limits: Limits,
    reading_type: str,
    field: str,
    decimals: int,
    *,
    lowest: float | None = None,
    width: int = 12,
) -> TimeSeries:
    """A field over time with its limits, for many devices: only what is compared, else the mean."""
    measure = f"{reading_type}.{field}"
    compared = limits.compared(measure) or ("mean",)
    signals = [readings.history(reading_type, field, statistic) for statistic in compared]
    return TimeSeries(
        title=signals[0].title
        if len(signals) == 1
        else readings.history(reading_type, field).title,
        description=" ".join(signal.description for signal in signals),
        lines=shown(signals, decimals),
        limits=limits.steps(measure),
        lowest=lowest,
        width=width,
    )


def counts_over_time(signal: Signal, width: int = 12) -> TimeSeries:
    """How many there were in each interval, as bars."""
    return TimeSeries(
        title=signal.title,
        description=f"{signal.description} How many in each interval.",
        lines=(Shown(signal=signal, decimals=0),),
        style="bars",
        stacked=True,
        lowest=0,
        width=width,
    )


def states_over_time(kind: str = "") -> StateTimeline:
    """The state of each device (of a kind) over time."""
    return StateTimeline(
        title="States",
        description="Whether each device was heard. A gap: Qala itself did not run.",
        states=Shown(signal=states.state_history(kind), words=STATES),
    )


def what_happened(width: int = 24) -> Events:
    """The state changes of alerts, newest first."""
    return Events(
        title="What happened",
        description=alerts.transitions.description,
        signal=alerts.transitions,
        columns=(
            EventColumn(
                column="state",
                title="State",
                words={"firing": "critical", "pending": "notice", "resolved": "good"},
            ),
            EventColumn(column="severity", title="Severity", words=SEVERITIES),
            EventColumn(column="rule", title="Rule"),
            EventColumn(column="site", title="Site"),
            EventColumn(column="device", title="Device"),
            EventColumn(column="value", title="Value"),
            EventColumn(column="summary", title="What it said"),
        ),
        links=(TO_DEVICE,),
        width=width,
    )
