"""What goes wrong in a simulated city: malformed messages, odd spellings, wrong clocks."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any, Final

from infra.simulator.devices import Device
from infra.simulator.local_time import HOUR_MS
from infra.simulator.message import Outgoing
from infra.simulator.values import PERSONS
from schemas.readings import MAX_SEQ
from schemas.topics import MQTT_ROOT

_DEEP: Final = 10_000
_INT_FIELDS: Final = ("people", "vehicles", "queue")

Fields = dict[str, Any]


def malformed_element(rng: Random, device: Device, ts_ms: int, number: int) -> bytes:
    """One JSON object that must become a dead letter; ``number`` makes its bytes unique."""
    reading: Fields = {
        "type": "temperature",
        "ts": ts_ms,
        "boot": device.boot,
        "seq": number,
        "celsius": 21.5,
        "simulated": "malformed",
    }
    return json.dumps(rng.choice(_ELEMENTS)(reading, rng, device)).encode()


def malformed(rng: Random, device: Device, ts_ms: int, number: int) -> Outgoing:
    """One message that must give exactly one dead letter; ``number`` makes its bytes unique."""
    if rng.random() < _ELEMENT_SHARE:
        topic, payload = device.telemetry, malformed_element(rng, device, ts_ms, number)
    elif rng.random() < _TOPIC_SHARE:
        topic = rng.choice(_TOPICS)(device)
        payload = b'{"type":"scene","ts":%d,"boot":%d,"seq":%d,"people":1,"fps":25}' % (
            ts_ms, device.boot, number,
        )  # fmt: skip
    else:
        topic, payload = device.telemetry, rng.choice(_TEXTS)(number, _person(rng))
    return Outgoing(device.lane, topic, payload, "malformed", readings=0, rejected=1)


def quirk(rng: Random, device: Device, reading: str) -> bytes:
    """The same reading, valid too, as only some devices would write it."""
    fields: Fields = json.loads(reading)
    sort = rng.randrange(4)
    if sort == 0:
        for name in _INT_FIELDS:
            if name in fields:
                fields[name] = float(fields[name])
        return json.dumps(fields).encode()
    if sort == 1:
        fields["vendor_note"] = f'of {device.name}, "simulated"\n'
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
    if sort == 2:  # noqa: PLR2004 - the third of four
        return json.dumps(fields, indent=2).encode()
    return json.dumps(dict(reversed(fields.items()))).encode()


def wrong_ts_ms(rng: Random, ts_ms: int) -> int:
    """What a device with a wrong clock takes ``ts_ms`` for: hours ahead, or soon after 1970."""
    if rng.random() < 0.5:  # noqa: PLR2004 - half of them
        return ts_ms + rng.randrange(2 * HOUR_MS, 48 * HOUR_MS)
    return rng.randrange(0, 1000 * HOUR_MS)


def _person(rng: Random) -> str:
    return f"person-{rng.randrange(PERSONS):04d}"


def _out_of_range(fields: Fields, rng: Random, device: Device) -> Fields:
    if device.kind == "camera":
        return {**_passage(fields, rng), "body_celsius": 99.5}
    return {**fields, "type": "audio", "volume_pct": 250, "playing": True}


def _unknown_type(fields: Fields, rng: Random, device: Device) -> Fields:  # noqa: ARG001
    return {**fields, "type": "humidity"}


def _wrong_kind(fields: Fields, rng: Random, device: Device) -> Fields:
    if device.kind == "camera":
        return {**fields, "type": "ticket", "ticket": "t-1", "service": "water", "event": "opened"}
    return _passage(fields, rng)


def _passage(fields: Fields, rng: Random) -> Fields:
    rest = {name: value for name, value in fields.items() if name != "celsius"}
    return {**rest, "type": "passage", "person": _person(rng), "direction": "in"}


def _quotes(fields: Fields, rng: Random, device: Device) -> Fields:  # noqa: ARG001
    return {**fields, "boot": 'a "quoted"\nnew, line\\'}


def _counter(fields: Fields, rng: Random, device: Device) -> Fields:  # noqa: ARG001
    return {**fields, "boot": -1 - fields["seq"], "seq": MAX_SEQ + 1}


def _nothing(fields: Fields, rng: Random, device: Device) -> Fields:  # noqa: ARG001
    return {"simulated": f"malformed {fields['seq']}"}


_ELEMENTS: Final[tuple[Callable[[Fields, Random, Device], Fields], ...]] = (
    _out_of_range, _unknown_type, _wrong_kind, _quotes, _counter, _nothing,
)  # fmt: skip
_ELEMENT_SHARE: Final = 0.45
_TOPIC_SHARE: Final = 0.35

_TEXTS: Final[tuple[Callable[[int, str], bytes], ...]] = (
    lambda number, person: f"temperature of {person} = 21.5 ({number})".encode(),
    lambda number, person: f'{{"type":"passage","seq":{number},"person":"{person}"'.encode(),
    lambda number, person: f'{{"seq":{number},"person":"{person}","note":"Қала'.encode()[:-1],
    lambda number, _person: b'{"type":"temperature","seq":%d,"celsius":NaN}' % number,
    lambda number, _person: b"[" * _DEEP + b"%d" % number + b"]" * _DEEP,
    lambda number, _person: b"%d" % number,
    lambda number, _person: b"[" + b" " * (number % 200) + b"]",
    lambda number, person: b'{"seq":%d,"note":"a raw\nline, %b"}' % (number, person.encode()),
)
"""Payloads that are no reading at all, some with the id of a simulated person in them."""

_TOPICS: Final[tuple[Callable[[Device], str], ...]] = (
    lambda device: f"{MQTT_ROOT}/{device.site}/{device.kind}",
    lambda device: device.telemetry.replace(device.site, device.site.upper() + "_"),
    lambda device: device.telemetry.replace(device.name, "-" + device.name),
    lambda device: device.telemetry.replace(f"/{device.kind}/", "/toaster/"),
    lambda device: device.telemetry.removesuffix("telemetry") + "telemetrie",
    lambda device: device.telemetry + "/more",
)
