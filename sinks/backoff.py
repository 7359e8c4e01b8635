"""How long to wait before the next attempt, for ever and with jitter (pure).

Not stamina: it repeats a call that raises, and gives up in the end. A sink's write may do
half its work, hand back the other half and name the wait itself; and it never gives up.
"""

from __future__ import annotations

from random import Random

_MOST_DOUBLINGS = 20


class Backoff:
    """Waits that double from ``first_s`` to ``most_s``, each between half of it and all of it."""

    def __init__(self, first_s: float, most_s: float, random: Random) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self._random = random
        self._failures = 0

    def wait_s(self, asked_s: float | None = None) -> float:
        """The wait after one more failure; never shorter than the other side asked for."""
        full = min(self._most_s, self._first_s * 2.0 ** min(self._failures, _MOST_DOUBLINGS))
        self._failures += 1
        return (asked_s or 0.0) + full * self._random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """An attempt succeeded."""
        self._failures = 0
