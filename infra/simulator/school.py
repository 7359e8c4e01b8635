"""A simulated school: its bell schedule, and which pupil goes through which entrance when.

Lessons are from Monday to Saturday. Everybody who comes in goes out again on the same day.
Pupils are numbers; nothing in them stands for a real person.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable
from functools import cache
from random import Random
from typing import Final, NamedTuple

from infra.simulator.local_time import (
    MINUTE_MS,
    SECOND_MS,
    SUNDAY,
    day_of_year,
    day_start_ms,
    weekday,
)
from infra.simulator.plans import DayPlan, Event
from infra.simulator.seeds import seeded

PUPILS: Final = 220
_FIRST_BELL: Final = 8 * 60
_LESSON: Final = 45
_BREAKS: Final = (10, 10, 20, 10, 10, 10)
"""Minutes after each lesson; the third break is the long one."""
_FEWEST_LESSONS: Final = 4
_MAIN_ENTRANCE: Final = 0.72
_ABSENT: Final = 0.06
_STEPS_OUT: Final = 0.05
"""Share of pupils who leave the building in the long break."""
_FEVER: Final = 0.0015
_WINTER: Final = 100
"""Days around the turn of the year in which more people wear masks."""
_TERMINAL_FAILS: Final = 0.03


class Bell(NamedTuple):
    """One lesson, in local minutes of the day."""

    begins: int
    ends: int


@cache
def bells() -> tuple[Bell, ...]:
    """The lessons of a day."""
    found = []
    begins = _FIRST_BELL
    for pause in (*_BREAKS, 0):
        found.append(Bell(begins, begins + _LESSON))
        begins += _LESSON + pause
    return tuple(found)


class School:
    """The passages of one school, for each of its entrances."""

    def __init__(self, seed: int, site: str, entrances: int) -> None:
        """A school with so many face-recognition cameras at its doors."""
        self._seed = seed
        self._site = site
        self._bells = bells()
        self.doors = tuple(DayPlan(self._planner(door)) for door in range(entrances))
        self._made: tuple[int, list[list[Event]]] = (-1, [])

    def _planner(self, door: int) -> Callable[[int], list[Event]]:
        return lambda day: self._day(day)[door]

    def _day(self, day: int) -> list[list[Event]]:
        """The passages of a local day by door, in the order of their times."""
        if self._made[0] != day:
            self._made = (day, self._passages(day))
        return self._made[1]

    def _passages(self, day: int) -> list[list[Event]]:
        doors: list[list[Event]] = [[] for _ in self.doors]
        if weekday(day) == SUNDAY:
            return doors
        rng = seeded(self._seed, self._site, "passages", day)
        start_ms = day_start_ms(day)
        masks = 0.55 if abs((day_of_year(day) + 182) % 365 - 182) < _WINTER else 0.12
        for pupil in range(PUPILS):
            if rng.random() >= _ABSENT:
                self._walk(rng, start_ms, pupil, masks, doors)
        return doors

    def _walk(
        self, rng: Random, start_ms: int, pupil: int, masks: float, doors: list[list[Event]]
    ) -> None:
        """Plan one pupil's day; ``masks`` is the share of those who wear one."""
        masked = rng.random() < masks
        person = f"person-{self._site}-{pupil:03d}"
        celsius = rng.gauss(36.6, 0.12)
        if rng.random() < _FEVER:
            celsius += rng.uniform(0.9, 2.0)
        lessons = _FEWEST_LESSONS + pupil * len(self._bells) // (PUPILS * 2)
        lessons = min(lessons, len(self._bells))
        arrives = _FIRST_BELL - max(-9.0, min(rng.gauss(13, 7), 55.0))
        leaves = self._bells[lessons - 1].ends + 1 + min(rng.expovariate(1 / 6), 90.0)
        steps = [(arrives, "in"), (leaves, "out")]
        long_break = self._bells[2].ends
        if rng.random() < _STEPS_OUT:
            steps += [
                (long_break + rng.uniform(1, 5), "out"),
                (long_break + rng.uniform(9, 19), "in"),
            ]
        for minute, direction in steps:
            door = 0 if rng.random() < _MAIN_ENTRANCE else rng.randrange(len(doors))
            ts_ms = start_ms + int(minute * MINUTE_MS) + rng.randrange(SECOND_MS)
            fields = f'"person":"{person}","direction":"{direction}"'
            if rng.random() >= _TERMINAL_FAILS:
                warm = min(max(celsius + rng.gauss(0, 0.08), 34.5), 41.5)
                fields += (
                    f',"mask":{"true" if masked else "false"},"body_celsius":{warm:.1f}'
                    f',"confidence":{0.995 - rng.random() ** 2 * (0.2 if masked else 0.1):.3f}'
                )
            insort(doors[door], Event(ts_ms, "passage", fields))
