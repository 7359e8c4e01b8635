"""What a recorded load holds: which readings are distinct and valid, and what their windows count.

Written out from the contract, by the plainest means; nothing of what is measured is used.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from schemas.connections import InfluxConnection
from tests.bench.load import Load, Schedule
from tests.support.servers import query

SPAN_MS: Final = 10_000
COUNTED: Final = {
    "temperature": "celsius",
    "air": "efficiency_pct",
    "scene": "people",
    "audio": "volume_pct",
}
"""Types whose windows are compared, and a field that each of their readings has."""
TYPES: Final = (*COUNTED, "passage", "ticket")


class Name(NamedTuple):
    """What tells a reading from every other one of a run."""

    site: str
    device: str
    boot: int
    seq: int


class Window(NamedTuple):
    """One device's 10 s of one type."""

    type: str
    site: str
    device: str
    start_ms: int


@dataclass
class Truth:
    """Of one load as it was sent; ``windows`` counts each distinct reading once."""

    names: set[Name] = field(default_factory=set)
    windows: Counter[Window] = field(default_factory=Counter)
    repeated: int = 0
    """Readings of windows that came again."""
    rejected: int = 0
    twins: int = 0
    """Readings that share type, device and millisecond with an earlier one."""
    unbelieved: int = 0
    """Readings whose device's clock was wrong."""


@dataclass
class Stored:
    """Of one system; ``misdated`` are rows in the future or before 2020."""

    names: set[Name] = field(default_factory=set)
    windows: Counter[Window] = field(default_factory=Counter)
    misdated: int = 0


def truth(recorded: Load, schedule: Schedule) -> Truth:
    """What must be known of a load that was replayed by ``schedule``."""
    made = Truth()
    instants: set[tuple[str, str, str, int]] = set()
    for message, payload in schedule.sent(recorded):
        made.rejected += message.rejected
        if not message.readings:
            continue
        _, _, site, _, device, _ = message.topic.split("/")
        found = json.loads(payload)
        for reading in found if isinstance(found, list) else [found]:
            name = Name(site, device, reading["boot"], reading["seq"])
            if name in made.names:
                made.repeated += reading["type"] in COUNTED
                continue
            made.names.add(name)
            instant = (reading["type"], site, device, reading["ts"])
            made.twins += instant in instants
            instants.add(instant)
            made.unbelieved += message.meant == "wrong_clock"
            if reading["type"] in COUNTED:
                start_ms = reading["ts"] // SPAN_MS * SPAN_MS
                made.windows[Window(reading["type"], site, device, start_ms)] += 1
    return made


async def stored(
    influx: InfluxConnection,
    database: str,
    now_ms: int,
    *,
    endings: Iterable[str],
    policy: str = "",
    shift_ms: int = 0,
) -> Stored:
    """All that a system has written of the sites with one of these ``endings``.

    ``policy`` holds its windows; they are dated ``shift_ms`` after their starts.
    """
    made = Stored()
    sites = f'"site" =~ /({"|".join(endings)})$/'
    for sort in TYPES:
        asked = f'SELECT "boot", "seq" FROM "{sort}" WHERE {sites} GROUP BY "site", "device"'
        for row in await query(influx, asked, database):
            if row["boot"] is None or row["seq"] is None:
                continue
            made.names.add(Name(row["site"], row["device"], int(row["boot"]), int(row["seq"])))
            made.misdated += not _EPOCH_2020_NS < row["time"] < (now_ms + 60_000) * 1_000_000
    prefix = f'"{policy}".' if policy else ""
    for sort, name in COUNTED.items():
        asked = f'SELECT * FROM {prefix}"{sort}_10s" WHERE {sites}'
        for row in await query(influx, asked, database):
            start_ms = (row["time"] // 1_000_000 - shift_ms) // SPAN_MS * SPAN_MS
            window = Window(sort, row["site"], row["device"], start_ms)
            made.windows[window] += _count(row, name)
    return made


_EPOCH_2020_NS: Final = 1_577_836_800_000_000_000


def _count(row: Mapping[str, Any], name: str) -> int:
    """The readings that a row counts: of all, or of a field that each of them has."""
    given = row.get("count")
    if given is None:
        given = row.get(f"{name}_count")
    return int(given or 0)


def windows_of(windows: Counter[Window], suffix: str) -> Counter[Window]:
    """Those of sites with an ending."""
    return Counter({key: count for key, count in windows.items() if key.site.endswith(suffix)})


class Wrong(NamedTuple):
    """What is wrong with windows, in readings.

    ``missing`` are in no window of their device, ``twice`` counted once too often there, and
    ``elsewhere`` in another window than their own.
    """

    missing: int
    twice: int
    elsewhere: int


def compare(true: Counter[Window], found: Counter[Window]) -> Wrong:
    """Windows that should be with windows that are."""
    of_true, of_found = _by_device(true), _by_device(found)
    missing, twice = (of_true - of_found).total(), (of_found - of_true).total()
    return Wrong(missing, twice, (found - true).total() - twice)


def _by_device(windows: Counter[Window]) -> Counter[tuple[str, str, str]]:
    made: Counter[tuple[str, str, str]] = Counter()
    for window, count in windows.items():
        made[window[:3]] += count
    return made
