"""Spells of something being wrong: from when to when, planned by local day.

A spell's times follow from the seed, the thing and the day alone, so it is there again
whenever that day is simulated.
"""

from __future__ import annotations

from typing import NamedTuple

from infra.simulator.local_time import DAY_MS, MINUTE_MS, OFFSET_MS, day_start_ms
from infra.simulator.seeds import seeded


class Spell(NamedTuple):
    """One spell; ``strength`` is between 0 and 1, for whoever can use it."""

    begins_ms: int
    ends_ms: int
    strength: float


class Spells:
    """The spells of one sort that come over one device."""

    __slots__ = ("_a_day", "_day", "_minutes", "_name", "_spells")

    def __init__(self, seed: int, *name: str, a_day: float, minutes: tuple[float, float]) -> None:
        """``a_day`` spells on average, each between the two lengths of ``minutes``."""
        self._name = (seed, *name)
        self._a_day = a_day
        self._minutes = minutes
        self._day = -1
        self._spells: tuple[Spell, ...] = ()

    def at(self, ts_ms: int) -> Spell | None:
        """The spell at a moment, or None."""
        day = (ts_ms + OFFSET_MS) // DAY_MS
        if day != self._day:
            self._day = day
            self._spells = self.of_day(day)
        for spell in self._spells:
            if spell.begins_ms <= ts_ms < spell.ends_ms:
                return spell
        return None

    def of_day(self, day: int) -> tuple[Spell, ...]:
        """All spells of a local day; each ends on the day on which it begins."""
        rng = seeded(*self._name, day)
        count = int(self._a_day + rng.random())
        found = []
        for _ in range(count):
            length_ms = int(rng.uniform(*self._minutes) * MINUTE_MS)
            begins_ms = day_start_ms(day) + rng.randrange(DAY_MS - length_ms)
            found.append(Spell(begins_ms, begins_ms + length_ms, rng.random()))
        return tuple(sorted(found))
