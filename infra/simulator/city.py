"""The city's readings in their order: which device sends next, and what goes wrong with it.

Pure and seeded: the same settings and start give the same messages. Delays are counted in
messages of the device, not in time, so they don't depend on how fast the broker is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from infra.simulator.devices import Device, build_devices
from infra.simulator.faults import malformed, malformed_element, quirk, wrong_ts_ms
from infra.simulator.message import Meant, Outgoing
from infra.simulator.seeds import seeded
from infra.simulator.settings import SimulatorSettings
from infra.words import counted
from schemas.readings import MAX_ARRAY

_OLDEST_MS: Final = 6 * 3_600_000
_SWAP_WITHIN: Final = 4
_REPEAT_WITHIN: Final = 20


class City:
    """All devices, taking turns; every call gives the messages that leave by it."""

    late_messages: ClassVar = 15
    """Mean length of a late upload, in messages."""

    def __init__(
        self, settings: SimulatorSettings, start_us: int, devices: list[Device] | None = None
    ) -> None:
        """``devices`` are those that ``settings`` asks for where none are given."""
        self.settings = settings
        self.devices = devices or build_devices(settings, start_us // 1_000_000)
        self.readings = 0
        """Distinct valid readings made so far."""
        self._rng = seeded(settings.seed, "faults")
        self._number = 0
        self._turn = 0
        faults = settings.faults
        self._limits: list[tuple[float, Meant]] = []
        limit = 0.0
        shares: tuple[tuple[Meant, float], ...] = (
            ("duplicate", faults.duplicates),
            ("disorder", faults.disorder),
            ("late", faults.late / self.late_messages),
            ("malformed", faults.malformed),
            ("wrong_clock", faults.wrong_clock),
            ("quirk", faults.quirks),
        )
        for meant, share in shares:
            limit += share
            self._limits.append((limit, meant))
        self._faulty = limit > 0 or any(one.silent or one.resets for one in self.devices)

    def statuses(self, state: str, now_ms: int) -> list[Outgoing]:
        """A retained status of every device (no reading)."""
        return [one.says(state, now_ms) for one in self.devices]

    def advance(self, times_us: Sequence[int]) -> list[Outgoing]:
        """The next ``len(times_us)`` readings, with these event times (µs, ascending).

        Fewer where all devices are silent: what nobody measures is not made up.
        """
        out: list[Outgoing] = []
        batch = self.settings.batch
        for first in range(0, len(times_us), batch):
            turn = times_us[first : first + batch]
            device = self._next_heard(turn[0])
            if device is None:
                continue
            self.readings += len(turn)
            times_ms = [us // 1000 for us in turn]
            if self._faulty:
                self._send(device, times_ms, out)
                if device.episode_at and device.sent >= device.episode_at:
                    self._begin_silence(device, turn[-1])
            else:
                out.append(self._plain(device, times_ms))
        return out

    def flush(self) -> list[Outgoing]:
        """Everything that devices still hold back; call it at the end."""
        out: list[Outgoing] = []
        for device in self.devices:
            if device.kept:
                out.append(self._upload(device))
            out.extend(message for _, message in device.waiting)
            device.waiting.clear()
        return out

    def _next_heard(self, now_us: int) -> Device | None:
        """The next device that is not silent, or None where all are."""
        devices = self.devices
        for step in range(self._turn, self._turn + len(devices)):
            device = devices[step % len(devices)]
            if device.quiet_until_us <= now_us:
                self._turn = (step + 1) % len(devices)
                return device
        return None

    def _plain(self, device: Device, times_ms: Sequence[int], meant: Meant = "valid") -> Outgoing:
        if len(times_ms) == 1:
            return Outgoing(
                device.lane, device.telemetry, device.reading(times_ms[0]).encode(), meant
            )
        body = ",".join([device.reading(ms) for ms in times_ms])
        return Outgoing(
            device.lane, device.telemetry, f"[{body}]".encode(), meant, readings=len(times_ms)
        )

    def _send(self, device: Device, times_ms: list[int], out: list[Outgoing]) -> None:
        device.sent += 1
        draw = self._rng.random()
        meant = next((meant for limit, meant in self._limits if draw < limit), None)
        if device.keep:
            self._keep(device, times_ms, out)
        elif meant == "malformed":
            self._spoil(device, times_ms, out)
        elif meant is None or device.resets:
            # a device that loses its counters has no older readings under way: names that
            # came before and after the loss could not be told apart
            out.append(self._plain(device, times_ms))
        else:
            self._fault(meant, device, times_ms, out)
        if device.waiting:
            self._release(device, out)

    def _begin_silence(self, device: Device, now_us: int) -> None:
        rng = self._rng
        if device.resets:
            device.seq = 0
            device.quiet_until_us = now_us + rng.randrange(3_000_000, 10_000_000)
        else:
            device.quiet_until_us = now_us + rng.randrange(30_000_000, 120_000_000)
        device.episode_at = device.sent + rng.randrange(40, 200)

    def _fault(
        self, meant: Meant, device: Device, times_ms: list[int], out: list[Outgoing]
    ) -> None:
        rng = self._rng
        if meant == "late":
            device.keep, device.age_ms = self._lateness()
            self._keep(device, times_ms, out)
        elif meant == "wrong_clock":
            wrong = [wrong_ts_ms(rng, ms) for ms in times_ms]
            out.append(self._plain(device, wrong, meant))
        elif meant == "quirk":
            bodies = b",".join(quirk(rng, device, device.reading(ms)) for ms in times_ms)
            payload = bodies if len(times_ms) == 1 else b"[" + bodies + b"]"
            out.append(Outgoing(device.lane, device.telemetry, payload, meant, len(times_ms)))
        elif meant == "disorder":
            message = self._plain(device, times_ms, meant)
            device.waiting.append((rng.randrange(1, _SWAP_WITHIN), message))
        else:
            message = self._plain(device, times_ms)
            again = Outgoing(
                message.lane, message.topic, message.payload, "duplicate", message.readings
            )
            out.append(message)
            device.waiting.append((rng.choice((0, rng.randrange(1, _REPEAT_WITHIN))), again))

    def _lateness(self) -> tuple[int, int]:
        """For how many messages a device keeps its readings, and how much older they are (ms)."""
        rng = self._rng
        keep = rng.randrange(self.late_messages // 2, self.late_messages * 3 // 2)
        age_ms = rng.choice((0, rng.randrange(60_000, 900_000), rng.randrange(_OLDEST_MS)))
        return keep, age_ms

    def _keep(self, device: Device, times_ms: list[int], out: list[Outgoing]) -> None:
        device.kept.extend(device.reading(ms - device.age_ms) for ms in times_ms)
        device.keep -= 1
        if device.keep <= 0 or len(device.kept) + len(times_ms) > MAX_ARRAY:
            out.append(self._upload(device))

    @staticmethod
    def _upload(device: Device) -> Outgoing:
        payload = f"[{','.join(device.kept)}]".encode()
        message = Outgoing(
            device.lane, device.telemetry, payload, "late", readings=len(device.kept)
        )
        device.kept, device.keep = [], 0
        return message

    def _spoil(self, device: Device, times_ms: list[int], out: list[Outgoing]) -> None:
        """A malformed message beside the good one, or a bad element inside its array."""
        rng = self._rng
        self._number += 1
        if 1 < len(times_ms) < MAX_ARRAY and rng.random() < 0.5:  # noqa: PLR2004 - half of them
            parts = [device.reading(ms).encode() for ms in times_ms]
            place = rng.randrange(len(parts) + 1)
            parts.insert(place, malformed_element(rng, device, times_ms[0], self._number))
            payload = b"[" + b",".join(parts) + b"]"
            out.append(
                Outgoing(device.lane, device.telemetry, payload, "malformed",
                         readings=len(times_ms), rejected=1, bad=(place,))
            )  # fmt: skip
            return
        out.append(malformed(rng, device, times_ms[0], self._number))
        out.append(self._plain(device, times_ms))

    @staticmethod
    def _release(device: Device, out: list[Outgoing]) -> None:
        """Let go what has waited for enough messages of its device."""
        later = []
        for left, message in device.waiting:
            if left <= 0:
                out.append(message)
            else:
                later.append((left - 1, message))
        device.waiting = later


def describe(settings: SimulatorSettings) -> str:
    """One line for logs and screens: which simulated city this is."""
    if settings.rate is None:
        pace = "each at its own pace"
    else:
        pace = f"{settings.rate:g} readings/s" if settings.rate else "full speed"
    return (
        f"simulated city of {counted(settings.devices, 'device')} on "
        f"{counted(min(settings.sites, settings.devices), 'site')}, {pace}, "
        f"seed {settings.seed}, {_fault_words(settings)}"
    )


def _fault_words(settings: SimulatorSettings) -> str:
    """``faults: late 0.2 %, malformed 1 %``, or ``no faults``."""
    shares = settings.faults.model_dump().items()
    active = [f"{name.replace('_', ' ')} {share * 100:g} %" for name, share in shares if share]
    return f"faults: {', '.join(active)}" if active else "no faults"
