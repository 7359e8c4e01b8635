"""Alerts: the state machines that turn judged values and silences into state changes.

Both are pure functions of their calls. Two times come in: ``clock_ms`` is the log's clock
(the running maximum of record timestamps), ``active_ms`` is that less the length of our own
outages so far, for the spans that must not count them. After `restore` of a `snapshot` the
same calls give the same alerts.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Final, NamedTuple

from schemas.records import Alert, AlertState
from streams.rules import AbsentRule, ValueRule
from streams.summaries import human_duration, human_number
from streams.transitions import Moment, transition

Snapshot = Sequence[int | float]
"""A state machine's whole state, in plain numbers."""

MAX_BEHIND_MS: Final = 60_000
"""A reading further behind the log's clock changes no alert."""
ALLOWED_LATENESS_MS: Final = 2000
"""How long the clock alone waits for a reading to say otherwise, beyond ``for``."""

ABSENT_FIELDS: Final = 3
"""Numbers in the snapshot of an absence; a value's has 1 or 7."""

_IDLE, _PENDING, _FIRING = range(3)
_NEVER: Final = -(2**63)


class On(NamedTuple):
    """An alert that is pending or firing, as its snapshot tells."""

    started_ms: int
    value: float
    next_ordinal: int
    fired: bool


def what_is_on(snapshot: Snapshot, active_ms: int) -> On | None:
    """What a snapshot holds of an alert that is on; None where it was idle.

    ``active_ms`` is the active clock of then, for how long a silence had lasted (s).
    """
    if len(snapshot) == ABSENT_FIELDS:
        clock_ms, heard_active_ms, firing = map(int, snapshot)
        return On(clock_ms, (active_ms - heard_active_ms) / 1000, 1, fired=True) if firing else None
    if len(snapshot) == 1 or snapshot[1] == _IDLE:
        return None
    _, state, started_ms, _, value, ordinal, _ = snapshot
    return On(int(started_ms), float(value), int(ordinal), fired=state == _FIRING)


class ValueAlert:
    """One value rule at one device, in event time.

    ``due_active_ms`` is when `elapse` has to be called (None while nothing is pending);
    ``skipped`` counts values that were too old to be judged, since this object was made.
    """

    __slots__ = (
        "_active_start_ms",
        "_behind_ms",
        "_changed_ms",
        "_device",
        "_high",
        "_last_ms",
        "_low",
        "_ordinal",
        "_rule",
        "_site",
        "_started_ms",
        "_state",
        "_value",
        "due_active_ms",
        "skipped",
    )

    def __init__(self, rule: ValueRule, site: str, device: str) -> None:
        """Begin with nothing judged."""
        self._rule = rule
        self._site = site
        self._device = device
        # What is within [low, high] doesn't meet the condition: one comparison in both directions
        self._low, self._high = (-inf, rule.limit) if rule.above else (rule.limit, inf)
        # A window is judged when it closes, and after an outage of ours that may be long past it
        self._behind_ms = MAX_BEHIND_MS if rule.window is None else 2**62
        self._last_ms = _NEVER
        self._state = _IDLE
        self._started_ms = _NEVER
        self._active_start_ms = 0
        self._value = 0.0
        self._ordinal = 0
        self._changed_ms = _NEVER
        self.due_active_ms: int | None = None
        self.skipped = 0

    @property
    def rule(self) -> ValueRule:
        """The rule that it judges by."""
        return self._rule

    @property
    def idle(self) -> bool:
        """Whether it is neither pending nor firing."""
        return self._state == _IDLE

    @property
    def last_ms(self) -> int:
        """Event time of the newest value judged."""
        return self._last_ms

    @property
    def calm_between(self) -> tuple[float, float]:
        """The values, both ends included, that leave an idle alert idle."""
        return self._low, self._high

    def judged_calm(self, event_ms: int) -> None:
        """Note that such a value of ``event_ms`` was judged while this was idle."""
        self._last_ms = max(self._last_ms, event_ms)

    def judge(
        self, value: float, event_ms: int, clock_ms: int, active_ms: int
    ) -> list[Alert] | None:
        """Judge one value of event time ``event_ms`` (a window's: its end).

        Returns the state change that it makes, or None. A value older than the last one
        judged, or a reading's more than a minute behind the clock, is skipped.
        """
        if event_ms < self._last_ms or event_ms < clock_ms - self._behind_ms:
            self.skipped += 1
            return None
        self._last_ms = event_ms
        if self._low <= value <= self._high:
            if self._state == _IDLE:
                return None
            return self._met_no_more(value, event_ms, clock_ms)
        if self._state == _FIRING:
            return None
        return self._met(value, event_ms, clock_ms, active_ms)

    def elapse(self, clock_ms: int, active_ms: int) -> list[Alert] | None:
        """Fire by the clock alone, once ``due_active_ms`` is reached and nothing said otherwise."""
        if self.due_active_ms is None or active_ms < self.due_active_ms:
            return None
        return self._change(
            _FIRING, "firing", self._value, clock_ms, active_ms - self._active_start_ms
        )

    def snapshot(self) -> Snapshot | None:
        """The state as plain numbers; None where nothing has been judged yet."""
        if self._last_ms == _NEVER:
            return None
        if self._changed_ms == _NEVER:
            return (self._last_ms,)
        return (
            self._last_ms,
            self._state,
            self._started_ms,
            self._active_start_ms,
            self._value,
            self._ordinal,
            self._changed_ms,
        )

    def restore(self, snapshot: Snapshot) -> None:
        """Continue from a `snapshot`; the rule may have been changed since."""
        self._last_ms = int(snapshot[0])
        if len(snapshot) == 1:
            return
        self._state, self._started_ms, self._active_start_ms = map(int, snapshot[1:4])
        self._value = float(snapshot[4])
        self._ordinal, self._changed_ms = map(int, snapshot[5:7])
        self._set_due()

    def _met(
        self, value: float, event_ms: int, clock_ms: int, active_ms: int
    ) -> list[Alert] | None:
        self._value = float(value)
        if self._state == _PENDING:
            held_ms = event_ms - self._started_ms
            if held_ms < self._rule.for_ms:
                return None
            return self._change(_FIRING, "firing", value, clock_ms, held_ms)
        if event_ms != self._started_ms and clock_ms != self._changed_ms:
            # Counted on in a second life of the same event time, which has the same id, and in
            # one of the same ms of the clock: its rows would take the place of the first one's
            self._ordinal = 0
        self._started_ms = event_ms
        self._active_start_ms = active_ms
        if self._rule.for_ms == 0:
            return self._change(_FIRING, "firing", value, clock_ms, 0)
        return self._change(_PENDING, "pending", value, clock_ms, 0)

    def _met_no_more(self, value: float, event_ms: int, clock_ms: int) -> list[Alert] | None:
        rule = self._rule
        if self._state == _FIRING and (value > rule.clear if rule.above else value < rule.clear):
            return None
        return self._change(_IDLE, "resolved", value, clock_ms, event_ms - self._started_ms)

    def _change(
        self, state: int, name: AlertState, value: float, clock_ms: int, since_ms: int
    ) -> list[Alert]:
        fired = _FIRING in (self._state, state)
        self._state = state
        self._set_due()
        self._changed_ms = clock_ms
        ordinal = self._ordinal
        self._ordinal += 1
        rule = self._rule
        alert = transition(
            rule,
            Moment(self._site, self._device, self._started_ms, clock_ms),
            name,
            ordinal=ordinal,
            value=float(value),
            limit=human_number(rule.limit),
            since_ms=since_ms,
            fired=fired,
        )
        return [alert]

    def _set_due(self) -> None:
        self.due_active_ms = (
            self._active_start_ms + self._rule.for_ms + ALLOWED_LATENESS_MS
            if self._state == _PENDING
            else None
        )


