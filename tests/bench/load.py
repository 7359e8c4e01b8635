"""The load of a bench: made once from a seeded city (simulated data), sent as often as wanted.

What is recorded are bytes. A replay changes only their dates (event times and boots, digit for
digit), because a reading of yesterday would take other paths than one of now. So every system
gets the same messages in the same order, and what each should have made of them can be told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from infra.simulator import City, Faults, SimulatorSettings
from infra.simulator.message import Meant

BEGAN_MS: Final = 1_750_000_000_000
"""When the recorded city began; a replay puts its own start in this place."""
_SITE: Final = re.compile(r"^(qala/v1/)([a-z0-9-]+)(/.+)$")
_DATES: Final = re.compile(rb'"(ts|boot)":(\s*)(\d{10,13})(?!\d)')
_YEAR_S: Final = 31_536_000


class Message(Struct, array_like=True, gc=False):
    """One MQTT message; ``due`` and ``stamp`` count readings from the start of the load.

    It is sent when reading ``due`` is, and bears the time of reading ``stamp``: an earlier one
    for what is sent again, or for the second of two readings of one millisecond.
    """

    topic: str
    payload: bytes
    meant: Meant
    readings: int
    rejected: int
    due: int
    stamp: int


class Load(Struct):
    """Recorded messages; ``rate`` is the readings a second that they were recorded at."""

    rate: float
    messages: list[Message]

    @property
    def readings(self) -> int:
        """Valid readings in all messages, those sent twice counted twice."""
        return sum(message.readings for message in self.messages)

    def save(self, path: Path) -> None:
        """Write it where a replay finds it."""
        path.write_bytes(msgspec.msgpack.encode(self))


def load(path: Path) -> Load:
    """Read what `Load.save` wrote."""
    return msgspec.msgpack.decode(path.read_bytes(), type=Load)


def record(
    *,
    count: int,
    devices: int,
    rate: float,
    seed: int = 1,
    faults: Faults | None = None,
    twins_every: int = 0,
    site_suffix: str = "",
    sites: int | None = None,
) -> Load:
    """``count`` readings of a city whose devices take turns.

    With ``twins_every`` each so many readings are two of one device in one millisecond, as a
    camera makes them of two people who pass together. ``site_suffix`` tells this load's rows
    from another one's.
    """
    settings = SimulatorSettings(
        devices=devices, sites=sites or max(4, devices // 25), seed=seed, faults=faults or Faults()
    )
    city = City(settings, BEGAN_MS * 1000)
    step_us = 1e6 / rate
    stamps = _stamps(count, devices, twins_every)
    slots: dict[bytes, int] = {}
    messages = []
    for due in range(count + 1):
        if due < count:
            stamp = stamps[due]
            leaving = city.advance([BEGAN_MS * 1000 + int(stamp * step_us)])
        else:
            stamp, leaving = count, city.flush()
        messages += [
            Message(
                _SITE.sub(rf"\g<1>\g<2>{site_suffix}\g<3>", made.topic),
                made.payload,
                made.meant,
                made.readings,
                made.rejected,
                due,
                slots.setdefault(made.payload, stamp),
            )
            for made in leaving
        ]
    return Load(rate, messages)


def _stamps(count: int, devices: int, twins_every: int) -> Sequence[int]:
    """The reading whose time each reading bears; devices take turns, so a twin is a round later."""
    stamps = list(range(count))
    if twins_every:
        for first in range(0, count - devices, twins_every):
            if first % (2 * devices) < devices:  # no twin of a twin
                stamps[first + devices] = first
    return stamps


def redated(message: Message, shift_ms: int, boot_shift_s: int) -> bytes:
    """The payload with its event times moved by ``shift_ms``; of another length never.

    Event times near 1970 stay: they are the clocks that are wrong.
    """

    def move(found: re.Match[bytes]) -> bytes:
        name, space, digits = found.groups()
        if name == b"ts":
            moved = int(digits) + shift_ms if len(digits) == 13 else int(digits)
        else:
            moved = int(digits) + boot_shift_s
        return b'"%b":%b%d' % (name, space, moved)

    return _DATES.sub(move, message.payload)


class Schedule(Struct, frozen=True):
    """When a load was, or will be, replayed: all that its bytes depend on."""

    start_ms: int
    rate: float

    def due_ms(self, slot: int) -> int:
        """When reading ``slot`` is sent, in ms since the epoch."""
        return self.start_ms + int(slot * 1000 / self.rate)

    def sent(self, recorded: Load) -> Iterator[tuple[Message, bytes]]:
        """Each message with the bytes that go out."""
        step_ms, boot_shift_s = 1000 / recorded.rate, (self.start_ms - BEGAN_MS) // 1000
        for message in recorded.messages:
            recorded_ms = BEGAN_MS + int(message.stamp * step_ms)
            yield message, redated(message, self.due_ms(message.stamp) - recorded_ms, boot_shift_s)
