"""The values of a kept site by names that people read, for `streams.compare`.

The places are those of `streams.device.Device.snapshot` and what it gathers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal, NamedTuple

from streams.site import SHAPE_OF_TYPE
from streams.windows import LEVELS

Part = Literal["identity", "presence", "memory", "counts", "alerts", "series", "windows", "told"]

_PRESENCE: Final = (
    "state", "since", "heard", "heard (active clock)", "last burst (active clock)", "bursts",
    "gaps between bursts", "boot", "firmware", "expected interval", "last status told",
)  # fmt: skip
_MEMORY: Final = ("oldest boots forgotten up to", "newest ts", "newest ts not believed", "boot now")
_COUNTS: Final = ("readings", "duplicates", "unprovable", "late", "generation", "wrong clock")
_ABSENCE: Final = ("heard", "heard (active clock)", "firing")
_VALUE: Final = (
    "last judged", "state", "started", "started (active clock)", "value", "next ordinal", "changed",
)  # fmt: skip
_SERIES: Final = ("people", "people as of", "heard", "heard (active clock)")
_FLOW: Final = ("readings", "bytes", "people in", "people out", "devices")
_STATISTICS: Final = ("count", "sum", "min", "max")
PRESENCE, MEMORY, COUNTS, ALERTS, FEEDS, TOLD = 2, 3, slice(4, 10), 10, 11, 12
"""Places in what is kept of a device; its id and kind are the first two."""
TOLD_NAME: Final = "all of it was told"
NEVER_SEEN: Final = "never_seen"
EXPECTED: Final = _PRESENCE.index("expected interval")


class Value(NamedTuple):
    """One value; ``start`` (ms) is that of the window it belongs to, -1 for what is in none."""

    part: Part
    name: str
    value: Any
    start: int = -1


def memory_before(saved: Sequence[Any]) -> Sequence[Any] | None:
    """What is kept of a device's names of before its last reset; None where nothing is."""
    before: Sequence[Any] | None = saved[MEMORY][-1]
    return before


def device_values(saved: Sequence[Any], *, before: bool = True) -> Iterator[Value]:
    """Everything that is kept of a device; of before its last reset only where ``before``."""
    yield Value("identity", "kind", saved[1])
    for name, value in zip(_PRESENCE, saved[PRESENCE], strict=True):
        yield Value("presence", f"presence, {name}", value)
    yield from _memory(saved[MEMORY])
    former = memory_before(saved)
    if before and former is not None:
        yield from _memory(former, "before the reset, ")
    for name, value in zip(_COUNTS, saved[COUNTS], strict=True):
        yield Value("counts", name, value)
    for alert in saved[ALERTS]:
        yield from _alert(*alert)
    for feed in saved[FEEDS]:
        yield from _feed(*feed)
    yield Value("told", TOLD_NAME, saved[TOLD])


def _memory(saved: Sequence[Any], of: str = "") -> Iterator[Value]:
    boots, *memory, _ = saved
    for boot, intervals, floor, whole in boots:
        for name, value in (("seqs seen", intervals), ("forgotten up to", floor), ("whole", whole)):
            yield Value("memory", f"{of}boot {boot}, {name}", value)
    for name, value in zip(_MEMORY, memory, strict=True):
        yield Value("memory", f"{of}memory, {name}", value)


def _alert(rule: str, measure: str, severity: str, unit: str, state: list[Any]) -> Iterator[Value]:
    for name, value in (("measure", measure), ("severity", severity), ("unit", unit)):
        yield Value("alerts", f"alert {rule}, {name}", value)
    names = _ABSENCE if len(state) == len(_ABSENCE) else _VALUE
    for name, value in zip(names, state, strict=False):  # one that has not changed yet is short
        yield Value("alerts", f"alert {rule}, {name}", value)


def _feed(
    reading_type: str,
    tags: dict[str, str],
    *saved: Any,
) -> Iterator[Value]:
    *fields, windows = saved
    series = " ".join((reading_type, *tags.values()))
    for name, value in zip(_SERIES, fields, strict=True):
        yield Value("series", f"{series}, {name}", value)
    cells = ["readings"] + [
        f"{field} {statistic}"
        for field in SHAPE_OF_TYPE[reading_type].fields
        for statistic in _STATISTICS
    ]
    for level, held in zip(LEVELS, windows, strict=True):
        for start, values in held:
            for name, value in zip(cells, values, strict=True):
                yield Value(
                    "windows", f"{series}, {level} window of {_utc(start)}, {name}", value, start
                )


def meter_values(saved: Sequence[Any]) -> Iterator[Value]:
    """Everything that is kept of the throughput of one kind of device."""
    kind, starts, flows = saved
    for level, start, flow in zip(LEVELS, starts, flows, strict=True):
        yield Value("series", f"throughput of {kind}, start of the {level} window", _utc(start))
        for name, value in zip(_FLOW, flow, strict=True):
            yield Value("series", f"throughput of {kind}, {level} window, {name}", value)


def _utc(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
