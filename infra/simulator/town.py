"""The simulated city as people would know it: which sites it has, and what stands there.

A school with two entrances, bus stops, a street and an iQala centre, and as many more in the
same turn as are asked for. Every device speaks at its own pace (see `infra.simulator.own_pace`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from infra.simulator.centre import Centre
from infra.simulator.devices import SHORT, Device
from infra.simulator.local_time import (
    MINUTE_MS,
    SUNDAY,
    busy,
    local_day,
    minute_of_day,
    weekday,
)
from infra.simulator.noise import Noise
from infra.simulator.plans import DayPlan
from infra.simulator.samplers import Camera, Speaker, Subject, Thermometer, announcements
from infra.simulator.school import School, bells
from infra.simulator.settings import SimulatorSettings
from infra.simulator.spells import Spells
from infra.simulator.stop import Ionizer, Stop
from infra.simulator.talker import Talker
from infra.simulator.weather import Weather
from schemas.topics import mqtt_topic

PACE_MS: Final = {"camera": 8_000, "thermometer": 4_000, "ionizer": 5_000, "speaker": 8_000}
"""How often a device of a kind measures; a desk speaks only when something happens there."""

_SITES: Final[tuple[tuple[str, int], ...]] = (
    ("school", 59), ("stop", 7), ("street", 3), ("iqala", 2), ("stop", 8), ("stop", 9),
)  # fmt: skip
"""Sorts of sites and their first numbers, in turn."""
_STEP: Final = {"school": 1, "stop": 3, "street": 1, "iqala": 1}
"""From a site's number to that of the one in its place in the next turn."""
_STANDS: Final[dict[str, tuple[str, ...]]] = {
    "school": ("camera", "camera", "thermometer", "speaker", "thermometer", "camera"),
    "stop": ("ionizer", "thermometer", "speaker", "camera", "thermometer", "ionizer"),
    "street": ("camera", "camera", "thermometer", "speaker", "camera", "thermometer"),
    "iqala": ("desk", "desk", "camera", "thermometer", "desk", "camera"),
}
_SUBJECTS: Final[dict[str, tuple[Subject, ...]]] = {
    "school": ("room", "water"),
    "stop": ("ambient", "surface"),
    "street": ("surface", "ambient"),
    "iqala": ("room", "water"),
}
_ENTRANCES: Final = 2
_DRIFTING: Final = 0.25
_OFTEN_SURGING: Final = 2


