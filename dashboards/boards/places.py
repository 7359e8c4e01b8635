"""One site, and one device."""

from __future__ import annotations

from dashboards.boards import parts
from dashboards.limits import Limits
from dashboards.model import Board, Section, Shown, Stat, Step, Table, TimeSeries
from dashboards.signals import alerts, flow, people, quality, readings, states
from dashboards.signals.forms import BY_DEVICE

_MEASURED = (
    ("temperature", "celsius", 1),
    ("temperature", "humidity_pct", 0),
    ("air", "efficiency_pct", 2),
    ("air", "ozone_ugm3", 0),
    ("air", "co2_ppm", 0),
    ("scene", "people", 0),
    ("scene", "vehicles", 0),
    ("scene", "fps", 0),
    ("audio", "volume_pct", 0),
    ("audio", "noise_db", 0),
)
"""What of each type is shown where a board has room for a few values of any device."""


def site(limits: Limits) -> Board:
    """Everything at one site."""
    table = Table(
        title="Devices",
        description="Each device of the site.",
        rows=states.told_kinds,
        age_title="Told",
        columns=(
            Shown(signal=states.state, words=parts.STATES),
            Shown(signal=states.heard),
            Shown(signal=states.interval, decimals=1),
            Shown(signal=quality.count("readings")),
            Shown(
                signal=quality.count("missing"), steps=(Step(None, "neutral"), Step(1, "notice"))
            ),
            Shown(signal=quality.wrong_clocks(BY_DEVICE), words=parts.NO_YES),
        ),
        links=(parts.TO_DEVICE,),
    )
    counted = TimeSeries(
        title="People",
        description="In view, and through entrances.",
        lines=(
            *parts.shown((people.over_time(counter, ("site",)) for counter in people.COUNTERS), 0),
            Shown(signal=flow.rate("people_in", "In", "1/min", ()), decimals=1),
            Shown(signal=flow.rate("people_out", "Out", "1/min", ()), decimals=1),
        ),
        lowest=0,
    )
    return Board(
        uid="qala-site",
        title="Site",
        description="One site: its devices, alerts, people and air.",
        variables=(parts.ONE_SITE, parts.DEVICE),
        sections=(
            Section(
                title="Now",
                panels=(
                    parts.live_tile(width=4),
                    parts.alerts_tile(width=6),
                    parts.devices_tile(width=5),
                    parts.people_tile(*people.COUNTERS),
                    parts.passages_tile(),
                    table,
                ),
            ),
            Section(
                title="Over time",
                panels=(
                    parts.over_time(flow.rate("readings", "Readings", "1/s", ("kind",)), lowest=0),
                    counted,
                    parts.against_limits(limits, "temperature", "celsius", 1),
                    parts.against_limits(limits, "air", "ozone_ugm3", 0, lowest=0),
                    parts.states_over_time(),
                ),
            ),
            Section(title="Alerts", panels=(parts.what_happened(),)),
        ),
        annotations=alerts.marks,
    )


def device(limits: Limits) -> Board:
    """One device."""
    return Board(
        uid="qala-device",
        title="Device",
        description="One device: its state, what it measures, its alerts, how good its data are.",
        variables=(parts.ONE_SITE, parts.ONE_DEVICE),
        sections=(
            Section(title="Now", panels=(*_tiles(), alerts_table(height=6))),
            Section(
                title="Over time",
                panels=(
                    TimeSeries(
                        title="What it measures",
                        description="The mean of each interval; where a rule has a limit, also "
                        "the highest or the lowest, which the rule compares with it.",
                        lines=tuple(
                            shown
                            for kind, field, decimals in _MEASURED
                            for shown in parts.with_extremes(limits, kind, field, decimals)
                        ),
                        width=24,
                        height=9,
                    ),
                    parts.counts_over_time(quality.rise("readings")),
                    TimeSeries(
                        title="Data quality",
                        description="How many readings came again, came late or never came.",
                        lines=parts.shown(
                            [
                                quality.rise("duplicates"),
                                quality.rise("late"),
                                quality.rise("missing"),
                            ],
                            0,
                        ),
                        style="bars",
                        stacked=True,
                        lowest=0,
                    ),
                    parts.states_over_time(),
                ),
            ),
            Section(title="Alerts", panels=(parts.what_happened(),)),
        ),
        annotations=alerts.marks,
    )


def _tiles() -> tuple[Stat, ...]:
    def tile(title: str, description: str, *values: Shown, width: int) -> Stat:
        return Stat(
            title=title, description=description, values=values, age=states.told, width=width
        )

    return (
        parts.live_tile(width=3),
        tile(
            "State",
            "Whether the device is heard.",
            Shown(signal=states.state, words=parts.STATES),
            width=3,
        ),
        tile("Heard", states.heard.description, Shown(signal=states.heard), width=4),
        tile(
            "Clock wrong",
            "Whether its times are not believed.",
            Shown(signal=quality.wrong_clocks(BY_DEVICE), words=parts.NO_YES),
            width=3,
        ),
        tile(
            "Readings",
            "Since the worker knows the device.",
            *(
                Shown(signal=quality.count(field))
                for field in ("readings", "missing", "late", "duplicates")
            ),
            width=11,
        ),
        Stat(
            title="Values",
            description="The newest of each, unless it is older than 3 minutes.",
            values=tuple(
                Shown(
                    signal=readings.current(kind, field),
                    decimals=decimals,
                    age=readings.last_seen(kind, field),
                )
                for kind, field, decimals in _MEASURED
            ),
            age=states.told,
            width=24,
        ),
    )


def alerts_table(height: int = 9) -> Table:
    """Each alert that there was in the last year, those that fire first."""
    return Table(
        title="Alerts",
        description="What was last told of each alert of the last year.",
        rows=alerts.changed,
        age_title="Last change",
        columns=(
            Shown(signal=alerts.alert_firing, words=parts.FIRING),
            Shown(signal=alerts.alert_value),
            Shown(signal=alerts.alert_started),
        ),
        sort=alerts.alert_firing.name,
        links=(parts.TO_DEVICE,),
        height=height,
    )
