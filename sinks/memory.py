"""The in-memory twin of the InfluxDB sink: the same promises, for tests without a server."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from schemas.measurements import POLICIES
from sinks.contract import Rejected, Trouble, Written

_ROW: Final = re.compile(
    r"(?P<series>(?:\\.|[^\\ \n])+) (?P<fields>(?:[^\" \n]|\"(?:\\.|[^\"\\])*\")+) (?P<time>-?\d+)",
    re.DOTALL,
)
_FIELD: Final = re.compile(r"([^=,]+)=(\"(?:\\.|[^\"\\])*\"|[^,\"]+)(?:,|\Z)", re.DOTALL)
_BOOLEANS: Final = frozenset({"t", "T", "true", "True", "TRUE", "f", "F", "false", "False"})
_INTEGER: Final = re.compile(r"-?\d+i")
_FLOAT: Final = re.compile(r"[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?")

RowKey = tuple[str, str, int]
"""Retention policy, measurement with its tags, and timestamp in ns: what names a row."""


@dataclass
class ListSink:
    """Rows kept in a dictionary as InfluxDB keeps them: the same name again overwrites.

    ``now_ns`` gives the time that retention is judged by. While ``away`` is set, everything
    is kept for that reason.
    """

    now_ns: Callable[[], int]
    rows: dict[RowKey, dict[str, str]] = field(default_factory=dict)
    away: Trouble | None = None
    _types: dict[tuple[str, str, str], str] = field(default_factory=dict)

    async def write(self, policy: str, lines: Sequence[str]) -> Written:
        """Take the lines one by one; see `sinks.contract.Sink.write`."""
        if self.away:
            return Written(keep=list(lines), trouble=self.away)
        written = Written()
        for line in lines:
            self._take(policy, line, written)
        return written

    async def close(self) -> None:
        """Nothing to let go of."""

    def _take(self, policy: str, line: str, written: Written) -> None:
        parts = _ROW.fullmatch(line)
        fields = _fields(parts["fields"]) if parts else None
        if parts is None or not fields:
            written.rejected.append(Rejected(line, "InfluxDB cannot parse the line"))
            return
        keep_s = POLICIES[policy].keep_s
        time_ns = int(parts["time"])
        if keep_s is not None and time_ns < self.now_ns() - keep_s * 1_000_000_000:
            written.expired += 1
            return
        measurement = parts["series"].split(",", 1)[0]
        kinds = {(policy, measurement, name): _kind(text) for name, text in fields.items()}
        if any(self._types.get(key, kind) != kind for key, kind in kinds.items()):
            reason = "a field has another type in InfluxDB than in the schema"
            written.rejected.append(Rejected(line, reason))
            return
        self._types |= kinds
        self.rows.setdefault((policy, parts["series"], time_ns), {}).update(fields)
        written.accepted += 1


def _fields(text: str) -> dict[str, str] | None:
    fields = {}
    place = 0
    while place < len(text):
        found = _FIELD.match(text, place)
        if found is None or not _kind(found[2]):
            return None
        fields[found[1]] = found[2]
        place = found.end()
    return fields


def _kind(text: str) -> str:
    if text.startswith('"'):
        return "string"
    if text in _BOOLEANS:
        return "boolean"
    if _INTEGER.fullmatch(text):
        return "integer"
    return "float" if _FLOAT.fullmatch(text) else ""
