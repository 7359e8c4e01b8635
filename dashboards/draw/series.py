"""What charts are drawn of: plain series, with gaps where there were no data."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, zip_longest
from typing import Final, NamedTuple

from dashboards.draw.palette import ALARMING
from dashboards.model import Colour, Step

_MARGIN: Final = 0.08


class Beside(NamedTuple):
    """What a line is beside another one: the label of that one, and what this one shows of it."""

    label: str
    shows: str


@dataclass(frozen=True, slots=True)
class Line:
    """One series of numbers: times in ms since 1970, ascending; None is a gap.

    ``unit`` and ``decimals`` say how its values are written, as `dashboards.draw.say` takes them;
    ``colour`` is for a line that stands for something bad or good. One that is ``beside``
    another has its colour, and is thinner. ``limits`` are those of its values alone.
    """

    label: str
    times_ms: Sequence[int]
    values: Sequence[float | None]
    unit: str = ""
    decimals: int | None = None
    colour: Colour | None = None
    beside: Beside | None = None
    limits: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Mark:
    """An event beside a chart, such as an alert that began to fire."""

    time_ms: int
    text: str
    colour: Colour = "bad"


class Stretch(NamedTuple):
    """A time in which a state held, ms since 1970."""

    start_ms: int
    end_ms: int
    code: int


class Band(NamedTuple):
    """A range of values with a meaning; None has no end."""

    bottom: float | None
    top: float | None
    colour: Colour


def with_gaps(line: Line, joins_ms: int) -> Line:
    """The line with a None where values are further apart than ``joins_ms``.

    A library joins neighbours with a stroke; over a time without data that would be a claim.
    """
    times: list[int] = []
    values: list[float | None] = []
    last: int | None = None
    for time, value in zip(line.times_ms, line.values, strict=True):
        if value is None or math.isnan(value):
            continue
        if last is not None and time - last > joins_ms:
            times.append((last + time) // 2)
            values.append(None)
        times.append(time)
        values.append(value)
        last = time
    return replace(line, times_ms=times, values=values)


def by_unit(lines: Sequence[Line]) -> list[list[Line]]:
    """The lines in groups of one unit, as they can't share an axis otherwise."""
    groups: dict[str, list[Line]] = {}
    for line in lines:
        groups.setdefault(line.unit, []).append(line)
    return list(groups.values())


def places(lines: Sequence[Line]) -> list[int]:
    """The place of each line's colour: one of its own, or that of the line that it is beside."""
    own: dict[str, int] = {}
    for line in lines:
        own.setdefault(line.label if line.beside is None else line.beside.label, len(own))
    return [own[line.label if line.beside is None else line.beside.label] for line in lines]


def limits_of(lines: Sequence[Line]) -> tuple[Step, ...]:
    """The limits of an axis: those of its lines, unless what they mean differs."""
    found = {line.limits for line in lines if line.beside is None}
    return found.pop() if len(found) == 1 else ()


def lonely(line: Line) -> list[int]:
    """The places of values without a neighbour: a stroke would not show them."""
    values = [None, *line.values, None]
    return [
        place
        for place in range(len(line.values))
        if values[place + 1] is not None and values[place] is None and values[place + 2] is None
    ]


def stretches(line: Line, holds_ms: int, until_ms: int) -> list[Stretch]:
    """The times in which each state held.

    A row says the state for ``holds_ms`` at most, so silence becomes a gap, and nothing is
    said of the time after ``until_ms``.
    """
    found: list[Stretch] = []
    rows = [(t, int(v)) for t, v in zip(line.times_ms, line.values, strict=True) if v is not None]
    for (start, code), (following, _) in pairwise([*rows, (until_ms, 0)]):
        end = min(following, start + holds_ms, until_ms)
        if end <= start:
            continue
        if found and found[-1].code == code and found[-1].end_ms == start:
            found[-1] = found[-1]._replace(end_ms=end)
        else:
            found.append(Stretch(start, end, code))
    return found


def bands(steps: Sequence[Step]) -> list[Band]:
    """The ranges of values that alarm, as ascending steps make them."""
    return [
        Band(step.value, above.value if above else None, step.colour)
        for step, above in zip_longest(steps, steps[1:])
        if step.colour in ALARMING
    ]


def extent(
    lines: Iterable[Line],
    steps: Iterable[Step] = (),
    *,
    lowest: float | None = None,
    highest: float | None = None,
) -> tuple[float, float] | None:
    """Lowest and highest value to show, with a margin; None where there are no values.

    A step is within the picture where the data come near it, so that it can be seen how near.
    Data that are nowhere negative don't get an axis that is. ``lowest`` and ``highest`` are
    ends that the picture must reach.
    """
    values = [value for line in lines for value in line.values if value is not None]
    if not values:
        return None
    low, high = min(values), max(values)
    size = (high - low) or abs(high) or 1.0
    for step in steps:
        if step.value is not None and low - size <= step.value <= high + size:
            low, high = min(low, step.value), max(high, step.value)
    if low == high == 0:
        high = 1.0  # a line along the bottom of an axis from 0 to 1, instead of 0 to 0.08
    margin = ((high - low) or abs(high)) * _MARGIN
    bottom, top = low - margin, high + margin
    if low >= 0 > bottom:
        bottom = 0.0
    return (
        bottom if lowest is None else min(lowest, low),
        top if highest is None else max(highest, high),
    )


def stacked(lines: Sequence[Line]) -> list[tuple[Line, list[float]]]:
    """Each line raised by those under it, with the heights that it stands on.

    The lines' times may differ; a missing value adds nothing.
    """
    heights: dict[int, float] = {}
    found = []
    for line in lines:
        bottoms = [heights.get(time, 0.0) for time in line.times_ms]
        tops = [
            None if value is None else bottom + value
            for bottom, value in zip(bottoms, line.values, strict=True)
        ]
        heights.update(
            {time: top for time, top in zip(line.times_ms, tops, strict=True) if top is not None}
        )
        found.append((replace(line, values=tops), bottoms))
    return found
