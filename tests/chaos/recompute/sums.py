"""Windows of readings by their own time, and throughput by the log's: group, then sum."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from math import fsum
from typing import NamedTuple

from tests.chaos.recompute.contract import NUMBERS, SPAN_MS
from tests.chaos.recompute.contract import Window as Level
from tests.chaos.recompute.life import Accepted
from tests.chaos.recompute.moments import Moment

Stats = tuple[int, float, float, float]
"""Of one field: how many values, their sum, minimum and maximum."""
WindowKey = tuple[Level, str, str, str, tuple[str, ...], int]
"""(window, type, site, device, tags, start in ms)."""
FlowKey = tuple[Level, str, str, int]
"""(window, site, kind, start in ms)."""


class Window(NamedTuple):
    """One series in one window: all of its partial rows together."""

    count: int
    fields: dict[str, Stats]


class Flow(NamedTuple):
    """What one (site, kind) sent in one window; ``bytes`` of its readings' JSON."""

    readings: int
    bytes: int
    devices: int
    people_in: int
    people_out: int
    people: int


def summed(readings: Sequence[Accepted]) -> Window:
    """Readings of one series as one window."""
    fields = {}
    for name in NUMBERS[readings[0].type]:
        found = [one.reading.get(name) for one in readings]
        values = [float(value) for value in found if value is not None]
        if values:
            fields[name] = (len(values), fsum(values), min(values), max(values))
    return Window(len(readings), fields)


def grouped(
    readings: Iterable[Accepted], level: Level
) -> dict[tuple[str, str, str, tuple[str, ...], int], list[Accepted]]:
    """Readings by (type, site, device, tags, start of their window in ms)."""
    span = SPAN_MS[level]
    groups = defaultdict(list)
    for one in readings:
        start = one.event_ms // span * span
        groups[one.type, one.site, one.device, one.tags, start].append(one)
    return groups


def windows(readings: Sequence[Accepted], watermark_ms: int) -> Iterator[tuple[WindowKey, Window]]:
    """Every window that has ended by ``watermark_ms``, late readings included."""
    for level, span in SPAN_MS.items():
        for (sort, site, device, tags, start), group in grouped(readings, level).items():
            if start + span <= watermark_ms:
                yield (level, sort, site, device, tags, start), summed(group)


def throughput(
    readings: Sequence[Accepted], moments: Sequence[Moment]
) -> Iterator[tuple[FlowKey, Flow]]:
    """Every window of the log's clock that has ended, of one (site, kind).

    ``people`` is, when the window ends, the sum of what each device last told by its own time.
    """
    now_ms = moments[-1].now_ms
    for level, span in SPAN_MS.items():
        groups = defaultdict(list)
        for one in sorted(readings, key=lambda one: one.record):
            groups[moments[one.record].now_ms // span * span].append(one)
        newest: dict[str, tuple[int, int]] = {}
        for start, group in groups.items():
            _note_people(newest, group)
            if start + span <= now_ms:
                site, kind = group[0].site, group[0].kind
                yield (level, site, kind, start), _flow(group, newest)


def _note_people(newest: dict[str, tuple[int, int]], group: Sequence[Accepted]) -> None:
    for one in group:
        people = one.reading.get("people")
        if people is not None:
            told_ms, _ = newest.get(one.device, (0, 0))
            if one.event_ms >= told_ms:
                newest[one.device] = (one.event_ms, people)


def _flow(group: Sequence[Accepted], newest: dict[str, tuple[int, int]]) -> Flow:
    ways = [one.reading["direction"] for one in group if one.type == "passage"]
    return Flow(
        readings=len(group),
        bytes=sum(one.size for one in group),
        devices=len({one.device for one in group}),
        people_in=ways.count("in"),
        people_out=ways.count("out"),
        people=sum(people for _, people in newest.values()),
    )
