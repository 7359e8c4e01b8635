"""What happens at set moments of a local day: passages, tickets, announcements."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from infra.simulator.local_time import local_day

NEVER_MS: Final = 2**62


class Event(NamedTuple):
    """One reading that is due at ``ts_ms``; ``fields`` as JSON without braces."""

    ts_ms: int
    type: str
    fields: str


class DayPlan:
    """The events of one device, planned day by day; every event is given out once."""

    def __init__(self, plan: Callable[[int], Sequence[Event]]) -> None:
        """``plan`` gives the events of a local day in the order of their times."""
        self._plan = plan
        self._day = -1
        self._events: Sequence[Event] = ()
        self._place = 0

    def begin(self, ts_ms: int) -> None:
        """Leave out what is before ``ts_ms``."""
        self._take(local_day(ts_ms))
        self._place = bisect_right(self._events, ts_ms, key=lambda event: event.ts_ms)

    def next_ms(self) -> int:
        """When the next event is due; `NEVER_MS` where the day has no more (see `turn`)."""
        return self._events[self._place].ts_ms if self._place < len(self._events) else NEVER_MS

    def turn(self, day: int) -> None:
        """A new local day has begun."""
        if day != self._day:
            self._take(day)

    def pop(self) -> Event:
        """The next event."""
        event = self._events[self._place]
        self._place += 1
        return event

    def around(self, ts_ms: int, span_ms: int) -> int:
        """How many events are within ``span_ms`` before and after a moment of the day."""
        events = self._events
        first = bisect_right(events, ts_ms - span_ms, key=lambda event: event.ts_ms)
        return bisect_right(events, ts_ms + span_ms, key=lambda event: event.ts_ms) - first

    def _take(self, day: int) -> None:
        self._day = day
        self._events = self._plan(day)
        self._place = 0
