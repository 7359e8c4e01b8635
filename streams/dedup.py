"""Which readings of a device have been seen: the seq intervals of its last boots.

(boot, seq) names a reading within its device. The common reading continues the newest
interval: the fold notes that itself, with two comparisons, and tells this memory later
(`SeenMemory.run_to`). Everything else goes through a sorted list of intervals.
"""

from __future__ import annotations

from bisect import bisect_right
from copy import copy
from enum import IntEnum
from typing import Any, Final

MAX_BOOTS: Final = 8
MAX_INTERVALS: Final = 256
MISSING_AFTER_MS: Final = 600_000
COMPARABLE_MS: Final = 86_400_000
LEAP_MAX: Final = 100
"""A seq that is no more above the highest of its boot goes on with it, though some are missing."""
NEVER_MS: Final = -(2**63)

_LO, _HI, _SINCE = 0, 1, 2


class Verdict(IntEnum):
    """What a reading's name says about it."""

    NEW = 0
    DUPLICATE = 1
    UNPROVABLE = 2
    """Its name is beyond the memory; it is accepted, and counted."""
    RESET = 3
    """Its name is known but its time is new: the device's counters began again."""


class SeenMemory:
    """The names of a device's readings: at most 8 boots and 256 intervals of seq a generation.

    An interval is ``[lo, hi, since]``, both ends included; ``since`` is the log's clock in ms
    when the gap below it appeared.

    ``before`` is the memory as it was when the counters were reset last, None where they never
    were. What is not newer than all that it heard is of that generation and judged by its names,
    so that a reading delivered again after the reset is no new one.
    """

    __slots__ = (
        "before",
        "boots",
        "current",
        "current_boot",
        "evicted",
        "floors",
        "newest_ms",
        "newest_unbelieved_ms",
        "whole",
    )

    def __init__(self) -> None:
        """Begin with no name known."""
        self.before: SeenMemory | None = None
        self.newest_ms = NEVER_MS
        self.newest_unbelieved_ms = NEVER_MS
        self._forget_all()

    def _forget_all(self) -> None:
        self.boots: dict[int, list[list[int]]] = {}
        self.floors: dict[int, int] = {}
        self.whole: set[int] = set()
        self.evicted = -1
        self.current_boot = -1
        self.current: list[int] = []

    def see(
        self, boot: int, seq: int, ts_ms: int, now_ms: int, *, believed: bool = True
    ) -> Verdict:
        """Judge the reading (boot, seq) with the device's own ``ts_ms``, and remember it.

        ``believed`` says whether the bridge believed ``ts_ms``. Believed times are compared with
        believed ones and the others with one another, for a clock that once was wrong by far
        would hide every reset from then on. Times of both sorts are compared where they are
        less than a day apart: the same reading, sent again, may be believed by then.
        """
        generation = self.generation(boot, seq, ts_ms, believed=believed)
        if generation is not self:
            return generation.place(boot, seq, now_ms)
        verdict = self.place(boot, seq, now_ms)
        if verdict is Verdict.DUPLICATE and self.is_newest(ts_ms, believed=believed):
            self._begin_again(boot, seq, now_ms)
            verdict = Verdict.RESET
        if believed:
            self.newest_ms = max(self.newest_ms, ts_ms)
        else:
            self.newest_unbelieved_ms = max(self.newest_unbelieved_ms, ts_ms)
        return verdict

    def generation(self, boot: int, seq: int, ts_ms: int, *, believed: bool) -> SeenMemory:
        """The memory that knows a reading: this, or that of before the last reset.

        Its time says it. Where that is believed, and only the times of before that were not
        believed are newer, the device's clock may have been put right since, or this is a
        reading of before that is believed only now: then `_goes_on` says it.
        """
        before = self.before
        if before is None or before.is_newest(ts_ms, believed=believed):
            return self
        if believed and ts_ms > before.newest_ms and self._goes_on(boot, seq, ts_ms, before):
            return self
        return before

    def _goes_on(self, boot: int, seq: int, ts_ms: int, before: SeenMemory) -> bool:
        """Whether a believed reading goes on with what came since the reset."""
        intervals = self.boots.get(boot)
        above = None if intervals is None else seq - intervals[-1][_HI]
        if above is not None and above <= 0 and seq > self.floors.get(boot, -1):
            return True
        if ts_ms <= self.newest_ms:
            return False
        clock_is_proved = self.newest_ms > before.newest_ms
        return clock_is_proved or (above is not None and 0 < above <= LEAP_MAX)

    def is_newest(self, ts_ms: int, *, believed: bool) -> bool:
        """Whether ``ts_ms`` is newer than all that this generation heard."""
        newest, other = self.newest_ms, self.newest_unbelieved_ms
        if not believed:
            newest, other = other, newest
        comparable = abs(other - ts_ms) < COMPARABLE_MS
        return ts_ms > (max(newest, other) if comparable else newest)

    @property
    def reset_ms(self) -> int:
        """Whatever is newer than this is surely from after the last reset."""
        if self.before is None:
            return NEVER_MS
        return max(self.before.newest_ms, self.before.newest_unbelieved_ms)

    @property
    def next_seq(self) -> int:
        """The seq that would continue the newest interval of the current boot."""
        return self.current[_HI] + 1 if self.current_boot >= 0 else 0

    def run_to(self, next_seq: int, newest_ms: int) -> None:
        """The current boot's newest interval was continued up to before ``next_seq``."""
        if self.current_boot >= 0:
            self.current[_HI] = next_seq - 1
        self.newest_ms = newest_ms

    def _begin_again(self, boot: int, seq: int, now_ms: int) -> None:
        before = copy(self)
        before.before = None
        self.before = before
        self._forget_all()
        self.place(boot, seq, now_ms)

    def place(self, boot: int, seq: int, now_ms: int) -> Verdict:
        """Judge a reading of this generation by its name alone, and remember it."""
        intervals = self.boots.get(boot)
        if intervals is None:
            if boot <= self.evicted:
                return Verdict.UNPROVABLE
            return self._new_boot(boot, seq, now_ms)
        if seq <= self.floors.get(boot, -1):
            return Verdict.UNPROVABLE
        verdict = self._insert(intervals, seq, now_ms)
        if verdict is Verdict.NEW and len(intervals) > 1:
            self._forget_beyond_limit()
        self._point_at(boot)
        return verdict

    def _new_boot(self, boot: int, seq: int, now_ms: int) -> Verdict:
        if self.boots and boot > min(self.boots):
            self.whole.add(boot)  # its beginning was there to be seen: what lacks is missing
        self.boots[boot] = [[seq, seq, now_ms]]
        if len(self.boots) > MAX_BOOTS:
            oldest = min(self.boots)
            self._forget_boot(oldest)
        self._forget_beyond_limit()
        self._point_at(boot)
        return Verdict.NEW

    def _insert(self, intervals: list[list[int]], seq: int, now_ms: int) -> Verdict:
        place = bisect_right(intervals, seq, key=lambda interval: interval[_LO])
        below = intervals[place - 1] if place else None
        above = intervals[place] if place < len(intervals) else None
        if below is not None and seq <= below[_HI]:
            return Verdict.DUPLICATE
        joins_below = below is not None and seq == below[_HI] + 1
        joins_above = above is not None and seq == above[_LO] - 1
        if joins_below and joins_above:
            below[_HI] = above[_HI]  # type: ignore[index]  # joins_* say both are there
            del intervals[place]
        elif joins_below:
            below[_HI] = seq  # type: ignore[index]  # as above
        elif joins_above:
            above[_LO] = seq  # type: ignore[index]  # as above
        else:
            intervals.insert(place, [seq, seq, now_ms])
            if above is not None:
                intervals[place][_SINCE] = above[_SINCE]  # both parts of the gap are as old
        return Verdict.NEW

    def _forget_beyond_limit(self) -> None:
        while sum(map(len, self.boots.values())) > MAX_INTERVALS:
            oldest = min(self.boots)
            intervals = self.boots[oldest]
            if len(intervals) == 1 and len(self.boots) > 1:
                self._forget_boot(oldest)
            else:
                self.floors[oldest] = intervals.pop(0)[_HI]
                self.whole.discard(oldest)

    def _forget_boot(self, boot: int) -> None:
        del self.boots[boot]
        self.floors.pop(boot, None)
        self.whole.discard(boot)
        self.evicted = max(self.evicted, boot)
        if boot == self.current_boot:
            self.current_boot = -1

    def _point_at(self, boot: int) -> None:
        if boot in self.boots:
            self.current_boot = boot
            self.current = self.boots[boot][-1]

    def missing(self, now_ms: int) -> int:
        """How many seq numbers lack in gaps that are older than ten minutes of log time."""
        lacking = 0
        for boot, intervals in self.boots.items():
            expected = 0 if boot in self.whole else intervals[0][_LO]
            for low, high, since in intervals:
                if low > expected and now_ms - since > MISSING_AFTER_MS:
                    lacking += low - expected
                expected = high + 1
        return lacking

    def snapshot(self) -> tuple[Any, ...]:
        """Everything remembered, as plain values for the state topic."""
        return (
            [
                (boot, intervals, self.floors.get(boot, -1), boot in self.whole)
                for boot, intervals in self.boots.items()
            ],
            self.evicted,
            self.newest_ms,
            self.newest_unbelieved_ms,
            self.current_boot,
            None if self.before is None else self.before.snapshot(),
        )

    @classmethod
    def restore(cls, saved: tuple[Any, ...]) -> SeenMemory:
        """The memory that `snapshot` gave."""
        memory = cls()
        (
            boots,
            memory.evicted,
            memory.newest_ms,
            memory.newest_unbelieved_ms,
            current,
            before,
        ) = saved
        memory.before = None if before is None else cls.restore(before)
        for boot, intervals, floor, whole in boots:
            memory.boots[boot] = [list(interval) for interval in intervals]
            if floor >= 0:
                memory.floors[boot] = floor
            if whole:
                memory.whole.add(boot)
        memory._point_at(current)
        return memory
