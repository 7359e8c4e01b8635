"""The simulated city at its own pace: every device speaks when it measures or something happens.

Pure: given how far the time has come, it gives the messages up to then in the order of their
times. What a device measures follows from the seed and the time; what goes wrong with it
follows from the seed, the settings' faults and, for longer troubles, from the day.
"""

from __future__ import annotations

from heapq import heapify, heapreplace
from typing import ClassVar, Final

from infra.simulator.city import City
from infra.simulator.devices import Device, choose_faulty
from infra.simulator.local_time import DAY_MS, OFFSET_MS, local_day
from infra.simulator.message import Outgoing
from infra.simulator.noise import salt_of
from infra.simulator.plans import NEVER_MS
from infra.simulator.settings import SimulatorSettings
from infra.simulator.talker import Talker
from infra.simulator.town import PACE_MS, build_town
from infra.simulator.troubles import Troubles

_SECOND_US: Final = 1_000_000
_LONG: Final = 0.1
"""Share of late uploads that come after minutes."""


class Voice:
    """One device and when it speaks next (``due_ms``)."""

    __slots__ = ("device", "due_ms", "every_ms", "next_day_ms", "sample_ms", "talker", "troubles")

    def __init__(
        self, device: Device, talker: Talker, troubles: Troubles, every_ms: int, salt: int
    ) -> None:
        """``every_ms`` is 0 for a device that only tells events; ``salt`` places its samples."""
        self.device = device
        self.talker = talker
        self.every_ms = every_ms
        self.sample_ms = salt % every_ms if every_ms else NEVER_MS
        self.next_day_ms = 0
        self.due_ms = 0
        self.troubles = troubles

    def begin(self, now_ms: int) -> None:
        """Let the first word be after ``now_ms``."""
        if self.every_ms:
            passed = (now_ms - self.sample_ms) // self.every_ms + 1
            self.sample_ms += passed * self.every_ms
        if self.talker.events is not None:
            self.talker.events.begin(now_ms)
            self.next_day_ms = (local_day(now_ms) + 1) * DAY_MS - OFFSET_MS
        self._look_ahead()

    def step(self) -> bool:
        """Come to ``due_ms``; whether there is something to say then (see `Talker.draw`)."""
        now_ms, events = self.due_ms, self.talker.events
        speaks = False
        if events is not None and now_ms >= self.next_day_ms:
            events.turn(local_day(now_ms))
            self.next_day_ms += DAY_MS
        if events is not None and events.next_ms() == now_ms:
            self.talker.happened(events.pop())
            speaks = True
        elif now_ms == self.sample_ms:
            self.sample_ms += self.every_ms
            speaks = True
        self._look_ahead()
        return speaks

    def _look_ahead(self) -> None:
        events = self.talker.events
        if events is None:
            self.due_ms = self.sample_ms
        else:
            self.due_ms = min(self.sample_ms, events.next_ms(), self.next_day_ms)


class OwnPace(City):
    """The city whose devices don't wait for their turn."""

    late_messages: ClassVar = 4

    def __init__(self, settings: SimulatorSettings, start_us: int, *, times: int = 1) -> None:
        """``times`` as long between two samples as in a live city."""
        built = build_town(settings, start_us // _SECOND_US)
        devices = [device for device, _ in built]
        choose_faulty(settings, devices)
        super().__init__(settings, start_us, devices)
        self._voices = []
        for place, (device, talker) in enumerate(built):
            every_ms = PACE_MS.get(device.kind, 0) * times if talker.sampler else 0
            salt = salt_of(settings.seed, device.site, device.name)
            voice = Voice(device, talker, Troubles(settings.seed, device, place), every_ms, salt)
            device.resets = device.resets or voice.troubles.resets
            voice.begin(start_us // 1000)
            self._voices.append(voice)
        self._queue = [(voice.due_ms, place) for place, voice in enumerate(self._voices)]
        heapify(self._queue)

    def until(self, now_us: int, at_most: int | None = None) -> list[Outgoing]:
        """The messages of everything up to ``now_us``; ends early after ``at_most`` readings."""
        out: list[Outgoing] = []
        queue, voices = self._queue, self._voices
        now_ms = now_us // 1000
        left = -1 if at_most is None else at_most
        while left and queue[0][0] <= now_ms:
            due_ms, place = queue[0]
            voice = voices[place]
            speaks = voice.step()
            heapreplace(queue, (voice.due_ms, place))
            if speaks and self._says(voice, due_ms, out):
                left -= 1
        return out

    def _says(self, voice: Voice, due_ms: int, out: list[Outgoing]) -> bool:
        device, troubles = voice.device, voice.troubles
        out += troubles.begun(due_ms)
        if troubles.silent(due_ms) or device.quiet_until_us > due_ms * 1000:
            voice.talker.forget()
            return False
        self.readings += 1
        off_ms = troubles.clock_off_ms(due_ms)
        if off_ms:
            out.append(self._plain(device, [due_ms + off_ms], "wrong_clock"))
        elif self._faulty:
            self._send(device, [due_ms], out)
            if device.episode_at and device.sent >= device.episode_at:
                self._begin_silence(device, due_ms * 1000)
        else:
            out.append(self._plain(device, [due_ms]))
        return True

    def _lateness(self) -> tuple[int, int]:
        # mostly a hiccup of one message; and no older than that: what such a device measures
        # at another time is told by another reading
        rng = self._rng
        return (rng.randrange(10, 31) if rng.random() < _LONG else 2), 0
