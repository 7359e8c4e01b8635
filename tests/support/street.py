"""A partition with a hand on its clock, for tests that say what happens when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from schemas import topics
from schemas.deadletters import REPLAY_BRIDGE
from schemas.envelope import envelope_headers, line_bytes, line_head
from schemas.readings import KIND_OF_TYPE
from schemas.records import (
    Alert,
    DeviceRecord,
    Rollup,
    Throughput,
    WorkerProgress,
    decode_alert,
    decode_device,
    decode_rollup,
)
from streams.outputs import Output
from streams.partition import ExpectedDevice, Partition
from streams.rules import RuleSet
from tests.support.cities import START_MS
from tests.support.folds import NO_RULES, partition

SITE = "stop-1"


class Street:
    """One site, whose log is written and folded step by step.

    ``seconds`` and ``ms`` are since `START_MS`, which begins a window of every length.
    """

    def __init__(self, rules: RuleSet = NO_RULES, expected: Sequence[ExpectedDevice] = ()) -> None:
        self.part: Partition = partition(rules, expected)
        self.ms = 0
        self.outputs: list[Output] = []
        self._seqs: dict[str, int] = {}

    def ticks(self, seconds: int, *, speed: float | None = None) -> None:
        """Let time pass, with a tick a second as a bridge gives it."""
        for _ in range(seconds):
            self.ms += 1000
            self.fold(b"", envelope_headers("test", 0, speed))

    def outage(self, seconds: float) -> None:
        """Let time pass without any record, then a tick."""
        self.ms += int(seconds * 1000)
        self.fold(b"")

    def send(self, *lines: bytes) -> None:
        """Fold one envelope."""
        self.fold(b"".join(lines))

    def fold(self, value: bytes, headers: Sequence[tuple[str, bytes]] = ()) -> None:
        """Fold one record as it is, now."""
        part = self.part
        self.outputs += part.fold(part.last + 1, START_MS + self.ms, value, headers)

    def replays(self, *lines: bytes) -> None:
        """Fold one envelope of dead letters that were mended."""
        self.fold(b"".join(lines), envelope_headers(REPLAY_BRIDGE, len(lines)))

    def says(self, device: str, reading_type: str, **fields: Any) -> None:
        """A device sends one reading with the next seq, of now where ``ms`` doesn't say when."""
        self.send(self.line(device, reading_type, **fields))

    def line(
        self,
        device: str,
        reading_type: str,
        *,
        ms: int | None = None,
        at: int | None = None,
        site: str = SITE,
        **fields: Any,
    ) -> bytes:
        """A reading's line; ``ms`` is its event time, ``at`` stands where that is not believed."""
        body = {
            "type": reading_type,
            "ts": START_MS + (self.ms if ms is None else ms),
            "boot": fields.pop("boot", 1),
            "seq": fields.pop("seq", self._seqs.get(device, 0)),
            **fields,
        }
        self._seqs[device] = body["seq"] + 1
        head = line_head(site, KIND_OF_TYPE[reading_type], device)
        rx = (START_MS + self.ms) * 1000
        return line_bytes(
            head, rx, b"reading", msgspec.json.encode(body), None if at is None else START_MS + at
        )

    def status(self, device: str, state: str, *, boot: int = 1, ts: int = 0) -> None:
        """A device's status, which its broker gives out now."""
        body = msgspec.json.encode({"state": state, "ts": ts, "boot": boot})
        head = line_head(SITE, "thermometer", device)
        self.send(line_bytes(head, (START_MS + self.ms) * 1000, b"status", body))

    def alerts(self) -> list[Alert]:
        """All state changes of alerts so far."""
        return [decode_alert(one.value) for one in self.outputs if one.topic == topics.ALERTS]

    def devices(self) -> list[DeviceRecord]:
        """All device records so far."""
        return [decode_device(one.value) for one in self.outputs if one.topic == topics.DEVICES]

    def rollups(self) -> list[Rollup]:
        """All rows of windows of readings so far."""
        return [row for row in self._rows() if isinstance(row, Rollup)]

    def throughput(self, window: str = "10s") -> list[Throughput]:
        """All rows of throughput so far."""
        rows = [row for row in self._rows() if isinstance(row, Throughput)]
        return [row for row in rows if row.window == window]

    def progress(self) -> list[WorkerProgress]:
        """How far the worker was, each time that it said so."""
        return [row for row in self._rows() if isinstance(row, WorkerProgress)]

    def dead_letters(self) -> list[Output]:
        """All dead letters so far."""
        return [one for one in self.outputs if one.topic == topics.DEAD_LETTERS]

    def _rows(self) -> list[Rollup | Throughput | WorkerProgress]:
        return [decode_rollup(one.value) for one in self.outputs if one.topic == topics.ROLLUPS]

    def record(self, device: str) -> DeviceRecord:
        """What is known of a device now."""
        found = self.part.sites[SITE].devices[device]
        found.catch_up()
        return found.record(self.part.clock.now_ms, self.part.clock.speed)

    def state(self, device: str) -> str:
        """The state of a device now."""
        return self.record(device).state
