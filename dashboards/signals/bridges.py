"""Bridges that have gone: the broker keeps an absent one's share of the messages for it.

All partitions tick on as long as one bridge lives, so liveness says nothing of the others.
"""

from __future__ import annotations

from typing import Final

from dashboards.model import Signal
from dashboards.signals import forms
from dashboards.signals.forms import grouping, subselect, within
from dashboards.signals.liveness import SINK

REMEMBERED_S: Final = 86_400
"""A bridge that last ticked longer ago than this is none any more."""
ABSENT_S: Final = 60
"""A bridge that has not ticked for so long is absent."""

_SOURCE: Final = forms.raw("pipeline")
_BRIDGE: Final = "\"stage\" = 'bridge'"


def _bridges(factor: str, seconds: int) -> str:
    each = subselect(
        'last("present") AS "present"',
        _SOURCE,
        _BRIDGE,
        within(seconds),
        group=grouping(("instance",)),
    )
    counted = subselect(f'{factor}sum("present") AS "bridges"', f"({each})")
    return f"({counted})"


absent = Signal(
    name="bridges_absent",
    title="Bridges absent",
    query=forms.select(
        'sum("bridges")', f"{_bridges('', REMEMBERED_S)}, {_bridges('-1 * ', ABSENT_S)}"
    ),
    unit="",
    kind="now",
    measurement="pipeline",
    description=f"Bridges that ticked in the last {REMEMBERED_S // 3600} hours and not in the last "
    f"{ABSENT_S} s, and have neither left for good nor been adopted: their share of the messages "
    "waits in the broker.",
    liveness=SINK,
    bound_s=REMEMBERED_S,
)
ticked = Signal(
    name="bridges_ticked",
    title="Last tick",
    query=forms.last_value(_SOURCE, "present", _BRIDGE, '"present" = 1', within(forms.RAW_KEEP_S)),
    unit="",
    kind="age",
    measurement="pipeline",
    description="When a tick of any bridge was last seen.",
    bound_s=forms.RAW_KEEP_S,
)
