"""How long to wait before a process is started again."""

from __future__ import annotations

from typing import Final

FIRST_S: Final = 0.5
MOST_S: Final = 10.0
HEALTHY_S: Final = 60.0


class Backoff:
    """0.5 s, doubling to 10 s; from the start again after a life of 60 s."""

    def __init__(self) -> None:
        """Begin with the shortest wait."""
        self._next_s = FIRST_S

    def after(self, lived_s: float) -> float:
        """Seconds to wait after a process that lived for ``lived_s``."""
        if lived_s >= HEALTHY_S:
            self._next_s = FIRST_S
        wait_s = self._next_s
        self._next_s = min(wait_s * 2, MOST_S)
        return wait_s
