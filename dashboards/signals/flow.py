"""How much comes from where: throughput of sites and kinds, by the log's clock."""

from __future__ import annotations

from functools import cache
from typing import Final, Literal

from dashboards.model import Signal
from dashboards.signals import forms
from dashboards.signals.forms import AT_SITE, grouping, subselect, within
from dashboards.signals.liveness import STREAMS
from schemas.measurements import POLICIES

_CURRENT_S: Final = 120
_HOUR_S: Final = 3600
_SEEN_S: Final = POLICIES["r10s"].keep_s or 0
_SOURCE: Final = forms.newest_windows("throughput")
_SITE_KIND: Final = ("site", "kind")

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
def people_now(by: tuple[str, ...] = ()) -> Signal:
    """How many people devices see now."""
    each = subselect(
        'last("people") AS "last"', _SOURCE, AT_SITE, within(_CURRENT_S), group=grouping(_SITE_KIND)
    )
    return Signal(
        name="_".join(["people_now", *by]),
        title="People in view",
        query=forms.select('sum("last")', f"({each})", group=grouping(by)),
        unit="people",
        kind="now",
        measurement="throughput",
        description="What cameras and bus stops have last counted, together.",
        by=by,
        liveness=STREAMS,
        bound_s=_CURRENT_S,
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


@cache
def people(by: tuple[str, ...]) -> Signal:
    """How many people devices see, over time: the mean of each site and kind, together.

    A window in which nothing came has no row, and says nothing of how many are there: the mean
    is taken before the sum, or else whoever is silent for 10 s would count as nobody.
    """
    each = subselect(
        'mean("people") AS "people"',
        forms.rollup("throughput"),
        "$timeFilter",
        AT_SITE,
        group=forms.in_intervals(_SITE_KIND),
    )
    return Signal(
        name="_".join(["people_over_time", *by]),
        title="People in view",
        query=forms.select(
            'sum("people")', f"({each})", "$timeFilter", group=forms.in_intervals(by)
        ),
        unit="people",
        kind="history",
        measurement="throughput",
        description="What cameras and bus stops have counted, together.",
        by=by,
    )
