"""Random logs of a small simulated city, for tests of the worker's fold.

A log is made from steps: small tuples, drawn by Hypothesis or by a seeded generator.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any, NamedTuple

import msgspec

from schemas.deadletters import REPLAY_BRIDGE
from schemas.envelope import envelope_headers, line_bytes, line_head

START_MS = 1_767_225_600_000
SECOND, MINUTE = 1000, 60_000

DEVICES = (
    ("stop-1", "ionizer", "ion-1"),
    ("stop-1", "thermometer", "th-1"),
    ("gate-2", "camera", "cam-1"),
    ("gate-2", "desk", "desk-1"),
    ("hall-3", "thermometer", "th-1"),
    ("hall-3", "speaker", "spk-1"),
)
WAITS_MS = (0, 40, 700, 1000, 1000, 4000, 9000, 13_000, 45_000, 70_000)
OUTAGES_MS = (5000, 5001, 20_000, 150_000)
SPEEDS = (60.0, 20.0, 1.0)
STEPS = (
    *("read",) * 9,
    *("wait",) * 6,
    *("again", "late", "skip", "fill", "boot", "reset", "status", "retained", "wrong"),
    *("outage", "speed", "bad", "back", "mended"),
)

Step = tuple[str, int, int]
"""What happens, to which device, and a number that means something else in each step."""


class Record(NamedTuple):
    """One record of the telemetry log."""

    timestamp_ms: int
    value: bytes
    headers: Sequence[tuple[str, bytes]]


def random_steps(seed: int, count: int) -> list[Step]:
    """Steps of a seeded generator."""
    random = Random(seed)
    return [
        (random.choice(STEPS), random.randrange(len(DEVICES)), random.randrange(1000))
        for _ in range(count)
    ]


class _Talker:
    """One device: its counters, and all that it has said."""

    def __init__(self, site: str, kind: str, device: str) -> None:
        self.kind = kind
        self.head = line_head(site, kind, device)
        self.boot = 5
        self.seq = 0
        self.skipped: list[int] = []
        self.said: list[dict[str, Any]] = []
        self.status: dict[str, Any] | None = None

    def reading(self, ts: int, number: int, *, seq: int | None = None) -> dict[str, Any]:
        if seq is None:
            seq = self.seq
            self.seq += 1
        made = {"ts": ts, "boot": self.boot, "seq": seq, **content(self.kind, number)}
        self.said.append(made)
        return made


def content(kind: str, number: int) -> dict[str, Any]:
    """A reading's own fields: a function of one number."""
    if kind == "ionizer":
        ozone = {} if number % 7 == 0 else {"ozone_ugm3": (number * 7) % 160 + 0.1}
        co2 = {"co2_ppm": (number * 31) % 2000} if number % 3 else {}
        return {"type": "air", "efficiency_pct": number % 101, **ozone, **co2, "people": number % 9}
    if kind == "thermometer":
        subject = ("ambient", "body", "water")[number % 3]
        return {"type": "temperature", "celsius": (number * 13) % 50 + 0.3, "subject": subject}
    if kind == "camera" and number % 2:
        way = "in" if number % 4 == 1 else "out"
        return {"type": "passage", "person": f"p-{number % 5}", "direction": way, "mask": True}
    if kind == "camera":
        return {"type": "scene", "people": number % 40, "fps": 25.0, "tamper": number % 6 == 0}
    if kind == "desk":
        event = ("opened", "called", "closed")[number % 3]
        return {"type": "ticket", "ticket": f"t-{number}", "service": "tax", "event": event}
    return {"type": "audio", "volume_pct": number % 101, "playing": number % 2 == 0}


