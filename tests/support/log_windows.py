"""Windows of a telemetry log: those that a worker gave out, and its readings for `recompute`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from schemas import topics
from schemas.connections import KafkaConnection
from schemas.records import Rollup, decode_rollup
from tests.support.recompute import (
    Difference,
    Distinct,
    Series,
    Windows,
    WindowStats,
    differences,
    recompute,
)
from tests.support.telemetry import LogRecord, read_all

WINDOWS = ("10s", "1m", "1h")


def readings(records: Iterable[LogRecord]) -> Iterator[Distinct]:
    """The distinct readings of one log."""
    seen = set()
    for record in records:
        for text in record.value.splitlines():
            line = json.loads(text)
            found = Distinct(
                line["site"], line["kind"], line["device"], line["reading"], believed=True
            )
            if found.name not in seen:
                seen.add(found.name)
                yield found


async def merged(kafka: KafkaConnection, window: str) -> Windows:
    """The windows in the topic of rollups, each merged from all its rows."""
    rows: dict[bytes, Rollup] = {}
    for _, key, value in await read_all(kafka, topics.ROLLUPS):
        row = decode_rollup(value)
        if isinstance(row, Rollup) and row.window == window:
            rows[key] = row
    windows: Windows = {}
    for row in rows.values():
        name = Series(row.type, row.site, row.device, tuple(row.tags.values()))
        held = windows.setdefault((name, row.start), WindowStats())
        held.count += row.count
        for field, (count, total, low, high) in row.fields.items():
            stats = held.fields[field]
            stats.count += count
            stats.total += total
            stats.low, stats.high = min(stats.low, low), max(stats.high, high)
    return windows


async def window_differences(
    kafka: KafkaConnection, *logs: Iterable[LogRecord]
) -> list[Difference]:
    """Every window of the logs' readings together, against what was given out."""
    distinct = [one for log in logs for one in readings(log)]
    found: list[Difference] = []
    for window in WINDOWS:
        expected = recompute(distinct, window, lambda one: one.reading["ts"])
        found += differences(window, expected, await merged(kafka, window))
    return found
