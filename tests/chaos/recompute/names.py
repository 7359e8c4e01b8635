"""Which names of readings a device has used, as far back as the contract remembers them."""

from __future__ import annotations

from copy import copy
from math import inf
from typing import Literal

from tests.chaos.recompute.contract import DAY_MS, LEAP_MAX, MAX_BOOTS, MAX_INTERVALS

Verdict = Literal["new", "duplicate", "unprovable", "reset"]


class Names:
    """The names of one device: a set of seq numbers for each of its last boots.

    Of the oldest boot the lowest numbers are forgotten first, so that no more runs of numbers
    are remembered than may be: names at or below what was forgotten prove nothing.
    """

    def __init__(self) -> None:
        self._seen: dict[int, set[int]] = {}
        self._runs: dict[int, int] = {}
        self._forgotten_seq: dict[int, int] = {}
        self._forgotten_boot = -1
        self._newest_ms = {True: -inf, False: -inf}
        self._former: Names | None = None

    def is_former(self, boot: int, seq: int, ts_ms: int, *, believed: bool) -> bool:
        """Whether a reading is of the generation that the last reset of the counters ended.

        What is newer than all of that generation is not; what is not newer than its times of
        the same sort is. Between the two a believed reading may be one of then, sent again, or
        one of a clock that was put right.
        """
        former = self._former
        if former is None or former._newer(ts_ms, believed):
            return False
        if not believed or ts_ms <= former._newest_ms[True]:
            return True
        top = max(self._seen.get(boot, ()), default=None)
        if top is not None and self._forgotten_seq.get(boot, -1) < seq <= top:
            return False
        believed_since = self._newest_ms[True] > former._newest_ms[True]
        follows = top is not None and top < seq <= top + LEAP_MAX
        return ts_ms <= self._newest_ms[True] or not (believed_since or follows)

    def judge(self, boot: int, seq: int, ts_ms: int, *, believed: bool) -> Verdict:
        """Judge a reading's name and remember it.

        A known name is new again (the counters were reset) where its time is newer than all
        before. Believed times are compared with believed ones, and the others with one another;
        with all of them where the newest of the other sort is less than a day away. What is of
        before the last reset is judged by the names of that time.
        """
        if self._former is not None and self.is_former(boot, seq, ts_ms, believed=believed):
            return self._former._remember(boot, seq)
        newer = self._newer(ts_ms, believed)
        verdict = self._remember(boot, seq)
        if verdict == "duplicate" and newer:
            self._former = copy(self)
            self._former._newest_ms = dict(self._newest_ms)
            self._seen, self._runs, self._forgotten_seq = {}, {}, {}
            self._forgotten_boot = -1
            self._remember(boot, seq)
            verdict = "reset"
        self._newest_ms[believed] = max(self._newest_ms[believed], ts_ms)
        return verdict

    def _newer(self, ts_ms: int, believed: bool) -> bool:
        other_ms = self._newest_ms[not believed]
        newer = ts_ms > self._newest_ms[believed]
        if abs(other_ms - ts_ms) < DAY_MS:
            newer = newer and ts_ms > other_ms
        return newer

    def _remember(self, boot: int, seq: int) -> Verdict:
        if boot not in self._seen:
            if boot <= self._forgotten_boot:
                return "unprovable"
            self._seen[boot], self._runs[boot] = set(), 0
        seen = self._seen[boot]
        if seq <= self._forgotten_seq.get(boot, -1):
            return "unprovable"
        if seq in seen:
            return "duplicate"
        self._runs[boot] += 1 - (seq - 1 in seen) - (seq + 1 in seen)
        seen.add(seq)
        if len(self._seen) > MAX_BOOTS:
            self._forget_oldest_boot()
        while sum(self._runs.values()) > MAX_INTERVALS:
            self._forget_lowest_run()
        return "new"

    def _forget_oldest_boot(self) -> None:
        oldest = min(self._seen)
        del self._seen[oldest], self._runs[oldest]
        self._forgotten_seq.pop(oldest, None)
        self._forgotten_boot = max(self._forgotten_boot, oldest)

    def _forget_lowest_run(self) -> None:
        oldest = min(self._seen)
        if self._runs[oldest] == 1 and len(self._seen) > 1:
            self._forget_oldest_boot()
            return
        seen = self._seen[oldest]
        seq = min(seen)
        while seq in seen:
            seen.remove(seq)
            self._forgotten_seq[oldest] = seq
            seq += 1
        self._runs[oldest] -= 1
