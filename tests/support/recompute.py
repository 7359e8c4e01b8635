"""Windows and throughput computed a second time, from a ledger alone.

Nothing here is shared with the stream processor or with the schemas' window code: the table
below is written out from the contract, and the arithmetic is the plainest that does it.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from infra.ledger import Ledger
from schemas.connections import InfluxConnection
from tests.support.servers import query as query_database

SPAN_MS = {"10s": 10_000, "1m": 60_000, "1h": 3_600_000}
POLICY = {"10s": "r10s", "1m": "r1m", "1h": "r1h"}

TAGS: dict[str, tuple[str, ...]] = {
    "passage": ("direction",),
    "scene": (),
    "temperature": ("subject",),
    "air": (),
    "audio": (),
    "ticket": ("service", "event"),
}
REQUIRED: dict[str, tuple[str, ...]] = {
    "passage": (),
    "scene": ("people", "fps"),
    "temperature": ("celsius",),
    "air": ("efficiency_pct",),
    "audio": ("volume_pct", "playing"),
    "ticket": (),
}
OPTIONAL: dict[str, tuple[str, ...]] = {
    "passage": ("mask", "body_celsius", "confidence"),
    "scene": ("vehicles", "motion", "bitrate_kbps", "storage_free_pct", "tamper"),
    "temperature": ("humidity_pct",),
    "air": ("ions_cm3", "ozone_ugm3", "pm25_ugm3", "co2_ppm", "filter_hours", "power_w", "people"),
    "audio": ("queue", "noise_db"),
    "ticket": (),
}
_NEAR = 1e-9
_EXACT = ("count", "low", "high")
_NAMED = 50
_ASK_EVERY_S = 1.0


class Series(NamedTuple):
    """Whose window it is; ``tags`` in the order of `TAGS`."""

    type: str
    site: str
    device: str
    tags: tuple[str, ...]


class Distinct(NamedTuple):
    """One accepted reading; ``believed`` is False where its device's clock was wrong."""

    site: str
    kind: str
    device: str
    reading: dict[str, Any]
    believed: bool

    @property
    def name(self) -> tuple[str, str, int, int, int]:
        """What tells it from every other one, of other generations too."""
        reading = self.reading
        return self.site, self.device, reading["boot"], reading["seq"], reading["ts"]


@dataclass
class Stats:
    """Of one field in one window."""

    count: int = 0
    total: float = 0.0
    low: float = math.inf
    high: float = -math.inf


@dataclass
class WindowStats:
    """One series in one window."""

    count: int = 0
    fields: dict[str, Stats] = field(default_factory=lambda: defaultdict(Stats))


Windows = dict[tuple[Series, int], WindowStats]
Times = dict[tuple[str, str, int, int, int], int]
"""Event time (ms) of readings by their names, where their raw rows alone say it."""


@dataclass(frozen=True)
class Difference:
    """One thing that is stored otherwise than the ledger has it."""

    window: str
    where: object
    what: str
    expected: object
    stored: object

    def __str__(self) -> str:
        return f"{self.window} {self.where}: {self.what} is {self.stored}, not {self.expected}"


def distinct_readings(ledger: Ledger) -> Iterator[Distinct]:
    """Every valid reading once, in the order of the ledger.

    A known (boot, seq) is a duplicate, unless its ts is newer than every ts of its device so
    far: then the device's counters began again, and so does what is known of it. Who is of
    before that is known by the names of before.
    """
    devices: dict[tuple[str, str], _Device] = defaultdict(_Device)
    for entry in ledger.entries():
        if not entry.readings:
            continue
        _, _, site, kind, device, _ = entry.topic.split("/")
        believed = entry.meant != "wrong_clock"
        for reading in entry.accepted():
            name = reading["boot"], reading["seq"]
            if devices[site, device].takes(name, reading["ts"], believed):
                yield Distinct(site, kind, device, reading, believed)


_DAY_MS = 86_400_000
_LEAP = 100
_NEVER = {True: -math.inf, False: -math.inf}


@dataclass
class _Generation:
    """What a device sent between two resets; ``newest`` (ms) by whether it was believed."""

    newest: dict[bool, float] = field(default_factory=lambda: dict(_NEVER))
    names: set[tuple[int, int]] = field(default_factory=set)
    tops: dict[int, int] = field(default_factory=dict)

    def is_older_than(self, ts: int, believed: bool) -> bool:
        """Whether a time is newer than all here; than the other sort where those are near."""
        near = abs(self.newest[not believed] - ts) < _DAY_MS
        return ts > self.newest[believed] and not (near and ts <= self.newest[not believed])

    def add(self, name: tuple[int, int]) -> bool:
        """Whether the name is one more."""
        boot, seq = name
        self.tops[boot] = max(seq, self.tops.get(boot, seq))
        known = name in self.names
        self.names.add(name)
        return not known