class City:
    """Plays steps and keeps the log that they make."""

    def __init__(self, *, per_device_wrong_clock: bool = False) -> None:
        self.now_ms = START_MS
        self.log: list[Record] = []
        self.speed: float | None = None
        self._talkers = [_Talker(*device) for device in DEVICES]
        self._lines: list[bytes] = []
        # where set, only the speaker's clock is ever wrong, and its counters are never reset
        self._tame = per_device_wrong_clock

    def play(self, steps: Sequence[Step]) -> list[Record]:
        """The log of these steps."""
        for name, device, number in steps:
            getattr(self, f"_{name}")(self._talkers[device], number)
        self._send()
        return self.log

    def quiet(self, seconds: int, every_ms: int = SECOND) -> list[Record]:
        """Go on with nothing but ticks."""
        for _ in range(0, seconds * SECOND, every_ms):
            self.now_ms += every_ms
            self._tick()
        return self.log

    def _line(
        self, talker: _Talker, what: str, body: Any, at: int | None = None, age_ms: int = 0
    ) -> None:
        rx = (self.now_ms - age_ms) * 1000 + 7
        self._lines.append(
            line_bytes(talker.head, rx, what.encode(), msgspec.json.encode(body), at)
        )

    def _send(self, *, bridge: str = "test") -> None:
        if self._lines:
            headers = envelope_headers(bridge, len(self._lines))
            self.log.append(Record(self.now_ms, b"".join(self._lines), headers))
            self._lines = []

    def _tick(self) -> None:
        self.log.append(Record(self.now_ms, b"", envelope_headers("test", 0, self.speed)))

    def _read(self, talker: _Talker, number: int) -> None:
        for count in range(1 + number % 3 + 20 * (number % 17 == 0)):
            body = talker.reading(self.now_ms - number % 900 + count, number + count)
            self._line(talker, "reading", body)

    def _wait(self, _: _Talker, number: int) -> None:
        self._send()
        wait_ms = WAITS_MS[number % len(WAITS_MS)]
        while wait_ms > 0:
            self.now_ms += min(wait_ms, SECOND)
            wait_ms -= SECOND
            self._tick()

    def _outage(self, _: _Talker, number: int) -> None:
        self._send()
        self.now_ms += OUTAGES_MS[number % len(OUTAGES_MS)]
        if number % 2:
            self._tick()

    def _back(self, _: _Talker, number: int) -> None:
        # another bridge's record, with an older timestamp
        self._send()
        self.log.append(Record(self.now_ms - number, b"", envelope_headers("other", 0, self.speed)))

    def _speed(self, _: _Talker, number: int) -> None:
        self._send()
        self.speed = SPEEDS[number % len(SPEEDS)]
        self._tick()

    def _again(self, talker: _Talker, number: int) -> None:
        if talker.said:
            self._line(talker, "reading", talker.said[-1 - number % len(talker.said[-40:])])

    def _late(self, talker: _Talker, number: int) -> None:
        for count in range(1 + number % 4):
            ts = self.now_ms - (number % 5 + 1) ** 4 * 7000 + count * 3000
            self._line(talker, "reading", talker.reading(ts, number + count))

    def _mended(self, talker: _Talker, number: int) -> None:
        # a dead letter, replayed: under the time at which the bridge received it first
        self._send()
        age_ms = (number % 12 + 1) * 8_000 + number % 3
        if number % 5 == 0 and talker.status is not None:
            self._line(talker, "status", talker.status | {"ts": self.now_ms}, age_ms=age_ms)
        else:
            body = talker.reading(self.now_ms - age_ms, number)
            self._line(talker, "reading", body, age_ms=age_ms)
        self._send(bridge=REPLAY_BRIDGE)

    def _skip(self, talker: _Talker, number: int) -> None:
        count = 1 + number % 5
        talker.skipped += range(talker.seq, talker.seq + count)
        talker.seq += count

    def _fill(self, talker: _Talker, number: int) -> None:
        if talker.skipped:
            seq = talker.skipped.pop(number % len(talker.skipped))
            self._line(talker, "reading", talker.reading(self.now_ms - 2000, number, seq=seq))

    def _boot(self, talker: _Talker, number: int) -> None:
        talker.boot += 1 if number % 4 else 3
        talker.seq = 0
        talker.skipped = []

    def _reset(self, talker: _Talker, number: int) -> None:
        if self._tame and talker.kind == "speaker":
            return
        # what it says next is newer than all before, under a name that it had before
        self._send()
        self.now_ms += SECOND
        talker.seq = 0
        talker.skipped = []
        self._line(talker, "reading", talker.reading(self.now_ms, number))

    def _status(self, talker: _Talker, number: int) -> None:
        boot = talker.boot - (number % 5 == 0)
        state = "offline" if number % 2 else "online"
        talker.status = {"state": state, "ts": self.now_ms - number, "boot": boot}
        self._line(talker, "status", talker.status)

    def _retained(self, talker: _Talker, _: int) -> None:
        if talker.status is not None:
            self._line(talker, "status", talker.status)

    def _wrong(self, talker: _Talker, number: int) -> None:
        if self._tame and talker.kind != "speaker":
            return
        ts = (500_000 + self.now_ms % 10**7) if number % 2 else self.now_ms + 40_000_000
        self._line(talker, "reading", talker.reading(ts, number), at=self.now_ms - number % 50)

    def _bad(self, talker: _Talker, number: int) -> None:
        bad = (b"nonsense\n", b'{"site":"x"}\n', talker.head + b'1,"reading":{"type":"air"}}\n')
        self._lines.append(bad[number % len(bad)])
