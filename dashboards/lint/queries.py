"""Queries are bounded in time, grouped by interval, and read the policy that fits the range."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from dashboards.lint.findings import (
    Boards,
    Finding,
    Json,
    all_queries,
    data_panels,
    finding,
    influx_targets,
    variables,
)
from schemas.measurements import POLICIES, POLICY_OF_MEASUREMENT, POLICY_OF_WINDOW
from schemas.readings import READING_STRUCTS

_SOURCE = re.compile(r'"([^"]+)"\."([^"]+)"')
_LEAF = re.compile(
    r'FROM ((?:"[^"]+"\."[^"]+"(?:, )?)+)(.*?)(?= GROUP BY| ORDER BY|SELECT|$)', re.DOTALL
)
_AGE = re.compile(r"time > now\(\) - (\d+)([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_WINDOWED = "${window:raw}"
_FROM = re.compile(r"(?:from=)?now-(\d+)([smhd])\b")
_WINDOW = re.compile(r"var-window=(\w+)")
_WHOLE_WINDOWS = re.compile(r"\$\{window\}|\d+h")
"""Shortest intervals of windows: one of them, or hours, which are some of each length."""
_HISTORIES = frozenset({"timeseries", "state-timeline"})


class Leaf(NamedTuple):
    """What reads a measurement: policy, measurement, and the bounds of its condition."""

    policy: str
    measurement: str
    filtered: bool
    age_s: int | None


def leaves(query: str) -> list[Leaf]:
    """Each measurement that a query reads, with how it is bounded in time."""
    found = []
    for sources, condition in _LEAF.findall(query):
        ages = [int(number) * _SECONDS[unit] for number, unit in _AGE.findall(condition)]
        for policy, measurement in _SOURCE.findall(sources):
            bound = min(ages) if ages else None
            found.append(Leaf(policy, measurement, "$timeFilter" in condition, bound))
    return found


def check_queries(board: Json, _boards: Boards) -> Iterator[Finding]:
    """Every query of panels and annotations, and the ranges that the board offers."""
    longest_s = max(seconds for seconds, _ in ranges(board))
    for panel, query in all_queries(board):
        if query.startswith("SHOW "):
            continue
        reads = leaves(query)
        if not reads:
            yield finding(board, panel, "policy", "reads no measurement of a named policy")
        for leaf in reads:
            for text in _unfit(leaf, longest_s):
                yield finding(board, panel, "policy", text)
            if not leaf.filtered and leaf.age_s is None:
                text = f"asks {leaf.measurement} without a bound in time"
                yield finding(board, panel, "bounded", text)
    yield from _check_windows(board)
    for panel in data_panels(board):
        if panel["type"] in _HISTORIES:
            yield from _check_history(board, panel)


def _check_windows(board: Json) -> Iterator[Finding]:
    for seconds, window in ranges(board):
        if window is None:
            continue
        keep_s = POLICIES[POLICY_OF_WINDOW[window]].keep_s
        if keep_s is not None and seconds > keep_s:
            text = (
                f"offers {seconds // 86_400} days of {window} windows, which are not kept so long"
            )
            yield finding(board, None, "policy", text)


def _check_history(board: Json, panel: Json) -> Iterator[Finding]:
    for target in influx_targets(panel):
        if "time($__interval)" not in target["query"]:
            yield finding(board, panel, "interval", "a history that is not grouped by $__interval")
        windowed = _WINDOWED in target["query"]
        if windowed and not _WHOLE_WINDOWS.fullmatch(str(panel.get("interval"))):
            text = "its shortest interval is not the window that it reads"
            yield finding(board, panel, "interval", text)
    if not panel.get("interval") or not panel.get("maxDataPoints"):
        yield finding(board, panel, "interval", "has no shortest interval, or no limit of points")


def _unfit(leaf: Leaf, longest_s: int) -> Iterator[str]:
    """What is wrong with where a measurement is read, and how far back."""
    policy = leaf.policy.removeprefix("r") if leaf.policy != "raw" else "raw"
    known = {**POLICY_OF_MEASUREMENT, **dict.fromkeys(READING_STRUCTS, "raw")}
    if policy == _WINDOWED:
        if not leaf.measurement.endswith(f"_{_WINDOWED}"):
            yield f"{leaf.measurement} is not of the window that the policy is of"
        return
    expected = known.get(leaf.measurement)
    if expected is None and policy in POLICY_OF_WINDOW:
        expected = leaf.policy if leaf.measurement.endswith(f"_{policy}") else None
    if expected != leaf.policy:
        yield f"{leaf.measurement} does not lie in the policy {leaf.policy}"
        return
    keep_s = POLICIES[leaf.policy].keep_s
    reach_s = min(
        [longest_s] * leaf.filtered + ([leaf.age_s] if leaf.age_s is not None else []), default=0
    )
    if keep_s is not None and reach_s > keep_s:
        yield (
            f"asks {leaf.policy}.{leaf.measurement} over {reach_s // 86_400} days; "
            f"it is kept for {keep_s // 86_400}"
        )


def ranges(board: Json) -> list[tuple[int, str | None]]:
    """The ranges in s that a board opens with and links to, with their windows."""
    windows = {
        variable["name"]: variable["current"]["value"]
        for variable in variables(board)
        if variable["type"] == "custom"
    }
    found = [(_range_s(board["time"]["from"]), windows.get("window"))]
    for link in board.get("links", ()):
        if link["type"] == "link":
            window = _WINDOW.search(link["url"])
            found.append((_range_s(link["url"]), window[1] if window else None))
    return found


def _range_s(text: str) -> int:
    match = _FROM.search(text)
    return int(match[1]) * _SECONDS[match[2]] if match else 0
