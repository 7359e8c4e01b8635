"""Whether what came of a troubled run is what comes of a quiet one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from schemas import topics
from schemas.records import Rollup, decode_alert, decode_device, decode_rollup
from tests.chaos.simulated.kafka import Arrival
from tests.chaos.simulated.logs import Expected

PROGRESS = b"progress/"
Row = tuple[Any, ...]


class Sink:
    """The rows that a sink makes of the topics: as in InfluxDB the last write of a row stays.

    What came last in a topic is not judged: a worker that was stopped may send again, late, what
    another has sent long before. The newest record of a device or an alert is that of the
    highest ``at`` and ``ordinal``, and these are rows.
    """

    def __init__(self, arrived: Iterable[Arrival]) -> None:
        self.rows: dict[Row, bytes | str] = {}
        self.rewritten: set[Row] = set()
        self.values: set[Arrival] = set()
        self.progress: set[bytes | None] = set()
        for topic, key, value in arrived:
            if topic == topics.ROLLUPS and key is not None and key.startswith(PROGRESS):
                self.progress.add(key)  # its counts are those of one worker's life
                continue
            self.values.add((topic, key, value))
            for row, content in _rows(topic, key, value):
                if self.rows.setdefault(row, content) != content:
                    self.rewritten.add(row)
                    self.rows[row] = content

    def merged(self) -> dict[Row, Row]:
        """Every window merged from its partials: count, and per field count, sum, min, max."""
        found: dict[Row, list[Rollup]] = {}
        for row, value in self.rows.items():
            if row[0] == topics.ROLLUPS and isinstance(value, bytes):
                rollup = decode_rollup(value)
                if isinstance(rollup, Rollup):
                    tags = tuple(rollup.tags.values())
                    name = (rollup.site, rollup.device, rollup.type, tags)
                    found.setdefault((*name, rollup.window, rollup.start), []).append(rollup)
        return {window: _merged(partials) for window, partials in found.items()}


def differences(
    found: Iterable[Arrival],
    devices: Mapping[tuple[str, str], object],
    states: list[dict[bytes, bytes]],
    expected: Expected,
) -> list[str]:
    """What is not as in the quiet fold, in words; empty where nothing is."""
    ours, theirs = Sink(found), Sink(expected.arrived)
    told = [f"{_named(row)} has had two values" for row in sorted(map(str, ours.rewritten))]
    for row in ours.rows.keys() | theirs.rows.keys():
        if row not in theirs.rows:
            told.append(f"{_named(row)} should not be there")
        elif row not in ours.rows:
            told.append(f"{_named(row)} is missing")
        elif ours.rows[row] != theirs.rows[row]:
            told.append(f"{_named(row)} is {ours.rows[row]!r}, not {theirs.rows[row]!r}")
    if ours.progress != theirs.progress:
        told.append("progress was told at other moments")
    mine, quiet = ours.merged(), theirs.merged()
    told += [f"window {key} is not merged alike" for key in quiet if mine.get(key) != quiet[key]]
    told += [
        f"device {name} is {devices.get(name)}, not {record}"
        for name, record in expected.devices.items()
        if devices.get(name) != record
    ]
    told += [
        f"the state of partition {number} is not that of a quiet fold"
        for number, (kept, quietly) in enumerate(zip(states, expected.states, strict=True))
        if kept != quietly
    ]
    return sorted(told)


def _rows(topic: str, key: bytes | None, value: bytes) -> Iterator[tuple[Row, bytes | str]]:
    if topic == topics.DEVICES:
        device = decode_device(value)
        yield (topic, key, device.at, device.ordinal), value
    elif topic == topics.ALERTS:
        alert = decode_alert(value)
        yield (topic, key, alert.at, alert.ordinal), value
    elif topic == topics.DEAD_LETTERS:
        yield (topic, value), value
    else:
        yield (topic, key), value


def _merged(partials: list[Rollup]) -> Row:
    fields: dict[str, list[Any]] = {}
    for partial in partials:
        for name, stats in partial.fields.items():
            fields.setdefault(name, []).append(stats)
    merged = []
    for name, stats in sorted(fields.items()):
        counts, sums, lows, highs = zip(*stats, strict=True)
        merged.append((name, sum(counts), round(sum(sums), 6), min(lows), max(highs)))
    return (sum(partial.count for partial in partials), *merged)


def _named(row: Any) -> str:
    return row if isinstance(row, str) else " ".join(map(str, row))
