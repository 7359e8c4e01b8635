"""A simulated bus stop: who waits there, and the air that an ionizer cleans for them."""

from __future__ import annotations

from typing import Final

from infra.simulator.local_time import DAY_MS, HOUR_MS, MINUTE_MS, busy
from infra.simulator.noise import Noise
from infra.simulator.spells import Spells
from infra.simulator.weather import Weather

_STEP_MS: Final = 1000
_FILTER_DAYS: Final = 168
"""A filter is changed after so many days (4032 hours), a little after it is said to be worn."""


class Stop:
    """The people of one bus stop: they gather until a bus takes them along."""

    _RUSH: Final = 0.6

    def __init__(self, noise: Noise) -> None:
        self._noise = noise
        self._busiest = 12 + 16 * noise.flicker(11)

    def people(self, ts_ms: int) -> float:
        """How many wait now."""
        full = busy("people", ts_ms)
        headway_ms = (6 if full > self._RUSH else 11) * MINUTE_MS
        bus, within_ms = divmod(ts_ms, headway_ms)
        # the last ones get on while the doors are open; some of the buses are nearly empty
        gathered = 0.12 + 0.88 * within_ms / headway_ms
        noise = self._noise
        some = 0.6 + 0.8 * noise.flicker(bus)
        return full * self._busiest * gathered * some + noise.flicker(ts_ms // _STEP_MS) * 0.9


class Ionizer:
    """Air at a bus stop. Ozone and carbon dioxide follow the sun, the ionization and the people.

    The filter wears out over weeks and is changed. In some spells ionization dips under its
    limit, in others the control fails and too much ozone is made.
    """

    def __init__(  # noqa: PLR0917 - what stands around it
        self, weather: Weather, stop: Stop, noise: Noise, dips: Spells, surges: Spells, place: int
    ) -> None:
        """``place`` among the city's ionizers: their filters are changed in turn."""
        self._weather = weather
        self._stop = stop
        self._noise = noise
        self._dips = dips
        self._surges = surges
        self._since_ms = (place * 37 % _FILTER_DAYS) * DAY_MS

    def draw(self, ts_ms: int) -> tuple[str, str]:
        """One sample of the air."""
        noise, step = self._noise, ts_ms // _STEP_MS
        people = self._stop.people(ts_ms)
        traffic = busy("traffic", ts_ms)
        worn_ms = (ts_ms + self._since_ms) % (_FILTER_DAYS * DAY_MS)
        wear = worn_ms / (_FILTER_DAYS * DAY_MS)
        efficiency = 99.985 - 0.045 * wear * wear - 0.012 * noise.flicker(step)
        ozone = 24 + 30 * self._weather.light(ts_ms) - 8 * traffic + 5 * noise.flicker(step + 1)
        dip = self._dips.at(ts_ms)
        if dip is not None:
            efficiency -= 0.12 + 0.25 * dip.strength
            ozone -= 6
        surge = self._surges.at(ts_ms)
        if surge is not None:
            rise = min((ts_ms - surge.begins_ms) / (2 * MINUTE_MS), 1.0)
            ozone += (75 + 45 * surge.strength) * rise
        cold = max(0.0, -self._weather.celsius(ts_ms)) / 20
        smoke = max(0.0, noise.drift(ts_ms, 14 * HOUR_MS)) * cold * 45
        return "air", (
            f'"efficiency_pct":{efficiency:.3f},"ions_cm3":{self._ions(efficiency, wear, step)}'
            f',"ozone_ugm3":{max(ozone, 1.0):.1f}'
            f',"pm25_ugm3":{7 + 17 * traffic + smoke + 3 * noise.flicker(step + 2):.1f}'
            f',"co2_ppm":{418 + 7 * people + 55 * traffic + 6 * noise.flicker(step + 3):.0f}'
            f',"filter_hours":{worn_ms / HOUR_MS:.2f}'
            f',"power_w":{37.5 + 5 * wear + 0.8 * noise.flicker(step + 4):.2f}'
            f',"people":{int(people)}'
        )

    def _ions(self, efficiency: float, wear: float, step: int) -> int:
        lost = 1 - max(efficiency, 99.0) / 100
        return int(860_000 - 120_000 * wear - 4e7 * lost + 30_000 * self._noise.flicker(step + 5))
