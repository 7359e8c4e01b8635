"""Sees that the partitions which the group gives a worker come to be read, or that it ends.

Heartbeats come from a thread of their own: a worker whose take-over hangs stays a member, and the
group gives its partitions to nobody else. Only its end does.
"""

from __future__ import annotations

from typing import Final

EVERY_S: Final = 3.0
"""How often one looks."""
LIMIT_S: Final = 60.0
"""So long a worker may be unsettled; a rebalance and a lost session take 16 s at most."""


class Settling:
    """Counts the looks at a worker that does not settle although nothing keeps it.

    Looks and not seconds: of a process that was halted for a while none is missed.
    """

    def __init__(self, *, every_s: float = EVERY_S, limit_s: float = LIMIT_S) -> None:
        """Be looked with every ``every_s``; more than ``limit_s`` in a row are too long."""
        self._every_s = every_s
        self._limit_s = limit_s
        self._looks = 0
        self._heard = 0

    def look(self, *, settled: bool, answers: bool, heard: int) -> bool:
        """One more look; False where the worker has been unsettled for too long.

        ``settled`` says whether all of its generation is taken over and read (nothing may be all
        of it), ``answers`` whether Kafka does, and ``heard`` how many records of the state have
        come so far: a large one is waited for as long as it comes.
        """
        if settled or not answers or heard != self._heard:
            self._looks = 0
        else:
            self._looks += 1
        self._heard = heard
        return self._looks * self._every_s <= self._limit_s
