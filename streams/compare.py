"""Compares a kept site with one rebuilt from the log, value by value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, Final, NamedTuple

from msgspec import Struct, field

from streams.compare_values import (
    EXPECTED,
    NEVER_SEEN,
    PRESENCE,
    TOLD_NAME,
    Value,
    device_values,
    memory_before,
    meter_values,
)
from streams.log_clock import LogClock
from streams.state import SiteState, decoded

NAMED_MAX: Final = 20
"""So many differences are named; all are counted."""
ABSENT: Final = "absent"


class Scope(NamedTuple):
    """What can be proved.

    Without ``alerts`` these are left out. Where ``since_ms`` is set the log's beginning is gone,
    and only open windows that start there or later are compared.
    """

    alerts: bool = True
    since_ms: int | None = None


class Difference(Struct, frozen=True):
    """One value that is kept otherwise than the log has it; the device is empty for a site's."""

    site: str
    device: str
    field: str
    kept: Any
    rebuilt: Any


class Comparison(Struct):
    """What was compared so far, and what differs: the first `NAMED_MAX` by name."""

    values: int = 0
    differences: int = 0
    expected_changed: int = 0
    """Devices of which the presence depends on when the list of expected devices was changed."""
    before_unknown: int = 0
    """Devices of which the log knows what was before their last reset, and nothing is kept."""
    first: list[Difference] = field(default_factory=list)

    def site(self, kept: SiteState, rebuilt: SiteState | None, scope: Scope) -> None:
        """Take in a site; ``rebuilt`` is None where the log knows of none."""
        if scope.since_ms is None:
            clock = None if rebuilt is None else rebuilt.clock
            self._values(kept.name, "", _clock(kept.clock), _clock(clock), scope)
        mine, theirs = _devices(kept), {} if rebuilt is None else _devices(rebuilt)
        mine_flows, theirs_flows = _flows(kept), [] if rebuilt is None else _flows(rebuilt)
        self._values(kept.name, "", mine_flows, theirs_flows, scope)
        for device in sorted(mine.keys() | theirs.keys()):
            self._device(kept.name, device, mine.get(device), theirs.get(device), scope)

    def unknown_site(self, name: str) -> None:
        """The log knows a site of which nothing is kept."""
        self._differs(Difference(name, "", "site", ABSENT, "there"))

    def _device(
        self,
        site: str,
        device: str,
        kept: Sequence[Any] | None,
        rebuilt: Sequence[Any] | None,
        scope: Scope,
    ) -> None:
        presences = [one[PRESENCE] for one in (kept, rebuilt) if one is not None]
        expected_changed = presences[0][EXPECTED] != presences[-1][EXPECTED] or all(
            presence[0] == NEVER_SEEN for presence in presences
        )
        if expected_changed:
            self.expected_changed += 1
            if len(presences) == 1:
                return
        if scope.since_ms is None and len(presences) == 1:
            there = [ABSENT if one is None else "there" for one in (kept, rebuilt)]
            self.values += 1
            self._differs(Difference(site, device, "device", *there))
            return
        unknown = _before_is_unknown(kept, rebuilt)
        self.before_unknown += unknown and scope.since_ms is None
        mine = () if kept is None else device_values(kept)
        theirs = () if rebuilt is None else device_values(rebuilt, before=not unknown)
        if expected_changed:
            mine, theirs = (
                (value for value in values if value.part != "presence") for values in (mine, theirs)
            )
        self._values(site, device, mine, theirs, scope)

    def _values(
        self, site: str, device: str, kept: Iterable[Value], rebuilt: Iterable[Value], scope: Scope
    ) -> None:
        mine = {one.name: one.value for one in _within(kept, scope)}
        theirs = {one.name: one.value for one in _within(rebuilt, scope)}
        for name in dict.fromkeys(chain(mine, theirs)):
            self.values += 1
            pair = mine.get(name, ABSENT), theirs.get(name, ABSENT)
            # who took a device over and could not know whether it was told, tells it once more
            if pair[0] != pair[1] and not (name == TOLD_NAME and pair[1]):
                self._differs(Difference(site, device, name, *pair))

    def _differs(self, difference: Difference) -> None:
        self.differences += 1
        if len(self.first) < NAMED_MAX:
            self.first.append(difference)


def _before_is_unknown(kept: Sequence[Any] | None, rebuilt: Sequence[Any] | None) -> bool:
    """Whether a kept device lacks the names of before its last reset, which the log has.

    A state of version 4 or older had none, and keeps none until the next reset; nothing tells
    it from one that lost them, so that is not found. Where no reset is kept either, its number
    (`generation`) differs.
    """
    if kept is None or rebuilt is None:
        return False
    return memory_before(kept) is None and memory_before(rebuilt) is not None


def _within(values: Iterable[Value], scope: Scope) -> Iterator[Value]:
    for one in values:
        if one.part == "alerts" and not scope.alerts:
            continue
        if scope.since_ms is None or one.start >= scope.since_ms:
            yield one


def _clock(clock: LogClock | None) -> list[Value]:
    if clock is None:
        return []
    names = clock.__struct_fields__
    return [Value("series", f"clock, {name}", getattr(clock, name)) for name in names]


def _chunks(site: SiteState) -> Iterator[Sequence[Any]]:
    return (decoded(chunk) for chunk in site.chunks)


def _devices(site: SiteState) -> dict[str, Any]:
    return {device[0]: device for _, devices in _chunks(site) for device in devices}


def _flows(site: SiteState) -> list[Value]:
    return [
        value for meters, _ in _chunks(site) for meter in meters for value in meter_values(meter)
    ]
