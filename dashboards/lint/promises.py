"""What every board promises: ages beside values, marks in histories, limits, rows that lead on."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import NamedTuple

from dashboards.limits import read_limits, shipped_rules
from dashboards.lint.findings import Boards, Finding, Json, data_panels, finding, influx_targets
from dashboards.lint.queries import leaves

_TAGS = re.compile(r'"(\w+)"')
_WINDOWED = "${window:raw}"
_WINDOW = re.compile(r"_(?:10s|1m|1h|\$\{window:raw\})$")
_STATISTIC = re.compile(r"_(?:sum|min|max|mean)$")


class Limited(NamedTuple):
    """What rules limit of a field: where, and which fields of a window they compare with it."""

    edges: set[float]
    compared: set[str]


def check_promises(board: Json, _boards: Boards) -> Iterator[Finding]:
    """Each promise, of each panel of which it is one."""
    yield from _check_marks(board)
    limited = _limited()
    for panel in data_panels(board):
        if panel["type"] == "stat" and not _shows_time(panel):
            yield from _check_age(board, panel)
        if panel["type"] == "table":
            yield from _check_row_age(board, panel)
            yield from _check_row_link(board, panel)
        if panel["type"] == "timeseries":
            yield from _check_limits(board, panel, limited)


def _check_marks(board: Json) -> Iterator[Finding]:
    """Simulated data are marked everywhere, alerts wherever windows are seen over time."""
    marks = board.get("annotations", {}).get("list", ())
    read = {
        (leaf.policy, leaf.measurement)
        for mark in marks
        if mark.get("enable")
        for leaf in leaves(mark.get("target", {}).get("query", ""))
    }
    if ("r1h", "simulated") not in read:
        yield finding(board, None, "marks", "does not mark simulated data")
    if ("r1h", "alert") not in read and any(
        _WINDOWED in target["query"]
        for panel in data_panels(board)
        for target in influx_targets(panel)
    ):
        yield finding(board, None, "marks", "does not mark alerts in its histories")


def _check_age(board: Json, panel: Json) -> Iterator[Finding]:
    """Right under a tile stands a strip of times, of the measurements that it shows."""
    place = panel["gridPos"]
    below = {"x": place["x"], "w": place["w"], "y": place["y"] + place["h"]}
    strips = [
        other
        for other in data_panels(board)
        if other["type"] == "stat"
        and _shows_time(other)
        and below.items() <= other["gridPos"].items()
    ]
    if not strips:
        yield finding(board, panel, "age", "no age stands under its values")
        return
    told = _measurements(strips[0])
    asked = {
        name
        for target in influx_targets(panel)
        if not target["refId"].startswith("live_")
        for name in _read(target)
    }
    for name in sorted(asked - told):
        yield finding(board, panel, "age", f"the age under it is not of {name}")


def _check_row_age(board: Json, panel: Json) -> Iterator[Finding]:
    for step in panel.get("transformations", ()):
        if step["id"] == "organize" and step["options"]["excludeByName"].get("Time"):
            yield finding(board, panel, "age", "hides how old its rows are")


def _check_row_link(board: Json, panel: Json) -> Iterator[Finding]:
    """A row of a device leads to the device, one of a site to the site."""
    tags = {
        tag
        for target in influx_targets(panel)
        if not target.get("hide")
        for tag in _TAGS.findall(_series(target["query"]))
    }
    wanted = next((uid for uid in ("device", "site") if uid in tags), None)
    urls = [
        link["url"]
        for override in panel.get("fieldConfig", {}).get("overrides", ())
        for look in override["properties"]
        if look["id"] == "links"
        for link in look["value"]
    ]
    if wanted and not any(url.startswith(f"/d/qala-{wanted}?") for url in urls):
        yield finding(board, panel, "row-link", f"its rows do not lead to their {wanted}")


def _series(query: str) -> str:
    """Where a query names what its rows are of: its last groups, or its columns."""
    grouped = query.rsplit(" GROUP BY ", 1)
    return grouped[1] if len(grouped) > 1 else query.split(" FROM ", 1)[0]


def _check_limits(
    board: Json, panel: Json, limited: Mapping[tuple[str, str], Limited]
) -> Iterator[Finding]:
    """A history of what a shipped rule limits.

    It has the limit as a line, where it is all it shows; and it shows what the rule compares: the
    mean of an interval lies below a limit that one of its values was above.
    """
    targets = list(influx_targets(panel))
    custom = panel["fieldConfig"]["defaults"].get("custom", {})
    steps = panel["fieldConfig"]["defaults"].get("thresholds", {}).get("steps", ())
    drawn = {step["value"] for step in steps}
    dashed = custom.get("thresholdsStyle", {}).get("mode") == "dashed"
    for (reading_type, field), limit in limited.items():
        asked = [t["query"] for t in targets if _shows(t["query"], reading_type, field)]
        if not asked:
            continue
        if len(asked) == len(targets) and not (dashed and limit.edges <= drawn):
            yield finding(board, panel, "limits", f"does not draw the limits of {field}")
        for name in sorted(limit.compared):
            if not any(f'"{name}"' in query for query in asked):
                yield finding(board, panel, "compared", f"does not draw {name}, which has a limit")


def _shows(query: str, reading_type: str, field: str) -> bool:
    read = {leaf.measurement for leaf in leaves(query)} == {f"{reading_type}_{_WINDOWED}"}
    return read and any(f'"{field}_{statistic}"' in query for statistic in ("sum", "min", "max"))


@cache
def _limited() -> dict[tuple[str, str], Limited]:
    """What the shipped rules limit, by type and field: the same for every board."""
    limits = read_limits(shipped_rules())
    found: dict[tuple[str, str], Limited] = {}
    for measure in limits.measures:
        reading_type, _, field = measure.partition(".")
        edges = {step.value for step in limits.steps(measure) if step.value is not None}
        key = (_WINDOW.sub("", reading_type), _STATISTIC.sub("", field))
        limit = found.setdefault(key, Limited(set(), set()))
        limit.edges.update(edge for edge in edges if math.isfinite(edge))
        of_window = _STATISTIC.search(field) is not None
        extremes = limits.compared(measure)
        limit.compared.update([field] if of_window else [f"{field}_{each}" for each in extremes])
    return found


def _shows_time(panel: Json) -> bool:
    return bool(panel["options"]["reduceOptions"].get("fields") == "Time")


def _measurements(panel: Json) -> set[str]:
    return {name for target in influx_targets(panel) for name in _read(target)}


def _read(target: Json) -> set[str]:
    """The measurements of a query, whatever their windows."""
    return {_WINDOW.sub("", leaf.measurement) for leaf in leaves(target["query"])}
