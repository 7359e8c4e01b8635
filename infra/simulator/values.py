"""Believable values of simulated devices: what each kind would measure at a moment.

A source belongs to one device and draws from that device's own random numbers, so its values
don't depend on what other devices do. ``draw(ts_ms)`` gives the reading's type and its fields
as JSON without braces; formatting by hand is what makes 30,000 readings a second possible.
"""

from __future__ import annotations

import heapq
import json
import math
from random import Random
from typing import Final, Protocol

from infra.simulator.local_time import DAY_MS, HOUR_MS

PERSONS: Final = 400
"""Simulated persons of a city: ``person-0000`` to ``person-0399``."""

CROWD: Final = (
    0.02, 0.01, 0.01, 0.01, 0.03, 0.1, 0.3, 0.7, 1.0, 0.7, 0.5, 0.5,
    0.6, 0.6, 0.5, 0.5, 0.7, 1.0, 0.9, 0.6, 0.4, 0.3, 0.15, 0.05,
)  # fmt: skip
"""How busy a place is in each hour of the day, as a share of its busiest one."""

SERVICES: Final = ("water", "heat", "power", "waste", "roads", "lifts", "street-light")
ANNOUNCEMENTS: Final = (
    "announcement-0001",
    "announcement-0002",
    "announcement-0003",
    'air "alert", simulated\\test',
    "Ауа сапасы, simulated",
)
_ANNOUNCEMENTS_JSON: Final = tuple(json.dumps(text, ensure_ascii=False) for text in ANNOUNCEMENTS)

OFTEN: Final = 0.9
FEVER: Final = 0.001
"""Share of passages with a temperature that is worth a look."""
"""Probability that an optional field is there."""


class Source(Protocol):
    """What a device measures."""

    def draw(self, ts_ms: int) -> tuple[str, str]:
        """The type of the next reading and its fields, as JSON without braces."""


def _day_wave(ts_ms: int) -> float:
    """-1 in the early morning to 1 in the early afternoon."""
    return math.sin((ts_ms % DAY_MS) / DAY_MS * 2 * math.pi - 2.2)


class Thermometer:
    """Ambient air follows the day; bodies, water and surfaces keep nearer to their mean."""

    _KINDS: Final[dict[str | None, tuple[float, float]]] = {
        None: (14.0, 7.0),
        "ambient": (15.0, 6.0),
        "water": (62.0, 2.0),
        "surface": (16.0, 11.0),
        "body": (36.6, 0.1),
    }

    def __init__(self, rng: Random, subject: str | None) -> None:
        self._random = rng.random
        self._mean, self._swing = self._KINDS[subject]
        self._mean += rng.uniform(-0.4, 0.4)
        self._noise = 0.0
        self._subject = "" if subject is None else f',"subject":"{subject}"'

    def draw(self, ts_ms: int) -> tuple[str, str]:
        """One temperature."""
        noise = self._noise = self._noise * 0.95 + (self._random() - 0.5) * 0.2
        celsius = self._mean + self._swing * _day_wave(ts_ms) + noise
        fields = f'"celsius":{celsius:.2f}{self._subject}'
        if self._random() < OFTEN:
            fields += f',"humidity_pct":{55 - 3 * noise - 10 * _day_wave(ts_ms):.1f}'
        return "temperature", fields


