"""What is shown as current is masked by liveness, and fails to "unknown"."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from dashboards.lint.findings import (
    Boards,
    Finding,
    Json,
    data_panels,
    expressions,
    finding,
    influx_targets,
)
from dashboards.lint.queries import leaves
from schemas.readings import READING_STRUCTS

_CURRENT = frozenset({"stat", "table", "gauge", "bargauge", "piechart"})
_MASK = re.compile(r"^\$(\w+) \+ 0 / \(\$(\w+) > 0\.999\)$")
_REF = re.compile(r"\$(\w+)")
_VOUCHES = re.compile(
    r"\"stage\" = '(streams|sink-influx)' AND time > now\(\) - 10s AND time <= now\(\) \+ 5s"
)
_OF_WORKER = "\"stage\" = 'streams'"
_DATASOURCE = "qala-influxdb"


def check_masks(board: Json, _boards: Boards) -> Iterator[Finding]:
    """Every panel of current values; and that what expressions name is there."""
    for panel in data_panels(board):
        yield from _check_refs(board, panel)
        if panel["type"] in _CURRENT:
            yield from _check_visible(board, panel)
            yield from _check_words(board, panel)


def _check_refs(board: Json, panel: Json) -> Iterator[Finding]:
    names = [target["refId"] for target in panel.get("targets", ())]
    if len(set(names)) < len(names):
        yield finding(board, panel, "refs", "two queries have the same refId")
    for target in expressions(panel):
        for name in _REF.findall(target["expression"]):
            if name not in names:
                yield finding(board, panel, "refs", f"${name} names no query of the panel")
    for target in influx_targets(panel):
        if target["datasource"]["uid"] != _DATASOURCE:
            yield finding(board, panel, "datasource", f"does not ask {_DATASOURCE}")
    for override in panel.get("fieldConfig", {}).get("overrides", ()):
        matcher = override["matcher"]
        if matcher["id"] == "byFrameRefID" and matcher["options"] not in names:
            yield finding(
                board, panel, "refs", f"an override is of {matcher['options']}, not there"
            )


def _check_visible(board: Json, panel: Json) -> Iterator[Finding]:
    by_name = {target["refId"]: target for target in panel["targets"]}
    for target in panel["targets"]:
        if target.get("hide"):
            continue
        if target in list(influx_targets(panel)):
            if not (_shows_only_time(panel) or _is_events(target)):
                yield finding(board, panel, "mask", f"{target['refId']} is shown as it comes")
            continue
        mask = _MASK.match(target.get("expression", ""))
        if mask is None:
            yield finding(board, panel, "mask", f"{target['refId']} is not masked by liveness")
            continue
        stage = _vouches(by_name, mask[2])
        wanted = _depends_on(_asked(by_name, mask[1]))
        if stage is None:
            text = f"{target['refId']} is masked by ${mask[2]}, which is no liveness"
            yield finding(board, panel, "mask", text)
        elif stage != wanted:
            text = f"{target['refId']} is vouched for by {stage}; what it reads is of {wanted}"
            yield finding(board, panel, "mask-stage", text)


def _asked(by_name: Json, name: str) -> str:
    """The query whose last value a refId is; empty where there is none."""
    reduced = by_name.get(name, {})
    asked = by_name.get(str(reduced.get("expression", "")).removeprefix("$"), {})
    return str(asked.get("query", "")) if reduced.get("reducer") == "last" else ""


def _vouches(by_name: Json, name: str) -> str | None:
    """The stage of whose ticks, younger than 10 s and none ahead, a refId is the last value."""
    match = _VOUCHES.search(_asked(by_name, name))
    return match[1] if match else None


def _depends_on(query: str) -> str:
    """The stage that writes what a query reads.

    Readings and what the sink says itself are the sink's, whatever the worker does; windows,
    alerts, device states and what the worker says of itself are the worker's.
    """
    reads = {leaf.measurement for leaf in leaves(query)}
    if reads == {"pipeline"}:
        return "streams" if _OF_WORKER in query else "sink-influx"
    return "sink-influx" if reads and reads <= set(READING_STRUCTS) else "streams"


def _shows_only_time(panel: Json) -> bool:
    """Whether of a visible row only its time is seen: an age, or the rows of a table."""
    if panel["type"] == "stat":
        return bool(panel["options"]["reduceOptions"].get("fields") == "Time")
    for step in panel.get("transformations", ()):
        if step["id"] == "organize":
            excluded = step["options"]["excludeByName"]
            return bool(excluded.get("Value") and excluded.get("value"))
    return False


def _is_events(target: Json) -> bool:
    """Whether a query gives what happened, each with its time."""
    return target["resultFormat"] == "table" and " ORDER BY time DESC" in target["query"]


def _check_words(board: Json, panel: Json) -> Iterator[Finding]:
    """Nothing, and not-a-number, must read as such in every field that is masked."""
    masked = [target["refId"] for target in expressions(panel) if not target.get("hide")]
    if not masked:
        return
    config = panel["fieldConfig"]
    if config["defaults"].get("noValue") != "unknown":
        yield finding(board, panel, "mask", "does not say unknown where it has no value")
    if not _says_unknown(config["defaults"].get("mappings", ())):
        yield finding(board, panel, "mask", "has no word for a masked value")
    for override in config["overrides"]:
        name = override["matcher"]["options"]
        words = [look["value"] for look in override["properties"] if look["id"] == "mappings"]
        if name in masked and not all(_says_unknown(mappings) for mappings in words):
            yield finding(board, panel, "mask", f"{name} has no word for a masked value")


def _says_unknown(mappings: Iterable[Json]) -> bool:
    return any(
        mapping["type"] == "special"
        and mapping["options"]["match"] in {"nan", "null+nan"}
        and mapping["options"]["result"]["text"] == "unknown"
        for mapping in mappings
    )
