"""What the devices of the simulated city measure between the moments that are planned.

Each value follows from the time, the weather and how busy the city is. ``draw(ts_ms)`` is as
`infra.simulator.values.Source` has it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final, Literal

from infra.simulator.local_time import DAY_MS, HOUR_MS, MINUTE_MS, busy, minute_of_day
from infra.simulator.noise import Noise
from infra.simulator.spells import Spells
from infra.simulator.weather import Weather

_STEP_MS: Final = 1000

Subject = Literal["ambient", "water", "surface", "room"]


class Thermometer:
    """Outdoor air, a road's surface, a heating pipe's water or a room, each with its own calm.

    One in a few drifts: it shows a little more every day, until it is calibrated again.
    """

    _DRIFT_C: Final = 0.12
    _CALIBRATED_DAYS: Final = 24

    def __init__(self, weather: Weather, noise: Noise, subject: Subject, *, drifts: bool) -> None:
        self._weather = weather
        self._noise = noise
        self._shown = "ambient" if subject == "room" else subject
        self._true: Callable[[int], float] = {
            "ambient": self._air, "surface": self._road, "water": self._pipe, "room": self._room,
        }[subject]  # fmt: skip
        self._outdoors = subject in {"ambient", "surface"}
        self._drifts = drifts
        self._offset_c = noise.flicker(1) * 0.8 - 0.4

    def draw(self, ts_ms: int) -> tuple[str, str]:
        """One temperature."""
        noise = self._noise
        step = ts_ms // _STEP_MS
        celsius = self._true(ts_ms) + self._offset_c + 0.1 * noise.flicker(step)
        if self._drifts:
            celsius += self._DRIFT_C * (ts_ms / DAY_MS % self._CALIBRATED_DAYS)
        fields = f'"celsius":{celsius:.2f},"subject":"{self._shown}"'
        if self._shown != "water":
            humid = 68 - 20 * self._weather.light(ts_ms) + 18 * noise.drift(ts_ms, 11 * HOUR_MS)
            humidity = min(max(humid if self._outdoors else 30 + 0.15 * humid, 5.0), 100.0)
            fields += f',"humidity_pct":{humidity:.1f}'
        return "temperature", fields

    def _air(self, ts_ms: int) -> float:
        return self._weather.celsius(ts_ms) + 0.3 * self._noise.drift(ts_ms, 10 * MINUTE_MS)

    def _road(self, ts_ms: int) -> float:
        # a road is warmed by the sun of the last hour or so, and loses it slowly
        sun = (self._weather.light(ts_ms) + self._weather.light(ts_ms - HOUR_MS)) / 2
        return self._weather.celsius(ts_ms - HOUR_MS) - 1.5 + 13 * sun

    def _pipe(self, ts_ms: int) -> float:
        # the colder it is, the hotter the heating's water is made
        outside = self._weather.celsius(ts_ms - 2 * HOUR_MS)
        heated = 62 - 1.3 * outside + 1.5 * self._noise.drift(ts_ms, 40 * MINUTE_MS)
        return min(max(heated, 45.0), 98.0)

    def _room(self, ts_ms: int) -> float:
        full = busy("people", ts_ms)
        return 20.2 + 1.8 * full + 0.04 * self._weather.celsius(ts_ms)


class Speaker:
    """Announcements at their times (a school's bell, a stop's buses), and the noise around it."""

    def __init__(self, noise: Noise, words: Callable[[int], str], loud_db: float) -> None:
        """``words`` gives the announcement that plays at a moment, or an empty text."""
        self._noise = noise
        self._words = words
        self._loud_db = loud_db

    def draw(self, ts_ms: int) -> tuple[str, str]:
        """What the speaker does."""
        noise, step = self._noise, ts_ms // _STEP_MS
        full = busy("people", ts_ms)
        volume = 45 if full < 0.1 else 60 + 10 * full  # noqa: PLR2004 - quieter at night
        words = self._words(ts_ms)
        fields = f'"volume_pct":{volume:.0f},"playing":{"true" if words else "false"}'
        if words:
            queue = int(noise.flicker(step // 30) * 2.2)
            fields += f',"announcement":{json.dumps(words, ensure_ascii=False)},"queue":{queue}'
        noise_db = 38 + self._loud_db * full**0.5 + 5 * noise.flicker(step) + (9 if words else 0)
        return "audio", f'{fields},"noise_db":{noise_db:.1f}'


class Camera:
    """A surveillance camera: what it sees by day and night, its stream and its storage.

    ``people`` gives how many there are now. Now and then it is covered or its link is slow
    (``spells``), and its storage fills until a nightly job frees it, at some too late.
    """

    _NIGHT: Final = 0.06
    _FREED_MINUTE: Final = 200

    def __init__(
        self,
        weather: Weather,
        noise: Noise,
        people: Callable[[int], float],
        *,
        vehicles: float,
        spells: dict[str, Spells],
    ) -> None:
        self._weather = weather
        self._noise = noise
        self._people = people
        self._vehicles = vehicles
        self._spells = spells
        self._days = 4 + int(noise.flicker(2) * 4)
        """Between two clearings of the storage."""
        self._full_pct = 6.0 if noise.flicker(3) < 0.3 else 17.0  # noqa: PLR2004 - some too late
        self._phase_ms = int(noise.flicker(4) * self._days) * DAY_MS

    def draw(self, ts_ms: int) -> tuple[str, str]:
        """One look at the scene."""
        noise, step = self._noise, ts_ms // _STEP_MS
        dark = self._weather.light(ts_ms) < self._NIGHT
        covered = self._spells["tamper"].at(ts_ms) is not None
        slow = self._spells["slow"].at(ts_ms) is not None
        people = vehicles = 0
        if not covered:
            people = int(self._people(ts_ms))
            traffic = busy("traffic", ts_ms) * self._vehicles
            vehicles = int(traffic * (0.5 + noise.flicker(step)) + noise.flicker(step + 1))
        motion = min((people + 2 * vehicles) / 60, 1.0) * (0.4 + 0.6 * noise.flicker(step + 2))
        fps = (12.5 if dark else 25.0) - 0.5 * noise.flicker(step + 3)
        if slow:
            fps = 2 + 2 * noise.flicker(step + 4)
        kbps = (1400 if dark else 2600) + 1800 * motion + 250 * noise.drift(ts_ms, 5 * MINUTE_MS)
        return "scene", (
            f'"people":{people},"fps":{fps:.1f},"vehicles":{vehicles},"motion":{motion:.3f}'
            f',"bitrate_kbps":{kbps * (0.15 if slow else 1):.0f}'
            f',"storage_free_pct":{self._free_pct(ts_ms):.1f}'
            f',"tamper":{"true" if covered else "false"}'
        )

    def _free_pct(self, ts_ms: int) -> float:
        span_ms = self._days * DAY_MS
        since_ms = ts_ms - self._FREED_MINUTE * MINUTE_MS + self._phase_ms
        return 88.0 - (88.0 - self._full_pct) * (since_ms % span_ms) / span_ms


def announcements(noise: Noise, every_min: int, first: int) -> Callable[[int], str]:
    """Announcements of a stop or a street: some in an hour, by day only, half a minute long."""

    def words(ts_ms: int) -> str:
        step, within_ms = divmod(ts_ms, every_min * MINUTE_MS)
        begins_ms = int(noise.flicker(step) * (every_min - 1)) * MINUTE_MS
        number = first + int(noise.flicker(step + 1) * 6)
        at_day = 6 * 60 <= minute_of_day(ts_ms) < 23 * 60
        playing = 0 <= within_ms - begins_ms < 40_000  # noqa: PLR2004 - ms
        return f"announcement-{number:04d}" if at_day and playing else ""

    return words
