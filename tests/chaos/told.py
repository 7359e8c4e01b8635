"""What the chat was told, against the alerts' lives."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from tests.chaos.recompute import Change

MARK = "possible repeat"
"""Begins the last line of a message that may have been told before."""


class Told(NamedTuple):
    """``wrong`` in sentences; how many ``messages`` there were, and ``repeats`` among them."""

    wrong: list[str]
    messages: int
    repeats: int


def must_be_told(alerts: Mapping[str, list[Change]]) -> Iterator[str]:
    """Ids of the messages: each firing, and each resolving of what has fired."""
    for name, life in alerts.items():
        fired = False
        for change in life:
            if change.state == "firing" or (change.state == "resolved" and fired):
                yield f"{name}:{change.state}:{change.ordinal}"
            fired = change.state == "firing"


def compare_told(alerts: Mapping[str, list[Change]], file: Path) -> Told:
    """Each message once; again only where it says that it may be a repeat."""
    wanted = dict.fromkeys(must_be_told(alerts), 0)
    wrong: list[str] = []
    repeats = messages = 0
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    for line in text.splitlines():
        messages += 1
        try:
            message = json.loads(line)
        except json.JSONDecodeError:
            wrong.append(f"a line of the chat is torn: {line[:80]}")
            continue
        name = message["id"]
        if name not in wanted:
            wrong.append(f"{name} should not have been told")
            continue
        wanted[name] += 1
        if wanted[name] > 1:
            repeats += 1
            if not message["body"].splitlines()[-1].startswith(MARK):
                wrong.append(f"{name} was told {wanted[name]} times without saying so")
    wrong += [f"{name} was never told" for name, times in wanted.items() if not times]
    return Told(wrong, messages, repeats)
