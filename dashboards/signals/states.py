"""What is known of devices: whether they are heard."""

from __future__ import annotations

from functools import cache
from typing import Final

from dashboards.model import Signal
from dashboards.signals import forms
from dashboards.signals.forms import (
    AT_DEVICE,
    AT_SITE,
    BY_DEVICE,
    RAW_KEEP_S,
    grouping,
    subselect,
    within,
)
from dashboards.signals.liveness import STREAMS
from schemas.measurements import DEVICE_STATE_CODES
from schemas.records import DeviceStateName

TOLD_S: Final = 7200
"""Every device is told again at least once an hour of the log, so this misses none."""
SOURCE: Final = forms.raw("device_state")


def now(name: str, title: str, field: str, description: str, unit: str = "") -> Signal:
    """The newest value of a field of each device, as the worker told it."""
    return Signal(
        name=name,
        title=title,
        query=forms.last_value(SOURCE, field, AT_DEVICE, within(TOLD_S), by=BY_DEVICE),
        unit=unit,
        kind="now",
        measurement="device_state",
        description=description,
        by=BY_DEVICE,
        liveness=STREAMS,
        bound_s=TOLD_S,
    )


_CODES: Final = ", ".join(f"{code} {name}" for name, code in DEVICE_STATE_CODES.items())

state = now("state", "State", "code", f"{_CODES}.")
heard = now("heard", "Heard", "heard_ms", "When it was last heard, by the log's clock.", "time")
interval = now("interval", "Usual interval", "interval_s", "Between its messages.", "s")


@cache
def state_history(kind: str = "") -> Signal:
    """The state of each device (of a kind) over time."""
    of_kind = [f"\"kind\" = '{kind}'"] if kind else []
    return Signal(
        name="_".join(["state_over_time", *([kind] if kind else [])]),
        title="State",
        query=forms.select(
            'last("code")',
            SOURCE,
            *forms.kept_raw(),
            AT_DEVICE,
            *of_kind,
            group=forms.in_intervals(BY_DEVICE, "none"),
        ),
        unit="",
        kind="history",
        measurement="device_state",
        description=f"{_CODES}; a device is told at least once an hour.",
        by=BY_DEVICE,
    )


def _told(name: str, by: tuple[str, ...], *conditions: str) -> Signal:
    return Signal(
        name=name,
        title="Told",
        query=forms.last_value(SOURCE, "code", *conditions, within(RAW_KEEP_S), by=by),
        unit="",
        kind="age",
        measurement="device_state",
        description="When the worker last told of it, by the log's clock.",
        by=by,
        bound_s=RAW_KEEP_S,
    )


told = _told("told", BY_DEVICE, AT_DEVICE)
told_kinds = _told("told_kinds", ("site", "device", "kind"), AT_SITE)


@cache
def newest_told(kind: str = "", *, at_site: bool = True) -> Signal:
    """When any device (of a kind, of the chosen sites) was last told of."""
    conditions = [AT_SITE] if at_site else []
    conditions += [f"\"kind\" = '{kind}'"] if kind else []
    name = "_".join(["newest_told", *([kind] if kind else []), *([] if at_site else ["anywhere"])])
    return _told(name, (), *conditions)


def count_devices(field: str, condition: str, by: tuple[str, ...], where: str) -> str:
    """How many devices fulfil a condition: 0 too, wherever there is any device."""
    newest = subselect(
        f'last("{field}") AS "{field}"',
        SOURCE,
        where,
        within(TOLD_S),
        group=grouping((*BY_DEVICE, "kind")),
    )
    fulfilled = subselect(
        f'count("{field}") AS "devices"', f"({newest})", condition, group=grouping(by)
    )
    none = subselect(f'0 * count("{field}") AS "devices"', f"({newest})", group=grouping(by))
    return forms.select('sum("devices")', f"({fulfilled}), ({none})", group=grouping(by))


@cache
def devices_in(name: DeviceStateName, by: tuple[str, ...] = (), kind: str = "") -> Signal:
    """How many of the chosen sites' devices (of a kind) are in a state."""
    where = f"{AT_SITE} AND \"kind\" = '{kind}'" if kind else AT_SITE
    condition = f'"code" = {DEVICE_STATE_CODES[name]}'
    return Signal(
        name="_".join(["devices", name, *by, *([kind] if kind else [])]),
        title=name.replace("_", " ").capitalize(),
        query=count_devices("code", condition, by, where),
        unit="devices",
        kind="now",
        measurement="device_state",
        description=f"Devices that are {name.replace('_', ' ')}.",
        by=by,
        liveness=STREAMS,
        bound_s=TOLD_S,
    )
