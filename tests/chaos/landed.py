"""What stands in InfluxDB, in the shapes of the recomputation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final

from schemas.connections import InfluxConnection
from tests.chaos.recompute import Change, DeviceFacts, Flow, Found, Owner, Window
from tests.chaos.recompute.contract import NUMBERS, REQUIRED, SPAN_MS, TAGS
from tests.chaos.recompute.life import State
from tests.chaos.recompute.results import merged
from tests.chaos.recompute.sums import FlowKey, Stats, WindowKey
from tests.chaos.recompute.whole import DeviceKey
from tests.support.servers import query

_NS_A_MS: Final = 1_000_000
_POLICIES: Final = {"10s": "r10s", "1m": "r1m", "1h": "r1h"}
_FLOW: Final = ("readings", "bytes", "devices", "people_in", "people_out", "people")
_COUNTS: Final = ("generation", "readings", "duplicates", "unprovable", "late", "wrong_clock")

Row = Mapping[str, Any]


async def landed(influx: InfluxConnection) -> Found:
    """Everything that InfluxDB holds of the stream processor's results.

    A device's row does not say its ``boot``.
    """
    found = Found(windows={}, throughput={})
    windows: dict[WindowKey, Window] = {}
    throughput: dict[FlowKey, Flow] = {}
    for level in SPAN_MS:
        for sort in TAGS:
            rows = await query(influx, f'SELECT * FROM "{_POLICIES[level]}"."{sort}_{level}"')
            windows |= _windows(level, sort, rows)
        rows = await query(influx, f'SELECT * FROM "{_POLICIES[level]}"."throughput_{level}"')
        throughput |= {
            (level, row["site"], row["kind"], row["time"] // _NS_A_MS): Flow(
                *(row[name] for name in _FLOW)
            )
            for row in rows
        }
    found.windows, found.throughput = windows, throughput
    found.alerts, found.owners = _alerts(await query(influx, 'SELECT * FROM "r1h"."alert"'))
    rows = await query(influx, 'SELECT * FROM "raw"."device_state"')
    found.states, found.told = _devices(rows)
    return found


def _windows(level: Any, sort: str, rows: list[dict[str, Any]]) -> dict[WindowKey, Window]:
    span = SPAN_MS[level]
    partials: dict[WindowKey, list[Window]] = defaultdict(list)
    for row in rows:
        tags = tuple(row[tag] for tag in TAGS[sort])
        start = row["time"] // _NS_A_MS // span * span
        fields = {name: stats for name in NUMBERS[sort] if (stats := _stats(sort, name, row))}
        partials[level, sort, row["site"], row["device"], tags, start].append(
            Window(row["count"], fields)
        )
    return {key: merged(held) for key, held in partials.items()}


def _stats(sort: str, name: str, row: Row) -> Stats | None:
    count = row["count"] if name in REQUIRED[sort] else row.get(f"{name}_count")
    if count is None:
        return None
    return count, row[f"{name}_sum"], row[f"{name}_min"], row[f"{name}_max"]


def _alerts(rows: list[dict[str, Any]]) -> tuple[dict[str, list[Change]], dict[str, Owner]]:
    lives: dict[str, list[Change]] = defaultdict(list)
    owners = {}
    for row in sorted(rows, key=lambda row: row["time"]):
        at_ms, ordinal = divmod(row["time"], _NS_A_MS)
        lives[row["id"]].append(Change(row["state"], at_ms, ordinal, row["value"]))
        owners[row["id"]] = Owner(row["rule"], row["severity"], row["site"], row["device"])
    for life in lives.values():
        life.sort(key=lambda change: change.ordinal)
    return dict(lives), owners


def _devices(
    rows: list[dict[str, Any]],
) -> tuple[dict[DeviceKey, list[tuple[int, State]]], dict[DeviceKey, DeviceFacts]]:
    states: dict[DeviceKey, set[tuple[int, State]]] = defaultdict(set)
    told = {}
    for row in sorted(rows, key=lambda row: row["time"]):
        key = (row["site"], row["device"])
        states[key].add((row["since_ms"], row["state"]))
        told[key] = DeviceFacts(
            kind=row["kind"],
            state=row["state"],
            since_ms=row["since_ms"],
            heard_ms=row.get("heard_ms"),
            **{name: row[name] for name in _COUNTS},
        )
    return {key: sorted(held) for key, held in states.items()}, told
