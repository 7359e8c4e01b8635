"""The clock that a bridge or a simulator runs on: real, or simulated (``--clock``).

A simulated clock runs from START at SPEED. All processes of one run must agree on it, so its
full form names the real moment at which START was: ``START,SPEED,ANCHOR``; without an anchor
that moment is when the clock is made.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from schemas.errors import ClockError

NanosecondSource = Callable[[], int]


class Clock(Protocol):
    """Gives the time; ``speed`` is None for the real clock."""

    @property
    def speed(self) -> float | None:
        """Clock seconds per real second, or None where the clock is real."""

    def now_us(self) -> int:
        """µs since the Unix epoch."""


class RealClock:
    """The machine's clock, never running backwards within a process."""

    speed: float | None = None

    def __init__(self, *, wall_ns: NanosecondSource = time.time_ns) -> None:
        """Read the time from ``wall_ns``, in ns since the Unix epoch."""
        self._wall_ns = wall_ns
        self._last = 0

    def now_us(self) -> int:
        """µs since the Unix epoch; the last value again while the machine's clock steps back."""
        self._last = max(self._last, self._wall_ns() // 1000)
        return self._last


class SimulatedClock:
    """A clock that runs from ``start_us`` at ``speed``, from the real moment ``anchor_us`` on."""

    def __init__(
        self,
        start_us: int,
        speed: float,
        anchor_us: int,
        *,
        wall_ns: NanosecondSource = time.time_ns,
        monotonic_ns: NanosecondSource = time.monotonic_ns,
    ) -> None:
        """Take the three numbers that every process of a run must share.

        ``wall_ns`` is read once, to find how long ago the anchor was; from then on
        ``monotonic_ns`` alone moves the clock, so that it never steps.
        """
        self.start_us = start_us
        self.speed: float | None = speed
        self.anchor_us = anchor_us
        self._rate = speed
        self._monotonic_ns = monotonic_ns
        self._monotonic_us = monotonic_ns() // 1000
        self._ahead_us = wall_ns() // 1000 - anchor_us

    def now_us(self) -> int:
        """Simulated µs since the Unix epoch."""
        passed = self._monotonic_ns() // 1000 - self._monotonic_us + self._ahead_us
        return self.start_us + int(passed * self._rate)

    def __str__(self) -> str:
        """The full form of the setting, for a further process of the same run."""
        return f"{self.start_us / 1e6:.6f},{self._rate:.15g},{self.anchor_us / 1e6:.6f}"


_FORM = (
    "write START,SPEED or START,SPEED,ANCHOR: START and ANCHOR as 'now', an ISO 8601 time "
    "(UTC where it names no zone), or seconds since 1970; SPEED as a number above 0"
)


def parse_clock(
    text: str | None,
    *,
    wall_ns: NanosecondSource = time.time_ns,
    monotonic_ns: NanosecondSource = time.monotonic_ns,
) -> Clock:
    """The clock of a ``--clock`` setting; the real clock where there is none.

    Raises:
        ClockError: the text is not START,SPEED[,ANCHOR].
    """
    if not text:
        return RealClock(wall_ns=wall_ns)
    try:
        start, speed_text, *rest = (part.strip() for part in text.split(","))
        (anchor,) = rest or ["now"]
        speed = float(speed_text)
        now_us = wall_ns() // 1000
        start_us = _moment_us(start, now_us)
        anchor_us = _moment_us(anchor, now_us)
    except (ValueError, OverflowError) as exc:
        raise ClockError(f"clock '{text}' cannot be read; {_FORM}") from exc
    if not 0 < speed < float("inf"):
        raise ClockError(f"clock '{text}' has a speed of {speed_text}; {_FORM}")
    return SimulatedClock(start_us, speed, anchor_us, wall_ns=wall_ns, monotonic_ns=monotonic_ns)


def _moment_us(text: str, now_us: int) -> int:
    if text == "now":
        return now_us
    try:
        return round(float(text) * 1e6)
    except ValueError:
        moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1e6)