class AbsentAlert:
    """One absence rule at one device, by the log's clock less our outages.

    Armed by the device's first reading of the rule's type.
    """

    __slots__ = ("_active_ms", "_clock_ms", "_device", "_firing", "_rule", "_site")

    def __init__(self, rule: AbsentRule, site: str, device: str) -> None:
        """Begin with nothing heard."""
        self._rule = rule
        self._site = site
        self._device = device
        self._clock_ms = _NEVER
        self._active_ms = 0
        self._firing = False

    @property
    def rule(self) -> AbsentRule:
        """The rule that it judges by."""
        return self._rule

    @property
    def due_active_ms(self) -> int | None:
        """When the silence is long enough; None while nothing was heard, or it has fired."""
        if self._firing or self._clock_ms == _NEVER:
            return None
        return self._active_ms + self._rule.for_ms

    def heard(self, clock_ms: int, active_ms: int) -> list[Alert] | None:
        """Take note of a reading of the rule's type, however old it is; it ends the silence."""
        if self._firing:
            self._firing = False
            change = [self._alert("resolved", clock_ms, active_ms, ordinal=1)]
            self._clock_ms = clock_ms
            self._active_ms = active_ms
            return change
        self._clock_ms = clock_ms
        self._active_ms = active_ms
        return None

    def heard_again(self, clock_ms: int, active_ms: int) -> None:
        """Take note of a reading while a silence is awaited; nothing where none is.

        The silence is measured from the newest reading, so older notes change nothing.
        """
        if not self._firing and _NEVER != self._clock_ms < clock_ms:
            self._clock_ms = clock_ms
            self._active_ms = active_ms

    def elapse(
        self, clock_ms: int, active_ms: int, hold_until_active_ms: int
    ) -> list[Alert] | None:
        """Fire once the silence is long enough, but not before ``hold_until_active_ms``.

        That is the end of the time that the broker's queue gets to come in after an outage.
        """
        due_ms = self.due_active_ms
        if due_ms is None or active_ms < due_ms or active_ms < hold_until_active_ms:
            return None
        self._firing = True
        return [self._alert("firing", clock_ms, active_ms, ordinal=0)]

    def snapshot(self) -> Snapshot | None:
        """The state as plain numbers; None where nothing was heard yet."""
        if self._clock_ms == _NEVER:
            return None
        return (self._clock_ms, self._active_ms, int(self._firing))

    def restore(self, snapshot: Snapshot) -> None:
        """Continue from a `snapshot`; the rule may have been changed since."""
        self._clock_ms, self._active_ms = int(snapshot[0]), int(snapshot[1])
        self._firing = bool(snapshot[2])

    def _alert(self, state: AlertState, clock_ms: int, active_ms: int, *, ordinal: int) -> Alert:
        rule = self._rule
        silent_ms = active_ms - self._active_ms
        return transition(
            rule,
            Moment(self._site, self._device, self._clock_ms, clock_ms),
            state,
            ordinal=ordinal,
            value=silent_ms / 1000,
            limit=human_duration(rule.for_ms),
            since_ms=silent_ms,
            fired=True,
        )
