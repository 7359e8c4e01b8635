"""What the stream processor did tell: the values of its topics as `Found`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from tests.chaos.recompute.alerts import Change, Owner
from tests.chaos.recompute.contract import TAGS
from tests.chaos.recompute.differing import Found
from tests.chaos.recompute.life import DeviceFacts, State
from tests.chaos.recompute.sums import Flow, FlowKey, Stats, Window, WindowKey
from tests.chaos.recompute.whole import DeviceKey

_FACTS = {"state": "state", "since": "since_ms", "heard": "heard_ms"} | {
    name: name
    for name in (
        *("kind", "boot", "generation", "readings", "duplicates", "unprovable", "late"),
        "wrong_clock",
    )
}
_FLOW = ("readings", "bytes", "devices", "people_in", "people_out", "people")


def found_in(rollups: Iterable[bytes], alerts: Iterable[bytes], devices: Iterable[bytes]) -> Found:
    """Everything that stands in the three topics, each value in its topic's order.

    What was given out twice counts once. State changes are as far as the topic still has them
    (it is compacted), and sorted.
    """
    rows = [msgspec.json.decode(value) for value in rollups]
    lives, owners = _alerts(alerts)
    states, told = _devices(devices)
    return Found(
        windows=_windows(row for row in rows if row["row"] == "rollup"),
        throughput=_throughput(row for row in rows if row["row"] == "throughput"),
        states=states,
        told=told,
        alerts=lives,
        owners=owners,
    )


def _windows(rows: Iterable[Mapping[str, Any]]) -> dict[WindowKey, Window]:
    partials: dict[WindowKey, dict[int, Window]] = defaultdict(dict)
    for row in rows:
        tags = tuple(row.get("tags", {}).get(tag) for tag in TAGS[row["type"]])
        key = (row["window"], row["type"], row["site"], row["device"], tags, row["start"])
        fields = {name: tuple(stats) for name, stats in row["fields"].items()}
        partials[key][row.get("shift", 0)] = Window(row["count"], fields)
    return {key: merged(held.values()) for key, held in partials.items()}


def merged(partials: Iterable[Window]) -> Window:
    """The partial rows of one window as one."""
    count, fields = 0, dict[str, Stats]()
    for partial in partials:
        count += partial.count
        for name, stats in partial.fields.items():
            held = fields.get(name)
            fields[name] = stats if held is None else _both(held, stats)
    return Window(count, fields)


def _both(one: Stats, other: Stats) -> Stats:
    return one[0] + other[0], one[1] + other[1], min(one[2], other[2]), max(one[3], other[3])


def _throughput(rows: Iterable[Mapping[str, Any]]) -> dict[FlowKey, Flow]:
    return {
        (row["window"], row["site"], row["kind"], row["start"]): Flow(
            *(row[name] for name in _FLOW)
        )
        for row in rows
    }


def _alerts(values: Iterable[bytes]) -> tuple[dict[str, list[Change]], dict[str, Owner]]:
    lives: dict[str, dict[int, Change]] = defaultdict(dict)
    owners = {}
    for value in values:
        row = msgspec.json.decode(value)
        change = Change(row["state"], row["at"], row["ordinal"], row["value"])
        lives[row["id"]][change.ordinal] = change
        owners[row["id"]] = Owner(row["rule"], row["severity"], row["site"], row["device"])
    return {name: [held[one] for one in sorted(held)] for name, held in lives.items()}, owners


def _devices(
    values: Iterable[bytes],
) -> tuple[dict[DeviceKey, list[tuple[int, State]]], dict[DeviceKey, DeviceFacts]]:
    states: dict[DeviceKey, set[tuple[int, State]]] = defaultdict(set)
    told = {}
    for value in values:
        row = msgspec.json.decode(value)
        key = (row["site"], row["device"])
        states[key].add((row["since"], row["state"]))
        told[key] = DeviceFacts(**{mine: row[name] for name, mine in _FACTS.items() if name in row})
    return {key: sorted(held) for key, held in states.items()}, told
