"""How much comes from where: throughput of sites and kinds, by the log's clock."""

from __future__ import annotations

from functools import cache
from typing import Final, Literal

from dashboards.model import Signal
from dashboards.signals import forms
from dashboards.signals.forms import AT_SITE, grouping, subselect, within
from dashboards.signals.liveness import STREAMS
from schemas.measurements import POLICIES

_HOUR_S: Final = 3600
_SEEN_S: Final = POLICIES["r10s"].keep_s or 0
_SOURCE: Final = forms.newest_windows("throughput")

Way = Literal["in", "out"]


@cache
def readings_per_second(by: tuple[str, ...] = ()) -> Signal:
    """Distinct readings a second, over the six newest windows that have surely closed."""
    return Signal(
        name="_".join(["readings_per_second", *by]),
        title="Readings",
        query=forms.select(
            'sum("readings") / 60',
            _SOURCE,
            AT_SITE,
            "time > now() - 85s",
            "time <= now() - 25s",
            group=grouping(by),
        ),
        unit="1/s",
        kind="now",
        measurement="throughput",
        description="Distinct readings a second, in a minute that ended 15 s ago.",
        by=by,
        liveness=STREAMS,
        bound_s=85,
    )


@cache
def passed(way: Way, by: tuple[str, ...] = ()) -> Signal:
    """How many people went in, or out, in the last hour."""
    return Signal(
        name="_".join(["people", way, *by]),
        title=f"People {way}, last hour",
        query=forms.select(
            f'sum("people_{way}")', _SOURCE, AT_SITE, within(_HOUR_S), group=grouping(by)
        ),
        unit="people",
        kind="now",
        measurement="throughput",
        description=f"Passages {way} through entrances in the last hour.",
        by=by,
        liveness=STREAMS,
        bound_s=_HOUR_S,
    )


@cache
def seen(by: tuple[str, ...] = ()) -> Signal:
    """When anything last came, to 10 s."""
    return Signal(
        name="_".join(["flow_seen", *by]),
        title="Last reading",
        query=forms.last_value(_SOURCE, "readings", AT_SITE, within(_SEEN_S), by=by),
        unit="",
        kind="age",
        measurement="throughput",
        description="The start of the newest 10 s in which a reading came.",
        by=by,
        bound_s=_SEEN_S,
    )


@cache
def passed_seen(way: Way) -> Signal:
    """When anybody last went in, or out, to 10 s."""
    field = f"people_{way}"
    return Signal(
        name=f"people_{way}_seen",
        title=f"Last {way}",
        query=forms.last_value(_SOURCE, field, AT_SITE, f'"{field}" > 0', within(_SEEN_S)),
        unit="",
        kind="age",
        measurement="throughput",
        description=f"The start of the newest 10 s in which anybody went {way}.",
        bound_s=_SEEN_S,
    )


@cache
def rate(field: str, title: str, unit: str, by: tuple[str, ...]) -> Signal:
    """Something of the throughput over time: ``1/s``, ``B/s`` or ``1/min``."""
    per = "1m" if unit.endswith("/min") else "1s"
    return Signal(
        name="_".join([field, "rate", *by]),
        title=title,
        query=forms.rate("throughput", field, per, AT_SITE, by=by),
        unit=unit,
        kind="history",
        measurement="throughput",
        description=f"{title}, {unit}.",
        by=by,
    )


@cache
def devices_heard(by: tuple[str, ...]) -> Signal:
    """How many devices are heard in each window, at most."""
    each = subselect(
        'sum("devices") AS "devices"',
        forms.rollup("throughput"),
        "$timeFilter",
        AT_SITE,
        group=forms.in_windows(by),
    )
    return Signal(
        name="_".join(["devices_heard", *by]),
        title="Devices heard",
        query=forms.select(
            'max("devices")', f"({each})", "$timeFilter", group=forms.in_intervals(by)
        ),
        unit="devices",
        kind="history",
        measurement="throughput",
        description="Distinct devices in one window; the highest in each interval.",
        by=by,
    )
