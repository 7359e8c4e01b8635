"""How good devices' data are: duplicates, late and missing readings, clocks."""

from __future__ import annotations

from functools import cache
from typing import Final, Literal

from dashboards.model import Signal
from dashboards.signals import forms
from dashboards.signals.forms import AT_DEVICE, BY_DEVICE, grouping, subselect, within
from dashboards.signals.liveness import STREAMS
from dashboards.signals.states import SOURCE, TOLD_S, count_devices, now
from schemas.measurements import TAG_FIELDS

Count = Literal["readings", "duplicates", "missing", "late", "unprovable", "generation"]

_COUNTS: Final[dict[Count, tuple[str, str]]] = {
    "readings": ("Readings", "Distinct readings since the worker knows the device."),
    "duplicates": ("Duplicates", "Readings that came again; they changed nothing."),
    "missing": ("Missing", "Numbers left out for more than ten minutes: readings that never came."),
    "late": ("Late", "Readings that came after their window had closed; they were added."),
    "unprovable": ("Unprovable", "Readings older than the memory that knows duplicates."),
    "generation": ("Counter resets", "How often the device began to count anew."),
}


@cache
def count(field: Count) -> Signal:
    """One of the worker's counters of a device, as it stands now."""
    title, description = _COUNTS[field]
    return now(f"device_{field}", title, field, description)


@cache
def total(field: Count) -> Signal:
    """One of the counters, summed over the chosen devices."""
    title, description = _COUNTS[field]
    newest = subselect(
        f'last("{field}") AS "last"',
        SOURCE,
        AT_DEVICE,
        within(TOLD_S),
        group=grouping((*BY_DEVICE, "kind")),
    )
    return Signal(
        name=f"all_{field}",
        title=title,
        query=forms.select('sum("last")', f"({newest})"),
        unit="",
        kind="now",
        measurement="device_state",
        description=description,
        liveness=STREAMS,
        bound_s=TOLD_S,
    )


@cache
def rise(field: Count) -> Signal:
    """How one of the counters rose from interval to interval."""
    title, description = _COUNTS[field]
    return Signal(
        name=f"device_{field}_over_time",
        title=title,
        query=forms.select(
            f'non_negative_difference(last("{field}"))',
            SOURCE,
            *forms.kept_raw(),
            AT_DEVICE,
            group=forms.in_intervals(BY_DEVICE),
        ),
        unit="",
        kind="history",
        measurement="device_state",
        description=description,
        by=BY_DEVICE,
    )


@cache
def wrong_clocks(by: tuple[str, ...] = ()) -> Signal:
    """How many devices have a clock that isn't believed: of each device, 1 or 0."""
    return Signal(
        name="_".join(["wrong_clocks", *by]),
        title="Wrong clock",
        query=count_devices("wrong_clock", '"wrong_clock" = true', by, AT_DEVICE),
        unit="" if by else "devices",
        kind="now",
        measurement="device_state",
        description="Devices whose readings stand under the time at which they were received.",
        by=by,
        liveness=STREAMS,
        bound_s=TOLD_S,
    )


disbelieved = Signal(
    name="disbelieved_over_time",
    title="Disbelieved times",
    query=forms.select(
        'count("device_ts")',
        ", ".join(forms.raw(reading_type) for reading_type in TAG_FIELDS),
        *forms.kept_raw(),
        AT_DEVICE,
        group=forms.in_intervals(BY_DEVICE),
    ),
    unit="",
    kind="history",
    measurement="readings",
    description="Readings whose own time was too far ahead or too old to be believed.",
    by=BY_DEVICE,
)
