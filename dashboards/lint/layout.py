"""Panels say what they show, have ids of their own, and don't lie over each other."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from dashboards.lint.findings import Boards, Finding, Json, data_panels, finding

_COLUMNS = 24


def check_layout(board: Json, _boards: Boards) -> Iterator[Finding]:
    """What each panel says of itself, and how they lie."""
    yield from _check_words(board)
    yield from _check_places(board)


def _check_words(board: Json) -> Iterator[Finding]:
    panels = [panel for panel in board["panels"] if panel["type"] != "row"]
    for panel in panels:
        if not panel.get("description"):
            yield finding(board, panel, "description", "says nothing of what it shows")
    for panel in data_panels(board):
        if not panel.get("fieldConfig", {}).get("defaults", {}).get("unit"):
            yield finding(board, panel, "unit", "has no unit; an amount without one is none")
        if panel.get("options", {}).get("legend", {}).get("calcs"):
            text = "its legend shows a figure of a history as if it were current"
            yield finding(board, panel, "legend", text)


def _check_places(board: Json) -> Iterator[Finding]:
    ids = [panel["id"] for panel in board["panels"]]
    if len(set(ids)) < len(ids):
        yield finding(board, None, "ids", "two panels have the same id")
    for panel in board["panels"]:
        place = panel["gridPos"]
        if place["x"] + place["w"] > _COLUMNS:
            yield finding(board, panel, "grid", "is wider than the board")
    for one, other in combinations(board["panels"], 2):
        if _overlap(one["gridPos"], other["gridPos"]):
            yield finding(board, one, "grid", f"lies over panel {other['id']}")


def _overlap(one: Json, other: Json) -> bool:
    apart_x = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
    apart_y = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
    return not (apart_x or apart_y)
