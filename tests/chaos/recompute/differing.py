"""What was found otherwise than recomputed, in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from math import isclose
from typing import Any, Final

from tests.chaos.recompute.alerts import Change, Owner
from tests.chaos.recompute.life import DeviceFacts, State
from tests.chaos.recompute.sums import Flow, FlowKey, Window, WindowKey
from tests.chaos.recompute.whole import Counts, DeviceKey, Recomputed

_NEAR: Final = 1e-9
"""Sums of the same numbers in another order differ by no more of their size."""


@dataclass
class Found:
    """What was found of a run, in the shapes of `Recomputed`; None is not compared."""

    windows: Mapping[WindowKey, Window] | None = None
    throughput: Mapping[FlowKey, Flow] | None = None
    states: Mapping[DeviceKey, list[tuple[int, State]]] | None = None
    devices: Mapping[DeviceKey, DeviceFacts] | None = None
    told: Mapping[DeviceKey, DeviceFacts] | None = None
    alerts: Mapping[str, list[Change]] | None = None
    owners: Mapping[str, Owner] | None = None
    counts: Counts | None = None


def differences(expected: Recomputed, found: Found | Recomputed, *, most: int = 20) -> list[str]:
    """One sentence for each difference; at most so many of each part, and how many there are.

    Sums may differ by 1e-9 of their size, all else is compared exactly. State changes are
    compared as sets: what a worker that died gave out may have been given out again.
    """
    parts: tuple[tuple[str, Callable[[Any], str], Callable[[Any, Any], Iterator[str]]], ...] = (
        ("windows", _window_name, _windows_differ),
        ("throughput", _flow_name, _fields_differ),
        ("states", _device_name, _states_differ),
        ("devices", _device_name, _fields_differ),
        ("told", lambda key: f"{_device_name(key)}, as last told", _fields_differ),
        ("alerts", lambda name: _alert_name(expected, found, name), _lives_differ),
        ("owners", lambda name: f"alert {name}", _fields_differ),
    )
    told: list[str] = []
    for part, name, differ in parts:
        theirs = getattr(found, part)
        if theirs is not None:
            sentences = list(_maps_differ(getattr(expected, part), theirs, name, differ))
            told += sentences[:most]
            if len(sentences) > most:
                told.append(f"{part}: {len(sentences) - most} more differences")
    if found.counts is not None:
        told += [f"counts: {text}" for text in _fields_differ(expected.counts, found.counts)]
    return told


def _maps_differ(
    mine: Mapping[Any, Any],
    theirs: Mapping[Any, Any],
    name: Callable[[Any], str],
    differ: Callable[[Any, Any], Iterator[str]],
) -> Iterator[str]:
    for key in [*mine, *(key for key in theirs if key not in mine)]:
        if key not in theirs:
            yield f"{name(key)} is missing: {_short(mine[key])}"
        elif key not in mine:
            yield f"{name(key)} should not be there: {_short(theirs[key])}"
        elif mine[key] != theirs[key]:
            yield from (f"{name(key)}: {text}" for text in differ(mine[key], theirs[key]))


def _windows_differ(mine: Window, theirs: Window) -> Iterator[str]:
    if mine.count != theirs.count:
        yield f"count is {theirs.count}, not {mine.count}"
    for field in sorted(mine.fields.keys() | theirs.fields.keys()):
        one, other = mine.fields.get(field), theirs.fields.get(field)
        if one is None or other is None:
            yield f"{field} is {other}, not {one}"
            continue
        for place, part in enumerate(("count", "sum", "minimum", "maximum")):
            near = part == "sum" and isclose(one[1], other[1], rel_tol=_NEAR, abs_tol=_NEAR)
            if one[place] != other[place] and not near:
                yield f"{field}'s {part} is {other[place]}, not {one[place]}"


def _lives_differ(mine: list[Change], theirs: list[Change]) -> Iterator[str]:
    for place in range(max(len(mine), len(theirs))):
        one = mine[place] if place < len(mine) else None
        other = theirs[place] if place < len(theirs) else None
        if one is None or other is None or not _same_change(one, other):
            yield f"change {place} is {_short(other)}, not {_short(one)}"
            return


def _same_change(one: Change, other: Change) -> bool:
    near = isclose(one.value, other.value, rel_tol=_NEAR, abs_tol=_NEAR)
    return near and tuple(one[:3]) == tuple(other[:3])


def _states_differ(mine: list[tuple[int, State]], theirs: list[tuple[int, State]]) -> Iterator[str]:
    for since_ms, state in sorted(set(mine) - set(theirs)):
        yield f"{state} since {_time(since_ms)} is missing"
    for since_ms, state in sorted(set(theirs) - set(mine)):
        yield f"{state} since {_time(since_ms)} should not be there"


def _fields_differ(mine: Any, theirs: Any) -> Iterator[str]:
    one, other = _as_dict(mine), _as_dict(theirs)
    for name, value in one.items():
        if other[name] != value:
            yield f"{name} is {other[name]}, not {value}"


def _as_dict(value: Any) -> dict[str, Any]:
    if hasattr(value, "_asdict"):
        found: dict[str, Any] = value._asdict()
        return found
    return asdict(value)


def _window_name(key: WindowKey) -> str:
    level, sort, site, device, tags, start = key
    return f"window {'/'.join((f'{sort}_{level}', site, device, *tags))} of {_time(start)}"


def _flow_name(key: FlowKey) -> str:
    level, site, kind, start = key
    return f"throughput_{level} of {site}/{kind} of {_time(start)}"


def _device_name(key: DeviceKey) -> str:
    return f"device {'/'.join(key)}"


def _alert_name(expected: Recomputed, found: Found | Recomputed, name: str) -> str:
    owner = expected.owners.get(name) or (found.owners or {}).get(name)
    whose = f" ({owner.rule} of {owner.site}/{owner.device})" if owner else ""
    return f"alert {name}{whose}"


def _time(ms: int) -> str:
    stamp = datetime.fromtimestamp(ms / 1000, UTC)
    return f"{stamp:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}Z"


def _short(value: Any) -> str:
    if isinstance(value, Change):
        return f"{value.state} at {_time(value.at_ms)} (ordinal {value.ordinal}, {value.value:g})"
    if isinstance(value, list):
        return ", ".join(_short(one) if isinstance(one, Change) else str(one) for one in value)
    if hasattr(value, "__dataclass_fields__"):
        return ", ".join(f"{one.name} {getattr(value, one.name)}" for one in fields(value))
    return str(value)
