"""The simulated city's local time, and how busy the city is by it.

One fixed offset from UTC and no summer time; weeks begin on Monday.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Final, Literal

SECOND_MS: Final = 1_000
MINUTE_MS: Final = 60_000
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 86_400_000
OFFSET_MS: Final = 5 * HOUR_MS
"""Local time is UTC+5."""
MINUTES: Final = 1440
_THURSDAY: Final = 3
"""Weekday of 1 January 1970."""
SATURDAY: Final = 5
SUNDAY: Final = 6

Sort = Literal["people", "traffic"]

_HOURLY: Final[dict[tuple[Sort, str], tuple[float, ...]]] = {
    ("people", "work"): (
        0.02, 0.01, 0.01, 0.01, 0.02, 0.08, 0.30, 0.75, 1.00, 0.62, 0.42, 0.45,
        0.55, 0.58, 0.48, 0.52, 0.70, 0.92, 0.98, 0.70, 0.45, 0.28, 0.14, 0.05,
    ),
    ("people", "free"): (
        0.06, 0.04, 0.02, 0.01, 0.01, 0.03, 0.07, 0.14, 0.24, 0.36, 0.46, 0.54,
        0.60, 0.62, 0.60, 0.58, 0.56, 0.55, 0.52, 0.46, 0.38, 0.28, 0.18, 0.10,
    ),
    ("traffic", "work"): (
        0.08, 0.05, 0.04, 0.04, 0.06, 0.14, 0.42, 0.86, 1.00, 0.74, 0.58, 0.56,
        0.60, 0.62, 0.60, 0.66, 0.82, 0.98, 1.00, 0.74, 0.52, 0.38, 0.24, 0.14,
    ),
    ("traffic", "free"): (
        0.12, 0.08, 0.06, 0.05, 0.05, 0.07, 0.11, 0.18, 0.28, 0.40, 0.50, 0.56,
        0.60, 0.60, 0.58, 0.58, 0.60, 0.60, 0.56, 0.48, 0.40, 0.32, 0.24, 0.16,
    ),
}  # fmt: skip
"""How busy each hour is from its middle on, as a share of the busiest one."""


def local_day(ts_ms: int) -> int:
    """The local day of a moment, counted from 1 January 1970."""
    return (ts_ms + OFFSET_MS) // DAY_MS


def day_start_ms(day: int) -> int:
    """When a local day begins."""
    return day * DAY_MS - OFFSET_MS


def minute_of_day(ts_ms: int) -> int:
    """The local minute, 0 to 1439."""
    return (ts_ms + OFFSET_MS) % DAY_MS // MINUTE_MS


def weekday(day: int) -> int:
    """0 is Monday, 6 Sunday."""
    return (day + _THURSDAY) % 7


def day_of_year(day: int) -> int:
    """1 to 366."""
    return datetime.fromtimestamp(day * 86_400, UTC).timetuple().tm_yday


def day_stamp(day: int) -> str:
    """Month and day as four digits."""
    return datetime.fromtimestamp(day * 86_400, UTC).strftime("%m%d")


@cache
def _by_minute(sort: Sort, week_part: str) -> tuple[float, ...]:
    hourly = _HOURLY[sort, week_part]
    values = []
    for minute in range(MINUTES):
        hour, part = divmod((minute - 30) % MINUTES, 60)
        before, after = hourly[hour], hourly[(hour + 1) % 24]
        values.append(before + (after - before) * part / 60)
    return tuple(values)


def busy(sort: Sort, ts_ms: int) -> float:
    """How busy places (``people``) or streets (``traffic``) are, 0 to 1."""
    local = ts_ms + OFFSET_MS
    free = (local // DAY_MS + _THURSDAY) % 7 >= SATURDAY
    return _by_minute(sort, "free" if free else "work")[local % DAY_MS // MINUTE_MS]
