"""Sees that what a worker waits for comes while Kafka answers, or that the worker ends.

Heartbeats come from a thread of their own: a worker that hangs stays a member, and the group gives
its partitions to nobody else. Only its end does.
"""

from __future__ import annotations

from typing import Final

EVERY_S: Final = 3.0
"""How often one looks."""
LIMIT_S: Final = 60.0
"""So long a worker may wait for one thing; a rebalance and a lost session take 16 s at most."""


class Patience:
    """Counts the looks at a worker that waits for something although nothing keeps it.

    Looks and not seconds: of a process that was halted for a while none is missed.
    """

    def __init__(self, *, every_s: float = EVERY_S, limit_s: float = LIMIT_S) -> None:
        """Be looked with every ``every_s``; more than ``limit_s`` in a row are too long."""
        self._every_s = every_s
        self._limit_s = limit_s
        self._looks = 0
        self._come = 0

    def look(self, *, waits: bool, answers: bool, come: int) -> bool:
        """One more look; False where the worker has waited in vain for too long.

        ``answers`` says whether Kafka does, and ``come`` counts what has come so far of the thing
        that is waited for: one of many parts is waited for as long as they come.
        """
        if not waits or not answers or come != self._come:
            self._looks = 0
        else:
            self._looks += 1
        self._come = come
        return self._looks * self._every_s <= self._limit_s