def build_town(settings: SimulatorSettings, boot: int) -> list[tuple[Device, Talker]]:
    """The devices of a city, site by site in turn, as many as ``settings`` asks for."""
    town = _Town(settings, boot)
    sites = min(settings.sites, settings.devices)
    return [town.stands(place % sites, place // sites, place) for place in range(settings.devices)]


def site_name(place: int) -> str:
    """The name of a city's site with the number ``place``."""
    sort, first = _SITES[place % len(_SITES)]
    return f"{sort}-{first + place // len(_SITES) * _STEP[sort]:02d}"


class _Town:
    """What the devices of one city share: the weather, and what happens at each site."""

    def __init__(self, settings: SimulatorSettings, boot: int) -> None:
        self._settings = settings
        self._seed = settings.seed
        self._boot = boot
        self._weather = Weather(settings.seed)
        self._schools: dict[str, School] = {}
        self._stops: dict[str, Stop] = {}
        self._centres: dict[str, Centre] = {}
        self._ionizers = 0

    def stands(self, place: int, turn: int, number: int) -> tuple[Device, Talker]:
        """The device with the number ``turn`` at the site with the number ``place``."""
        sort = _SITES[place % len(_SITES)][0]
        site = site_name(place)
        kinds = _STANDS[sort]
        kind = kinds[turn % len(kinds)]
        nth = turn // len(kinds) * kinds.count(kind) + kinds[: turn % len(kinds)].count(kind)
        name = f"{SHORT[kind]}-{nth + 1:02d}"
        talker = self._talker(sort, site, kind, name, nth)
        device = Device(
            site=site,
            kind=kind,
            name=name,
            boot=self._boot,
            source=talker,
            lane=number % self._settings.connections,
            telemetry=mqtt_topic(site, kind, name, "telemetry"),
            status=mqtt_topic(site, kind, name, "status"),
        )
        return device, talker

    def _talker(self, sort: str, site: str, kind: str, name: str, nth: int) -> Talker:
        noise = Noise(self._seed, site, name)
        if kind == "thermometer":
            subjects = _SUBJECTS[sort]
            drifts = noise.flicker(0) < _DRIFTING
            subject = subjects[nth % len(subjects)]
            return Talker(Thermometer(self._weather, noise, subject, drifts=drifts))
        if kind == "ionizer":
            return Talker(self._ionizer(site, name, noise))
        if kind == "speaker":
            return Talker(self._speaker(sort, noise))
        if kind == "desk":
            return Talker(None, self._centre(site).desks[nth])
        return self._camera(sort, site, name, nth, noise)

    def _ionizer(self, site: str, name: str, noise: Noise) -> Ionizer:
        place = self._ionizers
        self._ionizers += 1
        surges = 1.2 if place % _OFTEN_SURGING == 0 else 0.1
        return Ionizer(
            self._weather,
            self._stop(site),
            noise,
            dips=Spells(self._seed, site, name, "dip", a_day=0.5, minutes=(3, 14)),
            surges=Spells(self._seed, site, name, "surge", a_day=surges, minutes=(4, 15)),
            place=place,
        )

    @staticmethod
    def _speaker(sort: str, noise: Noise) -> Speaker:
        if sort == "school":
            return Speaker(noise, _bell, loud_db=24)
        every, first = (12, 1) if sort == "stop" else (30, 11)
        return Speaker(noise, announcements(noise, every, first), loud_db=27)

    def _camera(self, sort: str, site: str, name: str, nth: int, noise: Noise) -> Talker:
        events = None
        if sort == "school" and nth < _ENTRANCES:
            events = self._school(site).doors[nth]
        spells = {
            "tamper": Spells(self._seed, site, name, "tamper", a_day=0.02, minutes=(2, 9)),
            "slow": Spells(self._seed, site, name, "slow", a_day=0.05, minutes=(4, 18)),
        }
        vehicles = {"street": 24.0, "stop": 6.0}.get(sort, 0.0)
        people = self._seen(sort, site, noise, events)
        camera = Camera(self._weather, noise, people, vehicles=vehicles, spells=spells)
        return Talker(camera, events)

    def _seen(
        self, sort: str, site: str, noise: Noise, events: DayPlan | None
    ) -> Callable[[int], float]:
        """How many people a camera sees at a moment."""
        if events is not None:
            return lambda ts_ms: events.around(ts_ms, MINUTE_MS // 2) + noise.flicker(ts_ms // 1000)
        if sort == "iqala":
            return self._centre(site).people
        if sort == "stop":
            return self._stop(site).people
        busiest = 15 + 35 * noise.flicker(12)
        return lambda ts_ms: (
            busy("people", ts_ms) * busiest * (0.6 + 0.8 * noise.flicker(ts_ms // 1000 + 6))
        )

    def _school(self, site: str) -> School:
        if site not in self._schools:
            self._schools[site] = School(self._seed, site, _ENTRANCES)
        return self._schools[site]

    def _stop(self, site: str) -> Stop:
        if site not in self._stops:
            self._stops[site] = Stop(Noise(self._seed, site))
        return self._stops[site]

    def _centre(self, site: str) -> Centre:
        """The centre of a site, with the desks that the city gives it."""
        if site not in self._centres:
            sites = min(self._settings.sites, self._settings.devices)
            place = next(place for place in range(sites) if site_name(place) == site)
            turns = len(range(place, self._settings.devices, sites))
            kinds = _STANDS["iqala"]
            desks = sum(kinds[turn % len(kinds)] == "desk" for turn in range(turns))
            self._centres[site] = Centre(self._seed, site, desks)
        return self._centres[site]


def _bell(ts_ms: int) -> str:
    if weekday(local_day(ts_ms)) == SUNDAY:
        return ""
    minute = minute_of_day(ts_ms)
    return "bell" if any(minute in bell for bell in bells()) else ""
