"""One believable payload for each published schema; its persons and places are made up."""

from __future__ import annotations

from typing import Any, Final

_TS: Final = 1_767_225_600_000
_RX: Final = 1_767_225_600_123_456
_HEAD: Final = {"ts": _TS, "boot": 1_767_200_000, "seq": 42}
_COMMAND: Final = "00000000-0000-4000-8000-000000000001"

_READINGS: Final[dict[str, dict[str, Any]]] = {
    "passage.json": {
        "type": "passage",
        **_HEAD,
        "person": "example-person-1",
        "direction": "in",
        "mask": False,
        "body_celsius": 36.6,
        "confidence": 0.98,
    },
    "scene.json": {
        "type": "scene",
        **_HEAD,
        "people": 17,
        "vehicles": 3,
        "motion": 0.4,
        "fps": 25.0,
        "bitrate_kbps": 4096.0,
        "storage_free_pct": 61.5,
        "tamper": False,
    },
    "temperature.json": {
        "type": "temperature",
        **_HEAD,
        "celsius": 21.4,
        "subject": "ambient",
        "humidity_pct": 48.0,
    },
    "air.json": {
        "type": "air",
        **_HEAD,
        "efficiency_pct": 93.5,
        "ions_cm3": 250000.0,
        "ozone_ugm3": 31.0,
        "pm25_ugm3": 8.4,
        "co2_ppm": 450.0,
        "filter_hours": 1200.0,
        "power_w": 35.0,
        "people": 6,
    },
    "audio.json": {
        "type": "audio",
        **_HEAD,
        "volume_pct": 60.0,
        "playing": True,
        "announcement": "tram-delay",
        "queue": 1,
        "noise_db": 58.2,
    },
    "ticket.json": {
        "type": "ticket",
        **_HEAD,
        "ticket": "A-017",
        "service": "id-card",
        "event": "called",
    },
}

_STATUS: Final = {"state": "online", "ts": _TS, "boot": 1_767_200_000, "firmware": "1.4.2"}
_REPLY: Final = {"command": _COMMAND, "status": "delivered", "ts": _TS}
_CONTROL: Final = {"action": "acknowledge", "by": "operator", "ts": _TS, "alert": "0123abcd"}
_ORIGIN: Final = {"site": "stop-1", "kind": "ionizer", "device": "ion-1", "rx": _RX}
_STATS: Final = [3, 93.0, 30.0, 32.0]

EXAMPLES: Final[dict[str, list[Any]]] = {
    **{name: [reading] for name, reading in _READINGS.items()},
    "reading.json": list(_READINGS.values()),
    "telemetry.json": [
        {"type": "temperature", **_HEAD, "celsius": 21.4},
        [{"type": "temperature", **_HEAD, "seq": seq, "celsius": 21.4} for seq in (42, 43)],
    ],
    "status.json": [_STATUS],
    "reply.json": [_REPLY],
    "command.json": [{"command": _COMMAND, "action": "announce", "expires": _TS + 60_000}],
    "control.json": [_CONTROL],
    "envelope-line.json": [
        {**_ORIGIN, "reading": _READINGS["air.json"]},
        {**_ORIGIN, "at": _TS, "reading": {**_READINGS["air.json"], "ts": 0}},
        {**_ORIGIN, "status": _STATUS},
        {**_ORIGIN, "kind": "speaker", "reply": _REPLY},
        {**_ORIGIN, "control": _CONTROL},
    ],
    "envelope-headers.json": [{"bridge": "bridge-1", "n": "115"}],
    "rollup.json": [
        {
            "row": "rollup",
            "type": "air",
            "window": "10s",
            "site": "stop-1",
            "device": "ion-1",
            "start": _TS,
            "count": 3,
            "fields": {"ozone_ugm3": _STATS},
        }
    ],
    "throughput.json": [
        {
            "row": "throughput",
            "window": "10s",
            "site": "stop-1",
            "kind": "ionizer",
            "start": _TS,
            "readings": 30,
            "bytes": 4200,
            "devices": 1,
            "people_in": 0,
            "people_out": 0,
            "people": 6,
        }
    ],
    "progress.json": [
        {
            "row": "progress",
            "partition": 3,
            "partitions": 8,
            "clock": _TS + 2000,
            "records": 41,
            "lines": 1200,
            "accepted": 1195,
            "duplicates": 4,
            "rejected": 1,
            "late": 2,
            "rollups": 130,
            "alerts": 1,
        }
    ],
    "alert.json": [
        {
            "id": "0123abcd",
            "rule": "ozone-high",
            "severity": "critical",
            "site": "stop-1",
            "kind": "ionizer",
            "device": "ion-1",
            "state": "firing",
            "value": 130.0,
            "summary": "Ozone 130 µg/m³ at stop-1",
            "at": _TS + 20_000,
            "ordinal": 1,
            "started": _TS,
            "unit": "µg/m³",
            "measure": "air.ozone_ugm3",
            "fired": True,
        }
    ],
    "device.json": [
        {
            "site": "stop-1",
            "kind": "ionizer",
            "device": "ion-1",
            "state": "online",
            "since": _TS,
            "at": _TS + 6000,
            "heard": _TS + 5000,
            "boot": 1_767_200_000,
            "interval_ms": 1000,
            "readings": 6,
        }
    ],
    "chat-receipt.json": [
        {
            "channel": "file-1",
            "message": "0123abcd/1",
            "alert": "0123abcd",
            "state": "firing",
            "at": _TS + 21_000,
        }
    ],
    "dead-letter-headers.json": [
        {
            "topic": "qala/v1/stop-1/ionizer/ion-1/telemetry",
            "rx": str(_RX),
            "reason": "out_of_range",
            "detail": "the value of ozone_ugm3 is above 5000",
            "bridge": "bridge-1",
            "index": "3",
        }
    ],
}
"""Examples by the name of the schema file that they belong to."""
