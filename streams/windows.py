"""Tumbling windows of one site: partials that merge.

Readings are folded into 10 s windows; a closed 10 s window is merged into its 1 m window, a
closed 1 m window into its 1 h window. A reading whose window has closed becomes part of a
further partial row, one for each envelope, window and series, at every level that has closed;
at a level that is still open it is folded in like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import inf
from operator import attrgetter
from typing import Any, Final, NamedTuple

from schemas.measurements import TAG_FIELDS, late_shift_ns, rollup_fields
from schemas.readings import READING_STRUCTS
from schemas.records import WINDOW_MS, FieldStats, Rollup, Window
from streams.log_clock import LogClock

LEVELS: Final[tuple[Window, ...]] = ("10s", "1m", "1h")
SPANS_MS: Final = tuple(WINDOW_MS[level] for level in LEVELS)
CELLS: Final = 4
"""Of each field: count, sum, minimum, maximum."""

Values = tuple[Any, ...]


class Shape(NamedTuple):
    """Of one reading type: its struct, and how to take the values that windows aggregate."""

    type: str
    fields: tuple[str, ...]
    values: Callable[[Any], Values]
    tags: tuple[str, ...]


def _getter(names: tuple[str, ...]) -> Callable[[Any], Values]:
    if not names:
        return lambda _reading: ()
    take = attrgetter(*names)
    if len(names) == 1:
        return lambda reading: (take(reading),)
    return take


def shapes() -> dict[type, Shape]:
    """The shape of every reading type, by its struct."""
    found = {}
    for name, struct in READING_STRUCTS.items():
        fields = tuple(field.name for field in rollup_fields(name))
        found[struct] = Shape(name, fields, _getter(fields), TAG_FIELDS[name])
    return found


def fold_values(cells: list[Any], values: Values) -> None:
    """Add one reading's values (None where a field is absent) to an accumulator's cells.

    A plain loop over one flat list: it touches least memory, and its sums are the same
    wherever a restart cut them.
    """
    cells[0] += 1
    cell = 1
    for value in values:
        if value is not None:
            cells[cell] += 1
            cells[cell + 1] += value
            if value < cells[cell + 2]:  # noqa: PLR1730 -- min() would be a call
                cells[cell + 2] = value
            if value > cells[cell + 3]:  # noqa: PLR1730 -- as above
                cells[cell + 3] = value
        cell += CELLS


class Accumulator:
    """The running partial of one series in one window.

    ``cells`` are the count of readings, and then `CELLS` for each field.
    """

    __slots__ = ("cells",)

    def __init__(self, width: int) -> None:
        """Begin empty, for a type of ``width`` fields."""
        self.cells: list[Any] = [0] + [0, 0.0, inf, -inf] * width

    @property
    def count(self) -> int:
        """How many readings are in it."""
        return int(self.cells[0])

    def add(self, values: Values) -> None:
        """Take in one reading's values (None where a field is absent)."""
        fold_values(self.cells, values)

    def merge(self, other: Accumulator) -> None:
        """Add the partial of a finer window."""
        cells, finer = self.cells, other.cells
        cells[0] += finer[0]
        for cell in range(1, len(cells), CELLS):
            cells[cell] += finer[cell]
            cells[cell + 1] += finer[cell + 1]
            cells[cell + 2] = min(cells[cell + 2], finer[cell + 2])
            cells[cell + 3] = max(cells[cell + 3], finer[cell + 3])

    def fields(self, names: tuple[str, ...]) -> dict[str, FieldStats]:
        """(count, sum, min, max) of each field that had a value."""
        cells = self.cells
        return {
            name: (
                cells[cell],
                float(cells[cell + 1]),
                float(cells[cell + 2]),
                float(cells[cell + 3]),
            )
            for name, cell in zip(names, range(1, len(cells), CELLS), strict=True)
            if cells[cell]
        }

    def snapshot(self) -> list[Any]:
        """As plain values."""
        return self.cells

    @classmethod
    def restore(cls, saved: list[Any]) -> Accumulator:
        """The accumulator that `snapshot` gave."""
        made = cls(0)
        made.cells = list(saved)
        return made


