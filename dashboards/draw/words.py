"""Numbers, ages and moments as an operator reads them."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Final, NamedTuple

THIN: Final = "\u202f"
"""A narrow space that doesn't break: between thousands, and before a unit."""

_MINUTE_S: Final = 60
_HOUR_S: Final = 3600
_DAY_S: Final = 86_400
_DAYS: Final = {1: "a day", 7: "a week", 365: "a year"}
_FULL_PERCENT: Final = 100
_NEARLY_FULL_PERCENT: Final = 99
_PREFIXES: Final = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
_COUNTED: Final = frozenset(
    {"alerts", "announcements", "devices", "people", "readings", "records", "tickets", "vehicles"}
)
_SECONDS: Final = ((1e-3, 1e6, "µs"), (1.0, 1e3, "ms"))


class Said(NamedTuple):
    """A value in words: its digits, and its unit (empty where it has none)."""

    digits: str
    unit: str

    def __str__(self) -> str:
        return f"{self.digits}{THIN}{self.unit}" if self.unit else self.digits


def say(value: float, unit: str = "", decimals: int | None = None) -> Said:
    """``1 234``, ``23.4 °C``, ``99.95 %``, ``84 ms``, ``1.2 MB``, as the unit asks for.

    ``unit`` is that of the schemas; ``1`` is a share and is said in per cent. Three or four
    digits tell enough where ``decimals`` is None. A percentage just under 100 is cut and not
    rounded, since 100 would be another thing.
    """
    if unit == "1":
        return say(value * _FULL_PERCENT, "%", decimals)
    if unit in ("s", "seconds") and decimals is None:
        return _duration(value)
    if unit in ("B", "B/s", "bit/s"):
        for size, prefix in _PREFIXES:
            if abs(value) >= size:
                return Said(_digits(value / size, None), prefix + unit)
    if unit == "%" and decimals is None and _NEARLY_FULL_PERCENT < value < _FULL_PERCENT:
        return Said(f"{math.floor(value * 100) / 100:.2f}", unit)
    return Said(_digits(value, decimals), unit)


def unit_words(unit: str) -> str:
    """A unit as an axis names it; nothing where the values say theirs."""
    return {"1": "%", "time": "", "s": ""}.get(unit, unit)


def is_counted(unit: str) -> bool:
    """Whether a unit only says what is counted, as ``devices``; a heading says that, too."""
    return unit in _COUNTED


def age(seconds: float) -> str:
    """``now``, ``42 s ago``, ``3 min 05 s ago``, ``2 h 07 min ago``, ``5 d 3 h ago``."""
    return "now" if seconds < 1 else f"{span(seconds)} ago"


def span(seconds: float) -> str:
    """A length of time: ``0.4 s``, ``42 s``, ``3 min 05 s``, ``2 h 07 min``, ``5 d 3 h``."""
    if seconds < 1:
        return f"{max(seconds, 0.0):.1f} s"
    whole = int(seconds)
    if whole < _MINUTE_S:
        return f"{whole} s"
    if whole < _HOUR_S:
        return _two(whole, _MINUTE_S, "min", whole % _MINUTE_S, "{:02d} s")
    if whole < _DAY_S:
        return _two(whole, _HOUR_S, "h", whole % _HOUR_S // _MINUTE_S, "{:02d} min")
    return _two(whole, _DAY_S, "d", whole % _DAY_S // _HOUR_S, "{} h")


def whole(seconds: int) -> str:
    """A length of time that was chosen, in words: ``a week``, ``30 days``, ``60 s``."""
    days, rest = divmod(seconds, _DAY_S)
    if rest or not days:
        return span(seconds)
    return _DAYS.get(days, f"{days} days")


def moment(ms: float) -> str:
    """A moment (ms since 1970) in UTC, ``31 Jan 2026 12:03:04``."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%d %b %Y %H:%M:%S").lstrip("0")


def _two(whole: int, size: int, word: str, rest: int, form: str) -> str:
    first = f"{whole // size} {word}"
    return f"{first} {form.format(rest)}" if rest else first


def _duration(seconds: float) -> Said:
    for limit, factor, word in _SECONDS:
        if 0 < abs(seconds) < limit:
            return Said(_digits(seconds * factor, None), word)
    if abs(seconds) < 2 * _MINUTE_S:
        return Said(_digits(seconds, None), "s")
    return Said(span(seconds), "")


def _digits(value: float, decimals: int | None) -> str:
    if decimals is None:
        decimals = _enough(value)
    text = f"{value:,.{decimals}f}"
    if float(text.replace(",", "")) == 0:
        text = text.lstrip("-")  # never `-0`
    return text.replace(",", THIN).replace("-", "−")


def _enough(value: float) -> int:
    """Decimals that leave three digits; none for whole numbers."""
    size = abs(value)
    if size == int(size) or size >= _FULL_PERCENT:
        return 0
    return 1 if size >= 1 else 2
