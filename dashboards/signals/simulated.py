"""Which data are made up: the marks of simulated sites, and how many devices are simulated.

A simulated device says so in its status (``firmware``). Device states live for 30 days only, so
the sink marks each hour of a site that has such a device in ``r1h``, for ever (contract §3).
"""

from __future__ import annotations

from functools import cache
from typing import Final

from dashboards.model import Signal
from dashboards.signals import forms
from dashboards.signals.forms import AT_SITE, BY_DEVICE, grouping, subselect, within
from dashboards.signals.liveness import STREAMS
from dashboards.signals.states import SOURCE, TOLD_S

_MARKS: Final = '"r1h"."simulated"'
_MOST_HOURS: Final = 720
_MOST: Final = 2000
_IS_SIMULATED: Final = "\"firmware\" = 'simulated'"


def _marks(group: str) -> str:
    marks = subselect('last("firmware") AS "made_by"', _MARKS, "$timeFilter", group=group)
    return f"({marks})"


_STATES: Final = subselect(
    'last("firmware") AS "made_by"', SOURCE, *forms.kept_raw(), _IS_SIMULATED
)

simulated = Signal(
    name="simulated",
    title="Simulated data",
    query=subselect(
        '"made_by"',
        ", ".join(
            (
                _marks(f" GROUP BY time(1h) fill(none) ORDER BY time DESC LIMIT {_MOST_HOURS}"),
                _marks(" GROUP BY time(1d) fill(none)"),
                # there, too, where no hour begins within the range
                f"({_STATES})",
            )
        ),
        group=f" ORDER BY time DESC LIMIT {_MOST}",
    ),
    unit="",
    kind="events",
    measurement="simulated",
    description="Where data are of simulated devices: a row for each day, and for each of the "
    f"newest {_MOST_HOURS} such hours.",
)


@cache
def devices_now(*, at_site: bool = True) -> Signal:
    """How many devices (of the chosen sites) are simulated now: 0 too, where there is any."""
    where = [AT_SITE] if at_site else []
    simulated_ones, all_ones = (
        subselect(what, SOURCE, *where, within(TOLD_S), group=grouping(BY_DEVICE))
        for what in ('last("firmware") AS "firmware"', 'last("code") AS "code"')
    )
    wanted = subselect('count("firmware") AS "devices"', f"({simulated_ones})", _IS_SIMULATED)
    none = subselect('0 * count("code") AS "devices"', f"({all_ones})")
    return Signal(
        name="simulated_devices" if at_site else "simulated_devices_everywhere",
        title="Data",
        query=forms.select('sum("devices")', f"({wanted}), ({none})"),
        unit="devices",
        kind="now",
        measurement="device_state",
        description="How many devices are of the simulator.",
        liveness=STREAMS,
        bound_s=TOLD_S,
    )


def _known(name: str, title: str, field: str, *conditions: str) -> Signal:
    each = subselect(
        f'last("{field}") AS "{field}"', SOURCE, *forms.kept_raw(), group=grouping(BY_DEVICE)
    )
    return Signal(
        name=name,
        title=title,
        query=forms.select(f'count("{field}")', f"({each})", *conditions),
        unit="devices",
        kind="history",
        measurement="device_state",
        description="Devices of which anything was told in the range.",
    )


simulated_in_range = _known("simulated_in_range", "Simulated devices", "firmware", _IS_SIMULATED)
devices_in_range = _known("devices_in_range", "Devices", "code")
