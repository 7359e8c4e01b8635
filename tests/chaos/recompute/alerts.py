"""Life cycles of alerts, each rule at each device by itself."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Literal, NamedTuple

from tests.chaos.recompute.contract import BEHIND_MS, LATENESS_MS, SPAN_MS
from tests.chaos.recompute.life import Accepted
from tests.chaos.recompute.moments import Moment
from tests.chaos.recompute.rules import Rule
from tests.chaos.recompute.sums import Window, grouped, summed

_BEFORE, _LOOK, _AFTER = range(3)
"""Within a record: windows close, then time runs out, then its lines are judged."""


class Change(NamedTuple):
    """One state change of an alert; ``at_ms`` on the log's clock."""

    state: Literal["pending", "firing", "resolved"]
    at_ms: int
    ordinal: int
    value: float


class Owner(NamedTuple):
    """Whose alert it is."""

    rule: str
    severity: str
    site: str
    device: str


class Judged(NamedTuple):
    """A value that a rule looks at, in the order of the log."""

    record: int
    step: int
    event_ms: int
    value: float


class Looks:
    """When time runs out: the moments of one partition at which silences and spans are looked at.

    The active clock never goes back, so they are found by it.
    """

    def __init__(self, moments: Sequence[Moment]) -> None:
        self.moments = moments
        self._looks = [moment for moment in moments if moment.looks]
        self._active_ms = [moment.active_ms for moment in self._looks]

    def since(self, active_ms: int) -> Iterator[Moment]:
        """Every look at or after a moment of the active clock."""
        for place in range(bisect_left(self._active_ms, active_ms), len(self._looks)):
            yield self._looks[place]


def alert_id(rule: Rule, site: str, device: str, started_ms: int) -> str:
    """An alert's id: 80 bits of SHA-256 of rule, device and start, in hex."""
    name = f"{rule.id}/{site}/{device}/{started_ms}"
    return sha256(name.encode()).hexdigest()[:20]


def silences(
    rule: Rule, readings: Sequence[Accepted], looks: Looks
) -> Iterator[tuple[int, Change]]:
    """(start in ms, change) of each silence after a live reading of the rule's type."""
    heard = sorted({one.record for one in readings if one.type == rule.type and one.live})
    for place, record in enumerate(heard):
        last = looks.moments[record]
        ended = heard[place + 1] if place + 1 < len(heard) else len(looks.moments)
        for moment in looks.since(last.active_ms + rule.for_ms):
            if moment.record > ended:
                break
            if moment.active_ms >= moment.hold_ms:
                silent_s = (moment.active_ms - last.active_ms) / 1000
                yield last.now_ms, Change("firing", moment.now_ms, 0, silent_s)
                if ended < len(looks.moments):
                    end = looks.moments[ended]
                    silent_s = (end.active_ms - last.active_ms) / 1000
                    yield last.now_ms, Change("resolved", end.now_ms, 1, silent_s)
                break


def of_readings(
    rule: Rule, readings: Sequence[Accepted], moments: Sequence[Moment]
) -> list[Judged]:
    """The values of a rule on readings; what is too far behind the clock is none."""
    return [
        Judged(one.record, _AFTER, one.event_ms, float(one.reading[rule.field]))
        for one in readings
        if one.type == rule.type
        and one.reading.get(rule.field) is not None
        and one.event_ms >= moments[one.record].now_ms - BEHIND_MS
    ]


def of_windows(rule: Rule, readings: Sequence[Accepted], moments: Sequence[Moment]) -> list[Judged]:
    """The values of a rule on windows: what each holds when it closes, judged at its end."""
    if rule.window is None:
        return []
    span = SPAN_MS[rule.window]
    in_time = [
        one
        for one in readings
        if one.type == rule.type
        and one.event_ms // span * span + span > moments[one.record].watermark_ms
    ]
    found = []
    groups = grouped(in_time, rule.window)
    for key in sorted(groups, key=lambda key: (key[-1], key)):
        end_ms = key[-1] + span
        value = _statistic(rule, summed(groups[key]))
        closing = bisect_left(moments, end_ms, key=lambda moment: moment.watermark_ms)
        if value is not None and closing < len(moments):
            found.append(Judged(closing, _BEFORE, end_ms, value))
    return found


def _statistic(rule: Rule, window: Window) -> float | None:
    if not rule.field:
        return float(window.count)
    stats = window.fields.get(rule.field)
    return None if stats is None else float(stats[rule.statistic])


class ValueLife:
    """One value rule at one device: ``changes`` with the start (event time, ms) of their alerts."""

    def __init__(self, rule: Rule, values: Sequence[Judged], looks: Looks) -> None:
        self.changes: list[tuple[int, Change]] = []
        self._rule = rule
        self._looks = looks
        self._state = "idle"
        self._started_ms: int | None = None
        self._due_active_ms = 0
        self._value = 0.0
        self._ordinal = 0
        newest_ms = -(2**63)
        for judged in values:
            if judged.event_ms >= newest_ms:  # an older one changes nothing
                newest_ms = judged.event_ms
                self._run_out(judged.record, judged.step)
                self._judge(judged, looks.moments[judged.record])
        self._run_out(len(looks.moments), _BEFORE)

    def _run_out(self, record: int, step: int) -> None:
        """Fire by the clock alone, where that is before this step of this record."""
        if self._state == "pending":
            moment = next(self._looks.since(self._due_active_ms), None)
            if moment is not None and (moment.record, _LOOK) < (record, step):
                self._change("firing", moment, self._value)

    def _judge(self, judged: Judged, moment: Moment) -> None:
        rule, value = self._rule, judged.value
        if not rule.meets(value):
            if self._state == "pending" or (self._state == "firing" and rule.clears(value)):
                self._change("resolved", moment, value)
        elif self._state == "pending":
            self._value = value
            if judged.event_ms - (self._started_ms or 0) >= rule.for_ms:
                self._change("firing", moment, value)
        elif self._state == "idle":
            self._begin(judged, moment)

    def _begin(self, judged: Judged, moment: Moment) -> None:
        last_ms = self.changes[-1][1].at_ms if self.changes else None
        if judged.event_ms != self._started_ms and moment.now_ms != last_ms:
            self._ordinal = 0  # else its rows would take the place of the last alert's
        self._started_ms = judged.event_ms
        self._value = judged.value
        self._due_active_ms = moment.active_ms + self._rule.for_ms + LATENESS_MS
        self._change("pending" if self._rule.for_ms else "firing", moment, judged.value)

    def _change(
        self, state: Literal["pending", "firing", "resolved"], moment: Moment, value: float
    ) -> None:
        self._state = "idle" if state == "resolved" else state
        change = Change(state, moment.now_ms, self._ordinal, value)
        self.changes.append((self._started_ms or 0, change))
        self._ordinal += 1
