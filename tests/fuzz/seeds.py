"""What the fuzzer begins with: the published examples, and JSON made to be expensive."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import mqtt5
import msgspec

from schemas.examples import EXAMPLES
from schemas.readings import KIND_OF_TYPE, READING_STRUCTS, Reply, Status
from schemas.topics import KINDS, mqtt_topic
from streams import state
from streams.log_clock import LogClock
from tests.fuzz import intake, readers
from tests.fuzz.contract import MAX_PAYLOAD

Seeds = Iterator[tuple[str, bytes]]
_PERSON: Final = "example-person-1"


def of_intake() -> Seeds:
    """Every kind of message, whole and in arrays, right and wrong."""
    for name, kind in KIND_OF_TYPE.items():
        body = EXAMPLES[f"{name}.json"][0]
        topic = mqtt_topic("stop-1", kind, "unit-1", "telemetry")
        least = _least(name, body)
        for form, value in {
            "full": body,
            "least": least,
            "array": [body, {**body, "seq": 43}, 7, least, {**body, "ts": 0}],
            "devices": {**body, "seq": 3.0, "other": [{"person": _PERSON}], "boot": None},
        }.items():
            yield f"{name}-{form}", intake.written(topic, _dumped(value))
        yield f"{name}-indented", intake.written(topic, _dumped([body], indent=1))
        yield f"{name}-cut", intake.written(topic, _dumped(body)[:-7])
    for channel in ("status", "reply"):
        body = _dumped(EXAMPLES[f"{channel}.json"][0])
        topic = mqtt_topic("stop-1", "speaker", "unit-1", channel)
        for flags in (b"0", b"1", b"2", b"3", b"5"):
            yield f"{channel}-{flags.decode()}", intake.written(topic, body, flags)
    topic = mqtt_topic("stop-1", "desk", "unit-1", "telemetry")
    for number, text in enumerate((b'{"ts":1e999}', b'{"ts":1e999} x', b"[1e999,1e999", b"1e999")):
        yield f"huge-{number}", intake.written(topic, text)
    for number, wrong in enumerate(("a/b", "qala/v1/a/desk/b/command", "qala/v1/A/desk/b/status")):
        yield f"topic-{number}", intake.written(wrong, b"{}")
        yield f"topic-{number}-copy", intake.written(wrong, b"{}", b"2")


def expensive() -> Seeds:
    """Payloads that cost a naive parser much: deep, long, repeated, huge; up to beyond the limit.

    They are as large as is taken in, too large for a coverage-guided run.
    """
    most = MAX_PAYLOAD
    air = _dumped(EXAMPLES["air.json"][0])
    parts: dict[str, bytes] = {
        "deep-arrays": b"[" * most,
        "deep-arrays-closed": b"[" * (most // 2) + b"]" * (most // 2),
        "deep-objects": b'{"a":' * (most // 5),
        "deep-in-a-field": b'{"type":"air","x":' + b"[" * 90_000 + b"]" * 90_000 + b"}",
        "nested-200": b"[" * 200 + b"]" * 200,
        "exponent": b'{"type":"air","people":1e999999}',
        "exponent-in-an-array": b"[" + air + b',{"type":"air","people":-1e999999},' + air + b"]",
        "small-exponent": b'{"type":"air","people":1e-' + b"9" * 90_000 + b"}",
        "digits": b'{"type":"air","people":' + b"9" * (most - 40) + b"}",
        "digits-behind-a-dot": b'{"type":"air","people":0.' + b"3" * (most - 40) + b"}",
        "digits-and-exponent": b"[" + b"1" * 100_000 + b"e-99999]",
        "same-key": b'{"type":"air",' + b'"person":1,' * 20_000 + b'"person":2}',
        "many-keys": b"{" + b",".join(b'"k%d":0' % n for n in range(20_000)) + b"}",
        "keys-of-one-hash": b"{" + b",".join(b'"%d":0' % (n << 32) for n in range(12_000)) + b"}",
        "escapes": b'{"type":"air","x":"' + b"\\u0041" * 40_000 + b'"}',
        "surrogates": b'{"type":"air","x":"' + b"\\ud83d\\ude00" * 20_000 + b'"}',
        "half-surrogates": b'{"type":"air","x":"' + b"\\ud83d" * 40_000 + b'"}',
        "quotes": b'"' + b'\\"' * 120_000 + b'"',
        "spaces": b" " * (most - len(air)) + air,
        "newlines": b"[" + b"\n" * (most - len(air) - 2) + air + b"]",
        "empty-arrays": b"[" + b"[]," * 80_000 + b"[]]",
        "empty-objects": b"[" + b"{}," * 80_000 + b"{}]",
        "thousand-wrong": b"[" + b",".join([b"1"] * 1000) + b"]",
        "thousand-and-one": b"[" + b",".join([b"1"] * 1001) + b"]",
        "thousand-right": b"[" + b",".join([air] * 1000) + b"]",
        "thousand-long": b"[" + b",".join([b'{"x":"' + b"y" * 240 + b'"}'] * 1000) + b"]",
        "too-many": b"[" + b",".join([b"1"] * 100_000) + b"]",
        "not-utf-8": b'{"x":"' + b"\xff" * 200_000 + b'"}',
        "just-too-large": b'"' + b"x" * (most - 1) + b'"',
        "megabytes-of-escapes": b'"' + b"\\u0000" * 350_000 + b'"',
        "megabytes-of-digits": b"9" * 2_000_000,
        "megabytes-deep": b"[" * 2_000_000,
    }
    topic = mqtt_topic("stop-1", "ionizer", "unit-1", "telemetry")
    for name, payload in parts.items():
        yield f"{name}", intake.written(topic, payload)
    for kind, channel in (("camera", "telemetry"), ("speaker", "status"), ("speaker", "reply")):
        topic = mqtt_topic("stop-1", kind, "unit-1", channel)
        for name in ("deep-arrays", "digits", "escapes", "same-key", "megabytes-of-digits"):
            yield f"{channel}-{name}", intake.written(topic, parts[name])


def of_packets() -> Seeds:
    """Streams of what a broker sends, and some that none should."""
    topic, payload = "qala/v1/stop-1/desk/d-1/telemetry", b"x" * 200
    publish = mqtt5.PublishPacket(
        topic,
        payload=payload,
        qos=mqtt5.QoS.AT_LEAST_ONCE,
        packet_id=9,
        subscription_ids=[1, 2],
        content_type="application/json",
        user_properties=[("a", "b"), ("a", "ä")],
        message_expiry_interval=60,
    ).write()
    others = [
        mqtt5.ConnAckPacket(receive_max=100).write(),
        mqtt5.PubAckPacket(7).write(),
        mqtt5.PingRespPacket().write(),
        mqtt5.DisconnectPacket(reason_code=mqtt5.DisconnectReasonCode.SESSION_TAKEN_OVER).write(),
        b"\x90\x04\x00\x01\x00\x01",
        b"\xb0\x04\x00\x01\x00\x00",
    ]
    yield "stream", b"ab" + publish * 3 + b"".join(others)
    for number, packet in enumerate([publish, *others]):
        yield f"packet-{number}", b"cd" + packet * 2
    yield "cut", b"ef" + publish + publish[:40]
    yield "not-utf-8", b"gh" + b"\x30\x06\x00\x02\xff\xfe\x00x"
    yield "no-type", b"ij\x00\x00"
    yield "no-length", b"kl\x30\xff\xff\xff\xff\xff"
    yield "promises-much", b"mn\x30\xff\xff\xff\x7f\x00"


def of_readers() -> Seeds:
    """Something for each reader."""
    by_name = {
        "rollup": ("rollup.json", "throughput.json", "progress.json"),
        "alert": ("alert.json",),
        "device": ("device.json",),
        "receipt": ("chat-receipt.json",),
        "line": ("envelope-line.json",),
    }
    for name, files in by_name.items():
        for file in files:
            for number, example in enumerate(EXAMPLES[file]):
                yield f"{name}-{file}-{number}", readers.written(name, _dumped(example))
                yield f"rows-{file}-{number}", readers.written("rows", _dumped(example))
                yield f"fold-{file}-{number}", readers.written("fold", _dumped(example))
    lines = b"\n".join(_dumped(line) for line in EXAMPLES["envelope-line.json"])
    for name in ("envelope", "rows", "fold"):
        yield f"{name}-lines", readers.written(name, lines + b"\n{}\n")
    yield "topic", readers.written("topic", b"qala/v1/stop-1/desk/d-1/status")
    for number, text in enumerate(("now,60", "2026-01-01T00:00:00+05:00,0.5,now", "1e12,1e9,-1")):
        yield f"clock-{number}", readers.written("clock", text.encode())
    yield "state", readers.written("state", _kept_state())
    for number, line in enumerate(_ledger_lines()):
        yield f"ledger-{number}", readers.written("ledger", _dumped(line))
    exported = {"ref": "3/1042", "topic": "qala/v1/a/desk/b/status", "rx": 1, "payload": "{}\n"}
    yield "exported", readers.written("exported", _dumped(exported))
    coded = {"ref": "3/1042", "topic": "t", "sealed": "v1:0", "payload_base64": "AAE="}
    yield "exported-coded", readers.written("exported", _dumped(coded))
    for text in (
        b'[{"people":1e999,"a":"\\ud83d\\ude00"},[null,true,-0.5E+2]]',
        b'{"people":"x",}',
    ):
        for name in ("jsontext", "place"):
            yield f"{name}-{len(text)}", readers.written(name, text)
    headers = (b"qala/v1/a/desk/b/status", b"12", b"not_json", b"3", b"v1:ab", b"9", b"1/2", b"3/4")
    yield "letter", readers.written("letter", b"\0".join(headers))
    yield "sealed", readers.written("sealed", bytes(40))


def dictionary() -> list[bytes]:
    """Words that mean something to what is fuzzed."""
    words = {"type", "person", "passage", "reading", "status", "reply", "at", "rx", "null", "true"}
    for struct in (*READING_STRUCTS.values(), Status, Reply):
        words |= set(struct.__struct_fields__)
    words |= {*READING_STRUCTS, *KINDS, "online", "offline", "played", "in", "out", "opened"}
    numbers = ["1e999999", "1e400", "12.0", "-0", "0.5", "9223372036854775808", "4294967295"]
    signs = ['{"', '":', "[{", "},{", "\\u0000", "\\ud83d", "\\ude00", "\\n", "qala/v1/", "\\\\"]
    return [word.encode() for word in (*sorted(words), *numbers, *signs)]


def _least(name: str, body: dict[str, Any]) -> dict[str, Any]:
    fields = msgspec.structs.fields(READING_STRUCTS[name])
    needed = {"type", *(field.encode_name for field in fields if field.required)}
    return {key: value for key, value in body.items() if key in needed}


def _dumped(value: object, indent: int | None = None) -> bytes:
    return json.dumps(value, indent=indent, ensure_ascii=False).encode()


def _kept_state() -> bytes:
    site = state.SiteState("site-1", 7, LogClock(now_ms=7000), [*state.encoded([[], []])])
    _, chunk = state.site_records(site)[0]
    _, header = state.header_record(state.State(9, LogClock(now_ms=9000), []))
    return header + b"\xc1" + chunk


def _ledger_lines() -> list[dict[str, Any]]:
    return [
        {"line": "simulated run", "seed": 1, "settings": {"rate": 20.0, "deep": [[{}]]},
         "clock": "real", "start_ms": 1, "boot": 7},
        {"line": "message", "at": 5, "topic": "qala/v1/a/desk/b/status", "text": "{}", "bad": [1]},
        {"line": "message", "at": 5, "topic": "t", "base64": "AAE="},
        {"line": "end", "messages": 1, "readings": 1, "rejected": 0, "seconds": 1.5},
    ]  # fmt: skip
