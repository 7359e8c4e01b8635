"""Numbers, ages and states as people read them, the same in every table."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from rich.text import Text

_STATES: Final = {
    "ready": ("●", "green"),
    "starting": ("◌", "cyan"),
    "waiting": ("◐", "yellow"),
    "backoff": ("↻", "bold red"),
    "failed": ("✖", "bold red"),
    "stopped": ("○", "dim"),
    "online": ("●", "green"),
    "stale": ("◐", "yellow"),
    "offline": ("○", "bold red"),
    "never_seen": ("◌", "magenta"),
    "unknown": ("?", "yellow"),
}
SEVERITY_STYLES: Final = {"critical": "bold red", "warning": "yellow", "info": "cyan"}
_MINUTE_S: Final = 60
_HOUR_S: Final = 3600
_DAY_S: Final = 86_400
_THOUSAND: Final = 1000


def state_text(state: str) -> Text:
    """A state with its sign and colour; the sign tells it without colours, too."""
    sign, style = _STATES.get(state, (" ", ""))
    return Text(f"{sign} {state.replace('_', ' ')}", style=style)


def age_words(seconds: float) -> str:
    """``0.4 s``, ``42 s``, ``3 min 05 s``, ``2 h 07 min``, ``5 d 3 h``; ``2 min`` where even."""
    if seconds < 1:
        return f"{max(seconds, 0.0):.1f} s"
    whole = int(seconds)
    if whole < _MINUTE_S:
        return f"{whole} s"
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S} min" + _rest(whole % _MINUTE_S, "{:02d} s")
    if whole < _DAY_S:
        return f"{whole // _HOUR_S} h" + _rest(whole % _HOUR_S // _MINUTE_S, "{:02d} min")
    return f"{whole // _DAY_S} d" + _rest(whole % _DAY_S // _HOUR_S, "{} h")


def _rest(number: int, form: str) -> str:
    return f" {form.format(number)}" if number else ""


def count_words(value: float) -> str:
    """A count with its thousands apart: ``12 345``; a small rate keeps one decimal."""
    if 0 < value < 10 and value != int(value):  # noqa: PLR2004 - one decimal tells something
        return f"{value:.1f}"
    return f"{value:,.0f}".replace(",", " ")


def counted(number: float, noun: str) -> str:
    """A count of things: ``1 letter``, ``12 345 letters``."""
    return f"{count_words(number)} {noun}{'' if number == 1 else 's'}"


def bytes_words(size: float) -> str:
    """``812 B``, ``64 kB``, ``12 MB``, ``1.4 GB``."""
    for unit in ("B", "kB", "MB"):
        if size < _THOUSAND:
            return f"{size:.0f} {unit}"
        size /= _THOUSAND
    return f"{size:.1f} GB"


def utc_words(seconds: float) -> str:
    """A moment (s since 1970) as ``2026-01-31T12:03:04Z``."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def severity_text(severity: str) -> Text:
    """A severity in its colour."""
    return Text(severity, style=SEVERITY_STYLES.get(severity, ""))
