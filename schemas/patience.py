"""For how long one thing is waited for in vain (pure)."""

from __future__ import annotations

from collections.abc import Hashable


class Patience:
    """Adds up how long the same thing is waited for, from look to look.

    Between two looks no more than ``gap_s`` counts: a process that was halted has not waited.
    """

    def __init__(self, *, gap_s: float) -> None:
        """Begin waiting for nothing."""
        self._gap_s = gap_s
        self._awaited: Hashable | None = None
        self._last_s = 0.0
        self._waited_s = 0.0

    def look(self, now_s: float, awaited: Hashable | None) -> float:
        """The seconds for which ``awaited`` was the same at every look up to this one.

        It is to differ whenever a part of it has come, and None where nothing is waited for.
        """
        if awaited is None or awaited != self._awaited:
            self._waited_s = 0.0
        else:
            self._waited_s += min(now_s - self._last_s, self._gap_s)
        self._awaited = awaited
        self._last_s = now_s
        return self._waited_s
