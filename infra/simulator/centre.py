"""A simulated iQala service centre: one queue, several desks, a day of tickets.

Whoever comes takes a ticket (``opened``), waits until a desk is free (``called``) and is served
(``closed``); who waits too long, or has gone when a desk is free, is ``abandoned`` and never
``called``: so who waits is what was opened less what was called or abandoned. All steps of a
ticket are told by the desk that will serve it, as the plan of the day knows beforehand.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from random import Random
from typing import Final

from infra.simulator.local_time import (
    MINUTE_MS,
    SATURDAY,
    SECOND_MS,
    SUNDAY,
    busy,
    day_stamp,
    day_start_ms,
    local_day,
    weekday,
)
from infra.simulator.plans import DayPlan, Event
from infra.simulator.seeds import seeded

_CONTRACTS: Final = ("water", "heat", "power", "waste")
_KNOWN: Final = (*_CONTRACTS, "roads", "lifts", "street-light", "address", "benefits", "parking")
_SERVICES: Final = 154
SERVICES: Final = _KNOWN + tuple(f"service-{n:03d}" for n in range(len(_KNOWN) + 1, _SERVICES + 1))
"""What people come for; the contracts for water, heat, power and waste first."""
_RARER: Final = 0.9
"""Exponent of Zipf's law over the services."""
_CONTRACTS_TIMES: Final = 3.0
_OPEN_WORK: Final = (9 * 60, 18 * 60)
_OPEN_SATURDAY: Final = (10 * 60, 14 * 60)
_LAST_TICKET: Final = 15
"""Minutes before the end from which no ticket is given."""
_LOAD: Final = 0.80
"""Share of the desks' time that is taken in a busy hour."""
_SERVED_MIN: Final = (3.0, 6.5)
"""Shortest and typical length of a talk in minutes; contracts take longer."""
_CONTRACT_MIN: Final = 2.0
_PATIENCE_MIN: Final = (18.0, 45.0)
_GONE: Final = 0.025


class Centre:
    """The tickets of one centre, for each of its desks."""

    def __init__(self, seed: int, site: str, desks: int) -> None:
        """A centre with so many desks."""
        self._seed = seed
        self._site = site
        self._weights = [
            (_CONTRACTS_TIMES if name in _CONTRACTS else 1.0) / (place + 1) ** _RARER
            for place, name in enumerate(SERVICES)
        ]
        self.desks = tuple(DayPlan(self._planner(desk)) for desk in range(desks))
        self._made: tuple[int, list[list[Event]]] = (-1, [])
        self._came: list[int] = []
        self._left: list[int] = []

    def _planner(self, desk: int) -> Callable[[int], list[Event]]:
        return lambda day: self._day(day)[desk]

    def people(self, ts_ms: int) -> int:
        """How many wait or are served."""
        if not self.desks:
            return 0
        self._day(local_day(ts_ms))
        return bisect_right(self._came, ts_ms) - bisect_right(self._left, ts_ms)

    def _day(self, day: int) -> list[list[Event]]:
        if self._made[0] != day:
            self._made = (day, self._tickets(day))
        return self._made[1]

    def _tickets(self, day: int) -> list[list[Event]]:
        desks: list[list[Event]] = [[] for _ in self.desks]
        came: list[int] = []
        left: list[int] = []
        self._came, self._left = came, left
        if weekday(day) == SUNDAY or not desks:
            return desks
        rng = seeded(self._seed, self._site, "tickets", day)
        opens, closes = _OPEN_SATURDAY if weekday(day) == SATURDAY else _OPEN_WORK
        start_ms = day_start_ms(day)
        now_ms = start_ms + opens * MINUTE_MS
        end_ms = start_ms + (closes - _LAST_TICKET) * MINUTE_MS
        free_ms = [now_ms + rng.randrange(2 * MINUTE_MS) for _ in desks]
        between_ms = (_SERVED_MIN[1] + 1.5) * MINUTE_MS / len(desks) / _LOAD
        number = 0
        while True:
            crowd = 0.45 + 0.75 * busy("people", now_ms)
            now_ms += int(rng.expovariate(crowd / between_ms)) + SECOND_MS
            if now_ms >= end_ms:
                break
            number += 1
            ticket = f"{self._site}-{day_stamp(day)}-{number:03d}"
            came.append(now_ms)
            left.append(self._serve(rng, ticket, now_ms, free_ms, desks))
        left.sort()
        for events in desks:
            events.sort(key=lambda event: event.ts_ms)
        return desks

    def _serve(
        self, rng: Random, ticket: str, came_ms: int, free_ms: list[int], desks: list[list[Event]]
    ) -> int:
        """Plan one ticket; gives when whoever holds it leaves."""
        service = rng.choices(SERVICES, self._weights)[0]
        desk = min(range(len(free_ms)), key=lambda one: free_ms[one])
        events = desks[desk]
        called_ms = max(free_ms[desk], came_ms + 20 * SECOND_MS) + rng.randrange(5, 25) * SECOND_MS
        patience_ms = int(rng.uniform(*_PATIENCE_MIN) * MINUTE_MS)
        events.append(_step(came_ms, ticket, service, "opened"))
        if called_ms - came_ms > patience_ms:
            events.append(_step(came_ms + patience_ms, ticket, service, "abandoned"))
            return came_ms + patience_ms
        if rng.random() < _GONE:
            # the desk looks for whom the ticket belongs to before it takes the next
            free_ms[desk] = called_ms + 90 * SECOND_MS
            events.append(_step(called_ms, ticket, service, "abandoned"))
            return called_ms
        events.append(_step(called_ms, ticket, service, "called"))
        shortest, typical = _SERVED_MIN
        minutes = shortest + rng.gammavariate(2.0, (typical - shortest) / 2)
        if service in _CONTRACTS:
            minutes += rng.random() * _CONTRACT_MIN
        free_ms[desk] = closed_ms = called_ms + int(minutes * MINUTE_MS)
        events.append(_step(closed_ms, ticket, service, "closed"))
        return closed_ms


def _step(ts_ms: int, ticket: str, service: str, event: str) -> Event:
    return Event(ts_ms, "ticket", f'"ticket":"{ticket}","service":"{service}","event":"{event}"')
