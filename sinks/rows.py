"""From a Kafka record to rows of line protocol, by retention policy (pure)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec

from schemas.deadletters import EXPLAINED, Reason
from schemas.envelope import Line, decode_envelope, decode_line
from schemas.lineprotocol import alert_row, device_row, reading_rows, rollup_row, simulated_row
from schemas.measurements import DEFAULT_POLICY, POLICIES, POLICY_OF_MEASUREMENT, POLICY_OF_WINDOW
from schemas.readings import READING_STRUCTS, Reading
from schemas.records import Rollup, WorkerProgress, decode_alert, decode_device, decode_rollup
from schemas.topics import ALERTS, DEVICES, ROLLUPS, TELEMETRY

SOURCE_TOPICS: Final = (TELEMETRY, ROLLUPS, ALERTS, DEVICES)
"""The topics whose records become rows."""

LATE_MS: Final = 60_000
"""A reading older than this when the bridge received it is late: its age says nothing of us."""

_Made = list[tuple[str, int, str]] | WorkerProgress
"""Retention policy, time in ms and row: the row of a record, after it what that row marks; or
how far the worker was."""
_UNDECODABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


Name = tuple[str, str, int, int, int]
"""Site, device, boot, seq, ts: what names a reading and its device's word on when it was."""


class FirstTime(NamedTuple):
    """At which receive time (ms) a reading whose clock was not believed stands."""

    name: Name
    at_ms: int


class Letter(NamedTuple):
    """Input that cannot become a row: its bytes, the reason code, and a sentence."""

    value: bytes
    reason: Reason
    detail: str


@dataclass(slots=True)
class Rows:
    """What one record came to: ``rows by policy + expired + letters = received``.

    ``received`` counts what should be a row: readings of an envelope, or the record itself, and
    the mark of a simulated device.
    ``rx_us`` is the bridge's receive time of the first reading, None where there is none;
    ``event_ms`` is that reading's own time, None where it is late or not believed.
    ``progress`` is how far the worker was: it becomes a row later (`sinks.liveness`).
    """

    by_policy: dict[str, list[str]] = field(default_factory=dict)
    received: int = 0
    expired: int = 0
    letters: list[Letter] = field(default_factory=list)
    rx_us: int | None = None
    event_ms: int | None = None
    progress: WorkerProgress | None = None


class RowMaker:
    """Makes rows of records; remembers the first receive time of readings of wrong clocks.

    A reading whose device's clock was not believed stands at its receive time, which differs
    each time the device sends it. The first one is kept for the last ``remembered`` such
    readings, so that a repeated one overwrites its row instead of making another; also where
    the clock is believed by then, so that the line holds no receive time any more.
    """

    def __init__(self, remembered: int) -> None:
        self._remembered = remembered
        self._first_at: OrderedDict[Name, int] = OrderedDict()

    def recall(self, written: Iterable[FirstTime]) -> None:
        """Remember what has been written, too: by this process before it began, or by others.

        Of two rows of a reading the earlier one was the first; what is remembered already stays.
        Where it is too much, the newest are kept.
        """
        known: dict[Name, int] = {}
        for name, at_ms in written:
            known[name] = min(at_ms, known.get(name, at_ms))
        if known.keys() <= self._first_at.keys():
            return
        known |= self._first_at
        by_age = sorted(known.items(), key=lambda one: one[1])
        self._first_at = OrderedDict(by_age[-self._remembered :])

    def rows(self, topic: str, value: bytes | None, now_ms: int) -> Rows:
        """The rows of a record of one of `SOURCE_TOPICS`; a tick or a tombstone gives none."""
        if not value:
            return Rows()
        if topic == TELEMETRY:
            return self._readings(value, now_ms)
        try:
            made = _ROW_OF[topic](value)
        except _UNDECODABLE:
            return Rows(received=1, letters=[_letter(value)])
        if isinstance(made, WorkerProgress):
            return Rows(progress=made)
        rows = Rows(received=len(made))
        for policy, at_ms, row in made:
            if at_ms < horizon_ms(policy, now_ms):
                rows.expired += 1
            else:
                rows.by_policy.setdefault(policy, []).append(row)
        return rows

    def _readings(self, value: bytes, now_ms: int) -> Rows:
        made = Rows()
        try:
            lines = decode_envelope(value)
        except _UNDECODABLE:
            lines = _lines_one_by_one(value, made.letters)
            made.received = len(made.letters)
        oldest_ms = horizon_ms(DEFAULT_POLICY, now_ms)
        fresh = []
        for line in lines:
            reading = line.reading
            if reading is None:
                continue
            made.received += 1
            if line.at is not None or self._first_at:
                line = self._with_first_at(line, reading)  # noqa: PLW2901  # the same reading
            if (reading.ts if line.at is None else line.at) < oldest_ms:
                made.expired += 1
                continue
            fresh.append(line)
        if fresh:
            made.by_policy[DEFAULT_POLICY] = reading_rows(fresh)
            made.rx_us = fresh[0].rx
            made.event_ms = _event_ms(fresh[0])
        return made

    def _with_first_at(self, line: Line, reading: Reading) -> Line:
        name = (line.site, line.device, reading.boot, reading.seq, reading.ts)
        first = self._first_at.get(name)
        if first is None:
            if line.at is None:
                return line
            if len(self._first_at) >= self._remembered:
                self._first_at.popitem(last=False)
            self._first_at[name] = line.at
            return line
        self._first_at.move_to_end(name)
        return line if first == line.at else msgspec.structs.replace(line, at=first)


def _lines_one_by_one(value: bytes, letters: list[Letter]) -> list[Line]:
    """The lines that can be read; each other one becomes a letter."""
    lines = []
    for raw in value.split(b"\n"):
        if not raw:
            continue
        try:
            lines.append(decode_line(raw))
        except _UNDECODABLE:
            letters.append(_letter(raw))
    return lines


def _letter(value: bytes) -> Letter:
    return Letter(value, Reason.NOT_A_RECORD, EXPLAINED[Reason.NOT_A_RECORD])


def _event_ms(line: Line) -> int | None:
    reading = line.reading
    if reading is None or line.at is not None or line.rx // 1000 - reading.ts >= LATE_MS:
        return None
    return reading.ts


def horizon_ms(policy: str, now_ms: int) -> int:
    """The oldest time that the policy keeps. What expires on its way there the server counts."""
    keep_s = POLICIES[policy].keep_s
    return now_ms - keep_s * 1000 if keep_s is not None else -(2**63)


def _rollup(value: bytes) -> _Made:
    rollup = decode_rollup(value)
    if isinstance(rollup, WorkerProgress):
        return rollup
    if isinstance(rollup, Rollup) and rollup.type not in READING_STRUCTS:
        raise msgspec.ValidationError("its type is none that this program knows")
    return [(POLICY_OF_WINDOW[rollup.window], rollup.start, rollup_row(rollup))]


def _alert(value: bytes) -> _Made:
    alert = decode_alert(value)
    return [(POLICY_OF_MEASUREMENT["alert"], alert.at, alert_row(alert))]


def _device(value: bytes) -> _Made:
    record = decode_device(value)
    at_ms = record.since if record.at is None else record.at
    rows = [(POLICY_OF_MEASUREMENT["device_state"], at_ms, device_row(record))]
    mark = simulated_row(record)
    if mark is not None:
        rows.append((POLICY_OF_MEASUREMENT["simulated"], at_ms, mark))
    return rows


_ROW_OF: Final[dict[str, Callable[[bytes], _Made]]] = {
    ROLLUPS: _rollup,
    ALERTS: _alert,
    DEVICES: _device,
}
