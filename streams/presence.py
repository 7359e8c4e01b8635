"""Whether a device is there: online, stale, offline or never seen.

A device is stale after three of its usual intervals without a word. The usual interval is the
median of its last 16 gaps, held between 10 s and 1 h; before it has spoken four times it is
unknown, and taken for 5 minutes: who was heard once and then no more must not look well for hours.
Gaps are measured on the log's active clock between moments at least a second apart, so an array
of readings that arrives at once is one word of the device, and an outage of ours is no gap. What
a replay of dead letters brings is no word of it at all.
"""

from __future__ import annotations

from statistics import median
from typing import Any, Final

from schemas.readings import Status
from schemas.records import DeviceStateName

USUAL_GAPS: Final = 16
STALE_AFTER_INTERVALS: Final = 3
MIN_INTERVAL_MS: Final = 10_000
MAX_INTERVAL_MS: Final = 3_600_000
UNKNOWN_INTERVAL_MS: Final = 300_000
MIN_READINGS: Final = 4
BURST_MS: Final = 1_000


class Presence:
    """A device's state, and the moments from which it follows (ms on the log's clock)."""

    __slots__ = (
        "boot",
        "expected_ms",
        "firmware",
        "gaps",
        "heard_active_ms",
        "heard_ms",
        "look_at_active_ms",
        "sampled_ms",
        "samples",
        "since_ms",
        "state",
        "told_last",
    )

    def __init__(self, now_ms: int, expected_ms: int | None = None) -> None:
        """A device that is expected but has not been seen; ``expected_ms`` is its interval."""
        self.state: DeviceStateName = "never_seen"
        self.since_ms = now_ms
        self.heard_ms: int | None = None
        self.heard_active_ms = 0
        self.sampled_ms = 0
        self.samples = 0
        # a reading before this moment of the active clock changes nothing here
        self.look_at_active_ms = -1
        self.gaps: list[int] = []
        self.boot = -1
        self.firmware: str | None = None
        self.expected_ms = expected_ms
        self.told_last: tuple[int, str, int] | None = None

    def heard(self, now_ms: int, active_ms: int) -> None:
        """A reading of the device came in: note the gap before it where it is a new burst."""
        gap = active_ms - self.sampled_ms
        if self.samples == 0 or gap >= BURST_MS:
            if self.samples:
                self.gaps.append(gap)
                if len(self.gaps) > USUAL_GAPS:
                    del self.gaps[0]
            self.samples += 1
            self.sampled_ms = active_ms
        if self.state == "online":
            self.look_at_active_ms = self.sampled_ms + BURST_MS
        self.spoke(now_ms, active_ms)

    def spoke(self, now_ms: int, active_ms: int) -> None:
        """Any word of the device came in."""
        self.heard_ms = now_ms
        self.heard_active_ms = active_ms

    def usual_interval_ms(self, speed: float = 1.0) -> int | None:
        """The usual interval, or None where it is not known yet."""
        if self.samples < MIN_READINGS:
            return self.expected_ms
        return int(min(max(median(self.gaps), MIN_INTERVAL_MS * speed), MAX_INTERVAL_MS * speed))

    def stale_at_active_ms(self, speed: float = 1.0) -> int | None:
        """When on the active clock silence makes it stale, or None where it cannot."""
        if self.state != "online":
            return None
        interval = self.usual_interval_ms(speed) or int(UNKNOWN_INTERVAL_MS * speed)
        return self.heard_active_ms + STALE_AFTER_INTERVALS * interval

    def becomes(self, state: DeviceStateName, now_ms: int) -> bool:
        """Enter ``state``; False where it is in it already."""
        if state == self.state:
            return False
        self.state = state
        self.since_ms = now_ms
        self.look_at_active_ms = -1
        return True

    def revived_by(self, event_ms: int) -> bool:
        """Whether a reading of ``event_ms`` shows the device to be there.

        After its last will, only what it said later does: the broker may still deliver what
        it said before.
        """
        return self.state != "offline" or event_ms > self.since_ms

    def told(self, status: Status, now_ms: int) -> bool:
        """Take in a status, in the order of the log; True where the state changed.

        The last one again is no word of the device: brokers give retained messages out at every
        subscription.
        """
        told = (status.boot, status.state, status.ts)
        if status.boot < self.boot or told == self.told_last:
            return False
        self.told_last = told
        self.boot = status.boot
        if status.firmware is not None:
            self.firmware = status.firmware
        return self.becomes(status.state, now_ms)

    def snapshot(self) -> tuple[Any, ...]:
        """As plain values."""
        return (
            self.state,
            self.since_ms,
            self.heard_ms,
            self.heard_active_ms,
            self.sampled_ms,
            self.samples,
            self.gaps,
            self.boot,
            self.firmware,
            self.expected_ms,
            self.told_last,
        )

    @classmethod
    def restore(cls, saved: tuple[Any, ...]) -> Presence:
        """The presence that `snapshot` gave."""
        made = cls(0)
        (
            made.state,
            made.since_ms,
            made.heard_ms,
            made.heard_active_ms,
            made.sampled_ms,
            made.samples,
            gaps,
            made.boot,
            made.firmware,
            made.expected_ms,
            told_last,
        ) = saved
        made.gaps = list(gaps)
        made.told_last = None if told_last is None else tuple(told_last)
        return made