class _Device:
    """The generation of now and the one before it."""

    def __init__(self) -> None:
        self.before: _Generation | None = None
        self.now = _Generation()

    def takes(self, name: tuple[int, int], ts: int, believed: bool) -> bool:
        """Whether this is a reading that has not been there."""
        before, now = self.before, self.now
        if before is not None and not self._is_of_now(before, name, ts, believed):
            return before.add(name)
        reset = name in now.names and now.is_older_than(ts, believed)
        if reset:
            self.before, self.now = now, _Generation(dict(now.newest))
            now = self.now
        now.newest[believed] = max(now.newest[believed], ts)
        return now.add(name)

    def _is_of_now(
        self, before: _Generation, name: tuple[int, int], ts: int, believed: bool
    ) -> bool:
        """Newer than all of before; or the device's clock was right again, and it goes on."""
        if before.is_older_than(ts, believed):
            return True
        if not believed or ts <= before.newest[True]:
            return False
        boot, seq = name
        above = seq - self.now.tops.get(boot, seq - math.inf)
        if above <= 0:
            return True
        was_believed = self.now.newest[True] > before.newest[True]
        return ts > self.now.newest[True] and (was_believed or above <= _LEAP)


def recompute(
    readings: Iterable[Distinct], window: str, event_ms: Callable[[Distinct], int]
) -> Windows:
    """All tumbling windows of ``window``, aligned to the epoch, by each reading's event time."""
    span = SPAN_MS[window]
    windows: Windows = defaultdict(WindowStats)
    for one in readings:
        reading = one.reading
        sort = reading["type"]
        tags = tuple(str(reading.get(tag, "ambient")) for tag in TAGS[sort])
        held = windows[Series(sort, one.site, one.device, tags), event_ms(one) // span * span]
        held.count += 1
        for name in REQUIRED[sort] + OPTIONAL[sort]:
            value = reading.get(name)
            if value is not None:
                stats = held.fields[name]
                stats.count += 1
                stats.total += float(value)
                stats.low = min(stats.low, float(value))
                stats.high = max(stats.high, float(value))
    return windows


async def stored_windows(
    influx: InfluxConnection, sort: str, window: str
) -> tuple[Windows, list[Difference]]:
    """The windows of one type in InfluxDB, each merged from all its partial rows.

    The differences are rows of which something is missing: InfluxDB shows half written ones.
    """
    span_ns = SPAN_MS[window] * 1_000_000
    windows: Windows = defaultdict(WindowStats)
    broken: list[Difference] = []
    for row in await query(influx, f'SELECT * FROM "{POLICY[window]}"."{sort}_{window}"'):
        series = Series(sort, row["site"], row["device"], tuple(row[tag] for tag in TAGS[sort]))
        place = (series, row["time"])
        if row["count"] is None:
            broken.append(Difference(window, place, "count of a row", "whole", None))
            continue
        held = windows[series, row["time"] // span_ns * span_ns // 1_000_000]
        held.count += row["count"]
        for name in REQUIRED[sort] + OPTIONAL[sort]:
            count = row.get(f"{name}_count") if name in OPTIONAL[sort] else row["count"]
            parts = (count, *(row.get(f"{name}_{part}") for part in ("sum", "min", "max")))
            if name in OPTIONAL[sort] and parts == (None, None, None, None):
                continue
            if None in parts:
                broken.append(Difference(window, place, f"{name} of a row", "whole", parts))
                continue
            _merge(held.fields[name], *parts)
    return windows, broken


def _merge(stats: Stats, count: Any, total: Any, low: Any, high: Any) -> None:
    stats.count += count
    stats.total += total
    stats.low = min(stats.low, low)
    stats.high = max(stats.high, high)


def differences(window: str, expected: Windows, stored: Windows) -> list[Difference]:
    """Row by row: counts, minima and maxima exactly, sums within 1e-9 of their size."""
    found: list[Difference] = []
    for key in sorted(expected.keys() | stored.keys()):
        mine, theirs = expected.get(key), stored.get(key)
        if mine is None or theirs is None:
            present = [None if one is None else one.count for one in (mine, theirs)]
            found.append(Difference(window, key, "the window's count", *present))
            continue
        if mine.count != theirs.count:
            found.append(Difference(window, key, "count", mine.count, theirs.count))
        for name in sorted(mine.fields.keys() | theirs.fields.keys()):
            one, other = mine.fields.get(name, Stats()), theirs.fields.get(name, Stats())
            pairs = {part: (getattr(one, part), getattr(other, part)) for part in _EXACT}
            found += [
                Difference(window, key, f"{name} {part}", *pair)
                for part, pair in pairs.items()
                if pair[0] != pair[1]
            ]
            if not math.isclose(one.total, other.total, rel_tol=_NEAR, abs_tol=_NEAR):
                found.append(Difference(window, key, f"{name} sum", one.total, other.total))
    return found


async def compare_windows(
    ledger: Path,
    influx: InfluxConnection,
    windows: Sequence[str] = ("10s", "1m"),
    *,
    until_ms: int | None = None,
    timeout_s: float = 120.0,
) -> list[Difference]:
    """Every window in InfluxDB against the ledger's; asks again until equal or ``timeout_s``.

    The newest windows are written when the log's clock has passed them. With ``until_ms`` only
    windows that end by then (event time) are compared. The database must hold no other run.
    """
    readings = list(distinct_readings(Ledger(ledger)))
    end_s = asyncio.get_running_loop().time() + timeout_s
    found: list[Difference] = []
    for window in windows:
        comparison = _Comparison(influx, readings, window, until_ms)
        found += await _until_empty(comparison.differences, end_s)
    return found


class _Comparison:
    """Stored windows of one span against those of readings, asked for again and again."""

    def __init__(
        self, influx: InfluxConnection, readings: list[Distinct], window: str, until_ms: int | None
    ) -> None:
        self._influx = influx
        self._readings = readings
        self._window = window
        self._until_ms = until_ms
        self._expected: tuple[Times, Windows] | None = None

    async def differences(self) -> list[Difference]:
        times = await _unbelieved_times(self._influx, self._readings)
        lost = [one for one in self._readings if not one.believed and one.name not in times]
        found = [
            Difference(self._window, one.name, "its raw row", "there", None)
            for one in lost[:_NAMED]
        ]
        stored: Windows = {}
        for sort in TAGS:
            merged, broken = await stored_windows(self._influx, sort, self._window)
            stored |= merged
            found += broken
        expected = self._expected_with(times)
        return found + differences(self._window, self._ended(expected), self._ended(stored))

    def _expected_with(self, times: Times) -> Windows:
        if self._expected is None or self._expected[0] != times:
            known = [one for one in self._readings if one.believed or one.name in times]
            windows = recompute(
                known, self._window, lambda one: times.get(one.name, one.reading["ts"])
            )
            self._expected = times, windows
        return self._expected[1]

    def _ended(self, windows: Windows) -> Windows:
        until_ms = math.inf if self._until_ms is None else self._until_ms
        latest_ms = until_ms - SPAN_MS[self._window]
        return {key: held for key, held in windows.items() if key[1] <= latest_ms}


async def _unbelieved_times(influx: InfluxConnection, readings: list[Distinct]) -> Times:
    """Event time (ms) of readings whose device had a wrong clock: only their raw rows say it."""
    times: Times = {}
    for sort in {one.reading["type"] for one in readings if not one.believed}:
        # a row has device_ts or has it not: this asks for those that do
        asked = f'SELECT "boot", "seq", "device_ts" FROM "raw"."{sort}" WHERE "device_ts" > -1 '
        for row in await query(influx, asked + 'GROUP BY "site", "device"'):
            name = (row["site"], row["device"], row["boot"], row["seq"], row["device_ts"])
            if None not in name:  # it is whole
                shift = (row["seq"] + 7919 * row["boot"]) % 1_000_000
                times[name] = (row["time"] - shift) // 1_000_000
    return times


async def compare_throughput(
    ledger: Path, influx: InfluxConnection, window: str = "10s", *, timeout_s: float = 120.0
) -> list[Difference]:
    """``readings`` and people of all throughput windows, by (site, kind), against the ledger's.

    These windows run on the log's clock, so only their totals follow from a ledger.
    """
    expected: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for one in distinct_readings(Ledger(ledger)):
        flow = expected[one.site, one.kind]
        flow["readings"] += 1
        if one.reading["type"] == "passage":
            flow[f"people_{one.reading['direction']}"] += 1

    async def ask() -> list[Difference]:
        stored: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        for row in await query(influx, f'SELECT * FROM "{POLICY[window]}"."throughput_{window}"'):
            for name in ("readings", "people_in", "people_out"):
                stored[row["site"], row["kind"]][name] += row[name] or 0  # None: half written
        return [
            Difference(f"throughput_{window}", key, name, expected[key][name], stored[key][name])
            for key in sorted(expected.keys() | stored.keys())
            for name in ("readings", "people_in", "people_out")
            if expected[key][name] != stored[key][name]
        ]

    return await _until_empty(ask, asyncio.get_running_loop().time() + timeout_s)


async def query(influx: InfluxConnection, question: str) -> list[dict[str, Any]]:
    """The answer's rows, of the database that ``influx`` names."""
    return await query_database(influx, question, db=influx.database)


async def _until_empty(
    ask: Callable[[], Awaitable[list[Difference]]], end_s: float
) -> list[Difference]:
    while True:
        found = await ask()
        if not found or asyncio.get_running_loop().time() >= end_s:
            return found
        await asyncio.sleep(_ASK_EVERY_S)
