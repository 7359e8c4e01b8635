"""Which letters are meant: by reason, topic, site, device and time. No I/O."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Final

from msgspec import Struct

from infra.dlq.errors import MomentError
from infra.dlq.letters import Letter

_DURATION: Final = re.compile(r"([0-9]{1,9})(s|m|h|d|w)\Z")
_UNIT_MS: Final = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}


class Filter(Struct, frozen=True):
    """What a letter must be; None asks for nothing. Times in ms since 1970, until without.

    ``topic``, ``site`` and ``device`` are shell patterns.
    """

    reason: str | None = None
    topic: str | None = None
    site: str | None = None
    device: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None

    @property
    def asks(self) -> bool:
        """Whether it asks for anything."""
        return self != Filter()

    def wants(self, letter: Letter) -> bool:
        """Whether ``letter`` is meant."""
        return (
            (self.reason is None or letter.reason == self.reason)
            and (self.since_ms is None or letter.written_ms >= self.since_ms)
            and (self.until_ms is None or letter.written_ms < self.until_ms)
            and _fits(self.topic, letter.topic)
            and _fits(self.site, letter.site)
            and _fits(self.device, letter.device)
        )


def _fits(pattern: str | None, text: str | None) -> bool:
    return pattern is None or (text is not None and fnmatchcase(text, pattern))


def moment_ms(text: str, now_ms: int) -> int:
    """The moment that ``text`` means: ``90s``, ``5m``, ``2h``, ``3d`` or ``1w`` ago, or ISO 8601.

    A time without a zone is UTC; so is a day, which begins at 00:00.

    Raises:
        MomentError: it is neither.
    """
    ago = _DURATION.match(text)
    if ago is not None:
        return now_ms - int(ago[1]) * _UNIT_MS[ago[2]]
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return round(moment.timestamp() * 1000)
    except (ValueError, OverflowError) as exc:
        raise MomentError(
            f"'{text}' is neither a duration nor a time; write for example 2h, 3d or "
            "2026-01-31T12:00"
        ) from exc
