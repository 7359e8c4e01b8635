"""Links lead to a board that is there, and carry the variables that it has."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dashboards.lint.findings import Boards, Finding, Json, finding, variables
from dashboards.lint.queries import ranges
from dashboards.lint.variables import defined
from schemas.measurements import POLICIES, POLICY_OF_WINDOW

WINDOW = "window"
_BOARD = re.compile(r"^/d/([a-z0-9-]+)\?(.*)$")
_SET = re.compile(r"var-(\w+)=")
_CARRIED = re.compile(r"\$\{(\w+):queryparam\}")
_READ = re.compile(r"\$\{(\w+)(?::\w+)?\}")
_FIXED = re.compile(r"var-window=(\w+)")
_COLUMN = re.compile(r"\$\{__data\.fields\.(\w+)\}")


def check_links(board: Json, boards: Boards) -> Iterator[Finding]:
    """The board's own links, and those of rows in its tables."""
    for link in board.get("links", ()):
        if link["type"] == "dashboards":
            yield from _check_menu(board, link, boards)
        else:
            yield from _check_url(board, None, link["url"], boards)
    for panel in board["panels"]:
        for override in panel.get("fieldConfig", {}).get("overrides", ()):
            for look in override["properties"]:
                if look["id"] == "links":
                    for link in look["value"]:
                        yield from _check_url(board, panel, link["url"], boards)
                        yield from _check_columns(board, panel, link["url"])


def _check_menu(board: Json, link: Json, boards: Boards) -> Iterator[Finding]:
    if not any(set(link["tags"]) <= set(other["tags"]) for other in boards.values()):
        yield finding(board, None, "link", f"no board has the tags of '{link['title']}'")
    if not (link["includeVars"] and link["keepTime"]):
        yield finding(board, None, "link", f"'{link['title']}' drops variables or time range")
    if WINDOW not in defined(board):
        for other in boards.values():
            yield from _check_carried(board, other)


def _check_carried(board: Json, other: Json) -> Iterator[Finding]:
    """A board without windows carries its range to one with them, which takes its own."""
    longest_s = max(seconds for seconds, _ in ranges(board))
    for seconds, window in ranges(other)[:1]:
        keep_s = POLICIES[POLICY_OF_WINDOW[window]].keep_s if window else None
        if keep_s is not None and max(seconds, longest_s) > keep_s:
            text = (
                f"its menu carries {longest_s // 86_400} days to {other['uid']}, which opens with "
                f"{window} windows, not kept so long"
            )
            yield finding(board, None, "link-window", text)


def _check_url(board: Json, panel: Json | None, url: str, boards: Boards) -> Iterator[Finding]:
    match = _BOARD.match(url)
    if match is None or match[1] not in boards:
        yield finding(board, panel, "link", f"{url} leads to no board")
        return
    wanted = defined(boards[match[1]])
    given = {*_SET.findall(match[2]), *_CARRIED.findall(match[2])}
    if given - wanted:
        text = f"{url} passes what {match[1]} has not: {', '.join(sorted(given - wanted))}"
        yield finding(board, panel, "link-variables", text)
    # a row may leave a choice of many open, but never a single one, nor the window
    needed = {
        variable["name"]
        for variable in variables(boards[match[1]])
        if panel is None or not variable.get("multi")
    }
    if needed - given:
        text = f"{url} does not pass {', '.join(sorted(needed - given))} to {match[1]}"
        yield finding(board, panel, "link-variables", text)
    for name in _READ.findall(match[2]):
        if not name.startswith("__") and name not in defined(board):
            yield finding(board, panel, "link-variables", f"{url} reads ${{{name}}}, not there")
    yield from _check_window(board, panel, url)
    if "${__url_time_range}" not in url and "from=" not in url:
        yield finding(board, panel, "link-time", f"{url} carries no time range")


def _check_window(board: Json, panel: Json | None, url: str) -> Iterator[Finding]:
    """A fixed window in a link that carries the range fits every range of its board."""
    window = _FIXED.search(url)
    if window is None or "${__url_time_range}" not in url:
        return
    keep_s = POLICIES[POLICY_OF_WINDOW[window[1]]].keep_s
    if keep_s is not None and max(seconds for seconds, _ in ranges(board)) > keep_s:
        text = f"{url} carries ranges for which {window[1]} windows are not kept"
        yield finding(board, panel, "link-window", text)


def _check_columns(board: Json, panel: Json, url: str) -> Iterator[Finding]:
    queries = " ".join(target.get("query", "") for target in panel["targets"])
    for column in _COLUMN.findall(url):
        if f'"{column}"' not in queries:
            yield finding(
                board, panel, "link-column", f"{url} reads the column {column}, not there"
            )
