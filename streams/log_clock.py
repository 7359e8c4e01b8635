"""The clock of one partition: the running maximum of its records' timestamps.

Nothing here reads the wall clock. The watermark trails the clock by the allowed lateness.
Spans that must not count our own outages (absence, staleness, a rule's ``for``) are measured
on ``active_ms``: the clock less the length of every outage so far.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

ALLOWED_LATENESS_MS: Final = 2_000
OUTAGE_GAP_MS: Final = 5_000
"""A longer gap between consecutive records is an outage of ours: a bridge ticks every second."""
ABSENCE_HOLD_MS: Final = 60_000
"""So long after an outage absences wait, for what the broker queued meanwhile to come in."""


class LogClock(Struct):
    """Where the log's time stands; all in ms, all a function of the records up to here.

    ``speed`` is that of the bridges' clock (1 unless simulated): spans that stand for real
    delays are multiplied by it. Windows that end at or before ``watermark_ms`` are closed; it
    never goes back, so that none is opened again when the speed rises.
    """

    now_ms: int = 0
    watermark_ms: int = 0
    outage_ms: int = 0
    absence_hold_ms: int = 0
    speed: float = 1.0

    @property
    def active_ms(self) -> int:
        """The clock without our outages."""
        return self.now_ms - self.outage_ms

    def advance(self, timestamp_ms: int, speed: float | None = None) -> int:
        """Take in the next record's timestamp; return the length of an outage before it, or 0.

        ``speed`` is given by the ticks of a bridge on a simulated clock.
        """
        if speed is not None:
            self.speed = speed
        gap = timestamp_ms - self.now_ms
        if gap <= 0:
            return 0
        outage = gap if self.now_ms and gap > OUTAGE_GAP_MS * self.speed else 0
        self.now_ms = timestamp_ms
        late_ms = int(ALLOWED_LATENESS_MS * self.speed)
        self.watermark_ms = max(self.watermark_ms, timestamp_ms - late_ms)
        if outage:
            self.outage_ms += outage
            # never earlier than before, whatever the speed is now: alerts may wait for it already
            hold_ms = self.active_ms + int(ABSENCE_HOLD_MS * self.speed)
            self.absence_hold_ms = max(self.absence_hold_ms, hold_ms)
        return outage
