"""The simulated city's weather: seasons, day and night, and fronts that pass over it."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from infra.simulator.local_time import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    MINUTES,
    OFFSET_MS,
    day_of_year,
    day_start_ms,
)
from infra.simulator.noise import Noise

_YEAR_DAYS: Final = 365.25
_WARMEST_DAY: Final = 202
_LONGEST_DAY: Final = 172
_WARMEST_HOUR: Final = 15.0
_NOON_HOUR: Final = 12.5
_MEAN_C: Final = 6.0
_SEASON_C: Final = 17.0
_FRONT_C: Final = 6.0
_GUST_C: Final = 1.2
_DAYS_KEPT: Final = 4


class Sky(NamedTuple):
    """One local day, by minute: temperature (°C) and light (0 at night to 1 at a clear noon)."""

    celsius: tuple[float, ...]
    light: tuple[float, ...]


class Weather:
    """The weather of one city, computed by local day and kept for the last few of them."""

    def __init__(self, seed: int) -> None:
        """The same seed has the same weather at the same time."""
        self._noise = Noise(seed, "weather")
        self._days: dict[int, Sky] = {}

    def celsius(self, ts_ms: int) -> float:
        """Temperature of the air in the shade."""
        local = ts_ms + OFFSET_MS
        return self.day(local // DAY_MS).celsius[local % DAY_MS // MINUTE_MS]

    def light(self, ts_ms: int) -> float:
        """Daylight, 0 to 1."""
        local = ts_ms + OFFSET_MS
        return self.day(local // DAY_MS).light[local % DAY_MS // MINUTE_MS]

    def day(self, day: int) -> Sky:
        """One local day (see `infra.simulator.local_time.local_day`)."""
        found = self._days.get(day)
        if found is None:
            if len(self._days) >= _DAYS_KEPT:
                self._days.pop(next(iter(self._days)))
            found = self._days[day] = self._made(day)
        return found

    def _made(self, day: int) -> Sky:
        number = day_of_year(day)
        season = math.cos((number - _WARMEST_DAY) / _YEAR_DAYS * 2 * math.pi)
        daylight_h = 12 + 4 * math.cos((number - _LONGEST_DAY) / _YEAR_DAYS * 2 * math.pi)
        swing = 3.0 + 3.5 * (season + 1) / 2
        drift = self._noise.drift
        start_ms = day_start_ms(day)
        celsius, light = [], []
        for minute in range(MINUTES):
            ts_ms = start_ms + minute * MINUTE_MS
            hour = minute / 60
            cloud = (drift(ts_ms + DAY_MS, 9 * HOUR_MS) + 1) / 2
            turn = math.cos((hour - _WARMEST_HOUR) / 24 * 2 * math.pi)
            celsius.append(
                _MEAN_C
                + _SEASON_C * season
                + swing * turn * (1 - 0.5 * cloud)
                + _FRONT_C * drift(ts_ms, 3 * DAY_MS)
                + _GUST_C * drift(ts_ms, 2 * HOUR_MS)
            )
            height = math.cos(min(abs(hour - _NOON_HOUR) / daylight_h, 1.0) * math.pi)
            light.append(max(height, 0.0) * (1 - 0.6 * cloud))
        return Sky(tuple(celsius), tuple(light))