class Ionizer:
    """Air at a bus stop; at some, ozone swells over 100 µg/m³ and ionization dips for a while."""

    def __init__(self, rng: Random, *, swells: bool) -> None:
        self._random = rng.random
        self._period_ms = rng.randrange(240_000, 600_000)
        self._phase = rng.uniform(0, 2 * math.pi)
        self._swell = 62.0 if swells else 20.0
        self._dips = swells
        self._hours = rng.uniform(10, 4000)
        self._began_ms = 0

    def draw(self, ts_ms: int) -> tuple[str, str]:
        """One sample of the air."""
        random = self._random
        self._began_ms = self._began_ms or ts_ms
        wave = math.sin(ts_ms % self._period_ms / self._period_ms * 2 * math.pi + self._phase)
        crowd = CROWD[ts_ms // HOUR_MS % 24]
        dip = 0.12 if wave < -0.93 and self._dips else 0.0  # noqa: PLR2004 -- an eighth of the time
        fields = f'"efficiency_pct":{99.96 - random() * 0.05 - dip:.3f}'
        if random() < OFTEN:
            ozone = 48 + self._swell * max(wave, -0.4) + random() * 4
            fields += (
                f',"ions_cm3":{780_000 + int(random() * 40_000)},"ozone_ugm3":{ozone:.1f}'
                f',"pm25_ugm3":{9 + 14 * crowd + random() * 3:.1f}'
            )
        if random() < OFTEN:
            # by the device's clock, which a fault may have put before the start
            hours = max(self._hours + (ts_ms - self._began_ms) / HOUR_MS, 0.0)
            fields += (
                f',"co2_ppm":{415 + 90 * crowd + random() * 8:.0f},"filter_hours":{hours:.3f}'
                f',"power_w":{38 + random() * 2:.2f},"people":{int(crowd * 14 * random() + 0.5)}'
            )
        return "air", fields


class Camera:
    """Scenes by the hour; at an entrance, passages of simulated persons, too."""

    def __init__(self, rng: Random, *, entrance: bool) -> None:
        self._rng = rng
        self._random = rng.random
        self._passages = 0.6 if entrance else 0.0
        self._busiest = rng.randrange(20, 60)
        self._free_pct = rng.uniform(20, 95)

    def draw(self, ts_ms: int) -> tuple[str, str]:
        """One passage or one scene."""
        if self._random() < self._passages:
            return "passage", self._passage(ts_ms)
        return "scene", self._scene(ts_ms)

    def _passage(self, ts_ms: int) -> str:
        random = self._random
        inward = 0.8 if ts_ms % DAY_MS < DAY_MS // 2 else 0.3
        fields = (
            f'"person":"person-{int(random() * PERSONS):04d}"'
            f',"direction":"{"in" if random() < inward else "out"}"'
        )
        if random() < OFTEN:
            fields += f',"mask":{"true" if random() < OFTEN else "false"}'
        if random() < OFTEN:
            fever = 1.5 if random() < FEVER else 0.0
            celsius = min(max(self._rng.gauss(36.6, 0.18) + fever, 34.0), 41.0)
            fields += f',"body_celsius":{celsius:.1f}'
        if random() < OFTEN:
            fields += f',"confidence":{1 - random() * random() * 0.2:.3f}'
        return fields

    def _scene(self, ts_ms: int) -> str:
        random = self._random
        people = int(CROWD[ts_ms // HOUR_MS % 24] * self._busiest * (0.7 + 0.6 * random()))
        fields = f'"people":{people},"fps":{24.5 + random():.1f}'
        if random() < OFTEN:
            fields += f',"vehicles":{people // 3},"motion":{min(people / 60, 1) * random():.3f}'
        if random() < OFTEN:
            self._free_pct = self._free_pct - 0.0001 if self._free_pct > 1 else 95.0
            fields += (
                f',"bitrate_kbps":{3000 + 1500 * random():.0f}'
                f',"storage_free_pct":{self._free_pct:.0f}'
                f',"tamper":{"true" if random() < 0.00002 else "false"}'  # noqa: PLR2004 - rarely
            )
        return fields


class Speaker:
    """Mostly quiet; now and then an announcement for some readings in a row."""

    def __init__(self, rng: Random) -> None:
        self._random = rng.random
        self._left = 0
        self._announcement = _ANNOUNCEMENTS_JSON[0]

    def draw(self, ts_ms: int) -> tuple[str, str]:
        """What the speaker does."""
        random = self._random
        if not self._left and random() < 0.05:  # noqa: PLR2004 - an announcement begins
            self._left = 2 + int(random() * 8)
            self._announcement = _ANNOUNCEMENTS_JSON[int(random() * len(ANNOUNCEMENTS))]
        playing = self._left > 0
        fields = (
            f'"volume_pct":{60 + int(random() * 20)},"playing":{"true" if playing else "false"}'
        )
        if playing:
            self._left -= 1
            fields += f',"announcement":{self._announcement},"queue":{int(random() * 3)}'
        if random() < OFTEN:
            noise_db = 42 + 22 * CROWD[ts_ms // HOUR_MS % 24] + (18 if playing else 3) * random()
            fields += f',"noise_db":{noise_db:.1f}'
        return "audio", fields


class Desk:
    """Tickets that are opened, called (few: given up), and closed in a quarter of an hour."""

    WAITING: Final = 25
    """So many open tickets at most; a busier desk ends the one that is due next early."""

    def __init__(self, rng: Random, name: str) -> None:
        self._random = rng.random
        self._name = name
        self._opened = 0
        self._plan: list[tuple[int, int, str, str]] = []

    def draw(self, ts_ms: int) -> tuple[str, str]:
        """The next step of a ticket that is due, or a new ticket."""
        plan = self._plan
        if plan and (plan[0][0] <= ts_ms or len(plan) >= self.WAITING):
            due_ms, number, service, event = heapq.heappop(plan)
            if event == "called":
                leaves_ms = max(due_ms, ts_ms) + int((2 + 7 * self._random()) * 60_000)
                heapq.heappush(plan, (leaves_ms, number, service, "closed"))
        else:
            self._opened += 1
            number, event = self._opened, "opened"
            service = SERVICES[int(self._random() * len(SERVICES))]
            called_ms = ts_ms + int((1 + 7 * self._random()) * 60_000)
            step = "called" if self._random() < 0.97 else "abandoned"  # noqa: PLR2004 - mostly
            heapq.heappush(plan, (called_ms, number, service, step))
        return "ticket", (
            f'"ticket":"{self._name}-{number:06d}","service":"{service}","event":"{event}"'
        )
