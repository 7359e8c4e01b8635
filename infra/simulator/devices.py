"""The simulated devices of a city: which there are, and how each writes its readings."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Final

from infra.simulator.message import Outgoing
from infra.simulator.seeds import seeded
from infra.simulator.settings import SimulatorSettings
from infra.simulator.values import Camera, Desk, Ionizer, Source, Speaker, Thermometer
from schemas.records import SIMULATED_FIRMWARE
from schemas.topics import mqtt_topic

SHORT: Final = {
    "camera": "cam",
    "thermometer": "thermo",
    "ionizer": "ion",
    "speaker": "speaker",
    "desk": "desk",
}
_SITES: Final[tuple[tuple[str, int, tuple[str, ...]], ...]] = (
    ("school", 59, ("camera", "thermometer", "speaker", "thermometer")),
    ("stop", 7, ("ionizer", "camera", "thermometer", "speaker")),
    ("street", 3, ("speaker", "camera", "thermometer", "camera")),
    ("iqala", 2, ("desk", "camera", "thermometer", "desk")),
)
"""Sorts of sites: the number of the first, and which kinds of devices stand there in turn."""
_SUBJECTS: Final = (None, "ambient", "water", "surface", None, "body")
_SWELLS_EVERY: Final = 3


@dataclass(slots=True)
class Device:
    """One simulated device: its name, its counters, and what faults do to it.

    Messages in ``waiting`` go out after so many more messages of the device; readings in
    ``kept`` belong to a late upload. ``quiet_until_us`` is on the simulation's clock.
    """

    site: str
    kind: str
    name: str
    boot: int
    source: Source
    lane: int
    telemetry: str
    status: str
    seq: int = 0
    sent: int = 0
    silent: bool = False
    resets: bool = False
    episode_at: int = 0
    quiet_until_us: int = 0
    waiting: list[tuple[int, Outgoing]] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    keep: int = 0
    age_ms: int = 0

    def says(self, state: str, now_ms: int) -> Outgoing:
        """Its retained status."""
        payload = b'{"state":"%b","ts":%d,"boot":%d,"firmware":"%b"}' % (
            state.encode(), now_ms, self.boot, SIMULATED_FIRMWARE.encode(),
        )  # fmt: skip
        return Outgoing(self.lane, self.status, payload, "status", readings=0, retain=True)

    def reading(self, ts_ms: int) -> str:
        """The device's next reading, with its event time, as JSON."""
        seq = self.seq
        self.seq = seq + 1
        kind, fields = self.source.draw(ts_ms)
        return f'{{"type":"{kind}","ts":{ts_ms},"boot":{self.boot},"seq":{seq},{fields}}}'


def build_devices(settings: SimulatorSettings, boot: int) -> list[Device]:
    """The devices of a city, in the order in which they take turns.

    Five devices on four sites have one of each kind.
    """
    sites = min(settings.sites, settings.devices)
    devices = [
        _device(settings, boot, place % sites, place // sites, place)
        for place in range(settings.devices)
    ]
    choose_faulty(settings, devices)
    return devices


def choose_faulty(settings: SimulatorSettings, devices: list[Device]) -> None:
    """Choose by the seed which devices fall silent, and which others lose their counters."""
    rng = seeded(settings.seed, "devices")
    shuffled = rng.sample(devices, len(devices))
    silent = _some(settings.faults.silent, len(devices))
    resets = _some(settings.faults.reset, len(devices))
    for device in shuffled[:silent]:
        device.silent = True
    for device in shuffled[silent : silent + resets]:
        device.resets = True
    for device in shuffled[: silent + resets]:
        device.episode_at = rng.randrange(5, 40)


def _some(share: float, among: int) -> int:
    return max(1, round(share * among)) if share else 0


def _device(settings: SimulatorSettings, boot: int, place: int, turn: int, number: int) -> Device:
    sort, first, kinds = _SITES[place % len(_SITES)]
    row = place // len(_SITES)
    site = f"{sort}-{first + row:02d}"
    kind = kinds[turn % len(kinds)]
    cycle = turn // len(kinds) * kinds.count(kind)
    name = f"{SHORT[kind]}-{cycle + kinds[: turn % len(kinds)].count(kind) + 1:02d}"
    rng = seeded(settings.seed, site, name)
    return Device(
        site=site,
        kind=kind,
        name=name,
        boot=boot,
        source=_source(kind, site, name, rng, row + turn),
        lane=number % settings.connections,
        telemetry=mqtt_topic(site, kind, name, "telemetry"),
        status=mqtt_topic(site, kind, name, "status"),
    )


def _source(kind: str, site: str, name: str, rng: Random, number: int) -> Source:
    if kind == "camera":
        return Camera(rng, entrance=site.startswith(("school", "iqala")))
    if kind == "thermometer":
        return Thermometer(rng, rng.choice(_SUBJECTS))
    if kind == "ionizer":
        return Ionizer(rng, swells=number % _SWELLS_EVERY == 0)
    if kind == "speaker":
        return Speaker(rng)
    return Desk(rng, f"{site}-{name}")
