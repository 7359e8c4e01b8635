"""How many people cameras and bus stops see: what each device says itself, summed.

Throughput's ``people`` is the sum of the devices' last counts and never forgets a device
(contract §3): whoever died with 40 people in view would be counted for ever. So boards take
people from readings and their windows, and a device that says nothing more counts no more.
Cameras and bus stops stand apart, since InfluxQL adds up no two measurements.
"""

from __future__ import annotations

from functools import cache
from typing import Final, Literal

from dashboards.model import Signal
from dashboards.signals import forms
from dashboards.signals.forms import AT_SITE, BY_DEVICE, grouping, subselect, within
from dashboards.signals.liveness import SINK
from dashboards.signals.readings import FRESH_S, SEEN_S

PEOPLE_FRESH_S: Final = FRESH_S
"""A device that last counted people longer ago than this is not counted: by then a rule has
called it silent, and each of its other values is shown as none."""

Counter = Literal["scene", "air"]
"""The types of reading that count people."""
COUNTERS: Final[tuple[Counter, ...]] = ("scene", "air")
_WHERE: Final[dict[Counter, str]] = {"scene": "At cameras", "air": "At bus stops"}


@cache
def now(counter: Counter, by: tuple[str, ...] = ()) -> Signal:
    """How many people devices see now: the newest count of each, where it is fresh."""
    each = subselect(
        'last("people") AS "people"',
        forms.raw(counter),
        AT_SITE,
        within(PEOPLE_FRESH_S),
        group=grouping(BY_DEVICE),
    )
    return Signal(
        name="_".join(["people_now", counter, *by]),
        title=_WHERE[counter],
        query=forms.select('sum("people")', f"({each})", group=grouping(by)),
        unit="people",
        kind="now",
        measurement=counter,
        description="What each device has last counted, together; one that has not counted for "
        f"{PEOPLE_FRESH_S // 60} minutes is left out.",
        by=by,
        liveness=SINK,
        bound_s=PEOPLE_FRESH_S,
    )


@cache
def seen(counter: Counter) -> Signal:
    """When any device last counted people."""
    return Signal(
        name=f"people_seen_{counter}",
        title="Last count",
        query=forms.last_value(forms.raw(counter), "people", AT_SITE, within(SEEN_S)),
        unit="",
        kind="age",
        measurement=counter,
        description="The time of the newest count of people, by the device's clock.",
        bound_s=SEEN_S,
    )


@cache
def over_time(counter: Counter, by: tuple[str, ...]) -> Signal:
    """How many people devices see, over time: the mean of each device, summed.

    The mean is taken before the sum: a device with more readings does not count for more, and
    one without any in an interval is not counted there.
    """
    count = forms.count_of(counter, "people")
    means = subselect(
        f'sum("people_sum") / sum("{count}") AS "people"',
        forms.rollup(counter),
        "$timeFilter",
        AT_SITE,
        group=forms.in_intervals(BY_DEVICE),
    )
    return Signal(
        name="_".join(["people_over_time", counter, *by]),
        title=_WHERE[counter],
        query=forms.select(
            'sum("people")', f"({means})", "$timeFilter", group=forms.in_intervals(by)
        ),
        unit="people",
        kind="history",
        measurement=counter,
        description="The mean of each device in each interval, together.",
        by=by,
    )