class Series:
    """One (site, device, type, tags): its open windows by level and start (ms)."""

    __slots__ = ("cells", "device", "name", "open", "shape", "site", "start", "tags")

    def __init__(self, site: str, device: str, shape: Shape, tags: dict[str, str]) -> None:
        """Begin without a window."""
        self.site = site
        self.device = device
        self.shape = shape
        self.tags = tags
        self.name = (device, shape.type, *tags.values())
        self.open: tuple[dict[int, Accumulator], ...] = ({}, {}, {})
        # the 10 s window that the last reading fell into, and its accumulator's cells
        self.start = -1
        self.cells: list[Any] = []

    def rollup(self, level: int, start: int, held: Accumulator, shift: int = 0) -> Rollup:
        """The row of a window's partial; ``shift`` in ns for a late one."""
        return Rollup(
            type=self.shape.type,
            window=LEVELS[level],
            site=self.site,
            device=self.device,
            start=start,
            count=held.count,
            fields=held.fields(self.shape.fields),
            tags=self.tags,
            shift=shift,
        )


class SiteWindows:
    """All open windows of a site, found by when they end."""

    def __init__(self) -> None:
        """Begin without a window."""
        self.open: tuple[dict[int, list[Any]], ...] = ({}, {}, {})

    def opened(self, series: Series, level: int, start: int) -> Accumulator:
        """The series' window at ``level`` and ``start``; it is noted here where it is new."""
        held = series.open[level].get(start)
        if held is None:
            held = series.open[level][start] = Accumulator(len(series.shape.fields))
            self.open[level].setdefault(start, []).append(series)
        return held

    def close(self, watermark_ms: int) -> Iterator[tuple[Any, Rollup]]:
        """Close every window that ends at or before the watermark: finer and earlier first."""
        for level, span in enumerate(SPANS_MS):
            starts = self.open[level]
            for start in sorted(start for start in starts if start + span <= watermark_ms):
                # Which of two series comes first may decide what a rule on both of them says.
                for series in sorted(starts.pop(start), key=attrgetter("name")):
                    yield series, self._close_one(series, level, start)

    def _close_one(self, series: Series, level: int, start: int) -> Rollup:
        held = series.open[level].pop(start)
        if level == 0 and series.start == start:
            series.start = -1
        row = series.rollup(level, start, held)
        if level + 1 < len(LEVELS):
            coarser = start - start % SPANS_MS[level + 1]
            self.opened(series, level + 1, coarser).merge(held)
        return row

    def restore(self, series: Series, level: int, start: int, held: Accumulator) -> None:
        """Open a window that was kept."""
        series.open[level][start] = held
        self.open[level].setdefault(start, []).append(series)


class LatePartials:
    """One envelope's moment on the log's clock, whether it is of then, and its late readings.

    They are gathered by series, window and start, each of them for a row of its own.
    """

    __slots__ = ("active_ms", "held", "live", "now_ms", "offset", "watermark_ms")

    def __init__(self, offset: int, clock: LogClock, *, live: bool = True) -> None:
        """Begin for the envelope at ``offset``, with the clock as it brought it."""
        self.offset = offset
        self.live = live
        self.now_ms = clock.now_ms
        self.active_ms = clock.active_ms
        self.watermark_ms = clock.watermark_ms
        self.held: dict[tuple[int, int, int], tuple[Series, Accumulator]] = {}

    def add(self, windows: SiteWindows, series: Series, event_ms: int, values: Values) -> None:
        """Take in a reading whose 10 s window has closed, at each level as that level stands."""
        for level, span in enumerate(SPANS_MS):
            start = event_ms - event_ms % span
            if start + span > self.watermark_ms:
                # This level is open, and so is every coarser one: they get it when this closes.
                windows.opened(series, level, start).add(values)
                return
            key = (id(series), level, start)
            if key not in self.held:
                self.held[key] = (series, Accumulator(len(series.shape.fields)))
            self.held[key][1].add(values)

    def rows(self) -> Iterator[Rollup]:
        """One partial row for each series, window and start."""
        for (_, level, start), (series, held) in self.held.items():
            shift = late_shift_ns(self.offset, SPANS_MS[level])
            yield series.rollup(level, start, held, shift)
