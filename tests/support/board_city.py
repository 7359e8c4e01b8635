"""A small city's last three hours, as rows: every measurement that a board asks for.

Readings go through the worker's real fold and the sink's real rows and encoders, so what
boards read here is what they would read behind real stages.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from schemas.envelope import Headers, envelope_headers, line_bytes, line_head
from schemas.lineprotocol import telemetry_row, worker_row
from schemas.topics import TELEMETRY
from sinks.chat_groups import Channel, rows_of
from sinks.pipeline import PipelineReport
from sinks.rows import RowMaker
from streams.partition import Partition
from streams.rulefile import default_rules, load_rules

SECOND, MINUTE, HOUR = 1000, 60_000, 3_600_000
STEP_MS = 10_000
STEPS = 3 * HOUR // STEP_MS

Device = tuple[str, str, str]
"""Site, kind, device."""
GATE: Device = ("school-1", "camera", "gate-a")
STREET: Device = ("street-1", "camera", "cam-1")
STOP: Device = ("stop-1", "ionizer", "ion-1")
SILENT: Device = ("stop-2", "ionizer", "ion-2")
THERMOMETER: Device = ("stop-1", "thermometer", "th-1")
WRONG_CLOCK: Device = ("stop-2", "thermometer", "th-2")
SPEAKER: Device = ("stop-1", "speaker", "spk-1")
OFFLINE: Device = ("stop-2", "speaker", "spk-2")
DESK: Device = ("centre-1", "desk", "desk-1")
DEVICES = (GATE, STREET, STOP, SILENT, THERMOMETER, WRONG_CLOCK, SPEAKER, OFFLINE, DESK)
QUIET_FROM = STEPS - 180
"""The step from which two devices say nothing more: half an hour before the end."""


class BoardCity:
    """Rows by retention policy, of three hours that end at ``end_ms``."""

    def __init__(self, end_ms: int) -> None:
        self.end_ms = end_ms
        self.start_ms = end_ms - STEPS * STEP_MS
        self.rows: dict[str, list[str]] = defaultdict(list)
        self._seqs: dict[Device, int] = dict.fromkeys(DEVICES, 0)
        self._makers = RowMaker(1000)
        self._part = Partition(0, 1, load_rules(default_rules()))
        self._offset = 0
        for step in range(STEPS + 1):
            self._live(step)
        self._report()

    def _live(self, step: int) -> None:
        """One step: an envelope of what all devices say, and two ticks."""
        at_ms = self.start_ms + step * STEP_MS
        self._record(at_ms - 8000, b"")
        self._record(at_ms - 4000, b"")
        self._record(at_ms, b"".join(self._lines(step, at_ms)))
        if at_ms > self.end_ms - HOUR:
            self.rows["raw"].append(telemetry_row(0, 1, at_ms))

    def _record(self, at_ms: int, value: bytes) -> None:
        headers: Headers = envelope_headers("bridge-1", value.count(b"\n"))
        self._keep(self._makers.rows(TELEMETRY, value, self.end_ms).by_policy)
        for output in self._part.fold(self._offset, at_ms, value, headers):
            made = self._makers.rows(output.topic, output.value, self.end_ms)
            self._keep(made.by_policy)
            if made.progress:
                self.rows["raw"].append(worker_row(made.progress, 0.4))
        self._offset += 1

    def _keep(self, by_policy: dict[str, list[str]]) -> None:
        for policy, rows in by_policy.items():
            self.rows[policy] += rows

    def _lines(self, step: int, at_ms: int) -> Iterator[bytes]:
        if step == 0:
            status = {"state": "online", "ts": at_ms, "boot": 1, "firmware": "simulated"}
            yield self._line(STREET, at_ms, "status", status)
        for device in DEVICES:
            if step >= QUIET_FROM and device in {SILENT, OFFLINE}:
                if step == QUIET_FROM and device == OFFLINE:
                    status = {"state": "offline", "ts": at_ms, "boot": 1}
                    yield self._line(device, at_ms, "status", status)
                continue
            for reading in _readings(device, step):
                late_ms = 25_000 if device == THERMOMETER and step % 30 == 7 else 0
                line = self._reading(device, at_ms - 300 - late_ms, at_ms, reading)
                yield line
                if step % 25 == 0:
                    yield line

    def _reading(self, device: Device, ts: int, at_ms: int, reading: dict[str, Any]) -> bytes:
        self._seqs[device] += 2 if self._seqs[device] % 97 == 96 else 1
        at = at_ms - 10 if device == WRONG_CLOCK else None
        ahead_ms = 90_000 if device == WRONG_CLOCK else 0
        head = {"ts": ts + ahead_ms, "boot": 1, "seq": self._seqs[device]}
        return self._line(device, at_ms, "reading", reading | head, at)

    def _line(
        self, device: Device, at_ms: int, what: str, body: dict[str, Any], at: int | None = None
    ) -> bytes:
        rx_us = (at_ms - 10) * 1000
        return line_bytes(line_head(*device), rx_us, what.encode(), json.dumps(body).encode(), at)

    def _report(self) -> None:
        """What the sink says of itself and of bridges, every 10 s of the last ten minutes."""
        first_ms = self.end_ms - 10 * MINUTE
        report = PipelineReport("sink-1", (first_ms - STEP_MS) * 1_000_000)
        for told, at_ms in enumerate(range(first_ms, self.end_ms + 1, STEP_MS), start=1):
            report.delay(0.08)
            report.age(0.4)
            report.tick("bridge-1", at_ms - 700)
            report.envelope("bridge-1", 12, 2400)
            report.letter("out_of_range", "bridge-1")
            counters = {"received": told * 12.0, "accepted": told * 12.0, "expired": 0.0}
            lag = {f"qala.{name}.v1": 3 for name in ("telemetry", "rollups", "alerts", "devices")}
            self.rows["raw"] += report.rows(at_ms * 1_000_000, counters | {"rejected": 0.0}, lag)
            self.rows["raw"] += rows_of([Channel("json-1", 1, 0)], at_ms * 1_000_000)


def _readings(device: Device, step: int) -> list[dict[str, Any]]:
    """What a device says in a step."""
    to_end = STEPS - step
    wave = step % 30 / 30
    match device:
        case ("school-1", _, _):
            return [_passage(step, "in"), _passage(step + 1, "out")]
        case (_, "camera", _):
            return [
                {"type": "scene", "people": step % 7, "vehicles": step % 5, "fps": 25.0}
                | {"motion": wave, "bitrate_kbps": 2000 + 100 * wave}
                | {"storage_free_pct": 60 - 10 * wave, "tamper": to_end < 6}
            ]
        case (_, "ionizer", _):
            ozone = 130.0 if to_end < 30 or 300 < to_end < 330 else 30 + 20 * wave
            return [
                {"type": "air", "efficiency_pct": 99.95, "ions_cm3": 2e5, "ozone_ugm3": ozone}
                | {"pm25_ugm3": 12.0, "co2_ppm": 480.0, "filter_hours": 4100.0}
                | {"power_w": 38.0, "people": step % 4}
            ]
        case (_, "thermometer", _):
            subject = {"subject": "surface"} if device == WRONG_CLOCK else {}
            return [{"type": "temperature", "celsius": 18 + wave, "humidity_pct": 55.0} | subject]
        case (_, "speaker", _):
            return [
                {"type": "audio", "volume_pct": 40.0, "playing": step % 2 == 0, "queue": step % 3}
                | {"noise_db": 55 + 5 * wave, "announcement": f"a-{step}"}
            ]
        case _:
            return _tickets(step)


def _passage(step: int, direction: str) -> dict[str, Any]:
    return {
        "type": "passage",
        "person": f"simulated-{step % 90}",
        "direction": direction,
        "mask": step % 3 != 0,
        "body_celsius": 36.4 + (step % 8) / 10,
        "confidence": 0.97,
    }


def _tickets(step: int) -> list[dict[str, Any]]:
    service = ("water", "heat")[step % 2]
    events = ["opened"]
    events += ["called"] if step % 3 == 1 else []
    events += ["closed"] if step % 4 == 1 else []
    events += ["abandoned"] if step % 10 == 1 else []
    return [
        {"type": "ticket", "ticket": f"t-{step}-{event}", "service": service, "event": event}
        for event in events
    ]
