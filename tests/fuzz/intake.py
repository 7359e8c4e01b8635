"""The target ``intake``: a topic and a payload on their way into the log, and what must hold.

An input is one byte of flags (bit 0: by the subscription to data, bit 1: by that to statuses,
bit 2: QoS 0), the topic, a NUL, which no topic holds, and the payload.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

import mqtt5

from ingest.intake import DATA_ID, STATUS_ID
from schemas.deadletters import EXPLAINED, MAX_LETTER_BYTES, Reason
from schemas.envelope import decode_envelope
from tests.fuzz import contract
from tests.fuzz.limits import check_cost
from tests.fuzz.memory import KEY, PARTITIONS, RX_US, Bridge, Letter, publish
from tests.fuzz.parsed import NotJsonError, Parsed, parsed

SEPARATOR: Final = b"\0"
_DATA, _STATUS, _QOS_0 = 1, 2, 4
_WHOLE: Final = frozenset(
    {Reason.NOT_JSON, Reason.NESTED_TOO_DEEP, Reason.TOO_LARGE, Reason.ARRAY_LENGTH}
)


def written(topic: str, payload: bytes, flags: bytes = b"1") -> bytes:
    """An input of this target."""
    return flags + topic.encode() + SEPARATOR + payload


def check(data: bytes, *, memory: bool = False) -> None:
    """Take one input in; raises `AssertionError` where an invariant does not hold."""
    flags = data[0] if data else 0
    topic, _, payload = data[1:].partition(SEPARATOR)
    ids = [DATA_ID] * bool(flags & _DATA) + [STATUS_ID] * bool(flags & _STATUS)
    try:
        packet = publish(topic.decode(), payload, ids or None, 0 if flags & _QOS_0 else 1)
    except ValueError:
        return  # no topic that a message can have
    bridge = Bridge()
    bridge.receive(packet)
    _acknowledged(bridge, packet)
    _dealt_with(bridge, packet)
    check_cost(len(payload), lambda: Bridge().receive(packet), memory=memory)


def _acknowledged(bridge: Bridge, packet: mqtt5.PublishPacket) -> None:
    """PUBACK leaves once, after everything is in Kafka; at once where nothing goes there."""
    if packet.packet_id is None:
        assert bridge.settle() == []
        return
    if bridge.outlet.lines or bridge.outlet.letters:
        assert bridge.acked == []
    assert bridge.settle() == [packet.packet_id]


def _dealt_with(bridge: Bridge, packet: mqtt5.PublishPacket) -> None:
    outlet, counts = bridge.outlet, bridge.counts
    ignored = counts.ignored.total()
    accepted = counts.readings + counts.answers.total()
    assert (accepted, counts.rejected.total()) == (len(outlet.lines), len(outlet.letters))
    ids = packet.subscription_ids or []
    first = not ids or DATA_ID in ids
    topic = contract.TOPIC.fullmatch(packet.topic)
    if topic is None:
        command = packet.topic.count("/") == 5 and packet.topic.endswith("/command")
        assert (len(outlet.letters), ignored) == ((0, 1) if command or not first else (1, 0))
        assert not outlet.lines
        for letter in outlet.letters:
            assert letter.headers["reason"].startswith(b"topic_")
            _letter_says(letter, packet, packet.payload, sealed=True)
        return
    if topic["channel"] == "status":
        if not packet.payload:
            assert (counts.ignored["cleared_status"], ignored, accepted) == (1, 1, 0)
            return
        if ignored:
            assert (accepted, len(outlet.letters), counts.ignored["copy"]) == (0, 0, 1)
            assert ids in ([DATA_ID], [STATUS_ID])
            return
    assert ignored == 0
    _Outcome(bridge, packet, topic).check()


class _Outcome:
    """What a device's message has come to, against what the contract says of it."""

    def __init__(self, bridge: Bridge, packet: mqtt5.PublishPacket, topic: re.Match[str]) -> None:
        self.lines = list(bridge.outlet.lines)
        self.letters = list(bridge.outlet.letters)
        self.packet = packet
        self.topic = topic
        joined = b"".join(line for _, line in self.lines)
        assert len(decode_envelope(joined)) == joined.count(b"\n") == len(self.lines)
        assert (
            len(
                {number for number, _ in self.lines} | {letter.partition for letter in self.letters}
            )
            == 1
        )
        assert all(0 <= number < PARTITIONS for number, _ in self.lines)

    def check(self) -> None:
        payload = self.packet.payload
        try:
            found = parsed(payload) if len(payload) <= contract.MAX_PAYLOAD else None
        except NotJsonError:
            self._whole(Reason.NOT_JSON)
            return
        except RecursionError:
            self._deep()
            return
        if found is None:
            self._whole(Reason.TOO_LARGE)
        elif self._is_whole(Reason.NESTED_TOO_DEEP):
            assert payload.count(b"[") + payload.count(b"{") > 100
            self._whole(Reason.NESTED_TOO_DEEP)
        elif self.topic["channel"] != "telemetry" or not isinstance(found.value, list):
            self._parts(found, [found.value], array=False)
        elif 0 < len(found.value) <= contract.MAX_ARRAY:
            self._parts(found, found.value, array=True)
        else:
            self._whole(Reason.ARRAY_LENGTH, found)

    def _is_whole(self, reason: Reason) -> bool:
        return [letter.headers["reason"] for letter in self.letters] == [reason.value.encode()]

    def _deep(self) -> None:
        """Python's parser gave up. Where the product's doesn't, something else may be wrong."""
        assert len(self.lines) + len(self.letters) == 1 or self.packet.payload.lstrip()[:1] == b"["
        for letter in self.letters:
            assert Reason(letter.headers["reason"].decode()) in EXPLAINED

    def _whole(self, reason: Reason, found: Parsed | None = None) -> None:
        assert (len(self.letters), len(self.lines)) == (1, 0)
        letter = self.letters[0]
        assert letter.headers["reason"] == reason.value.encode()
        assert "index" not in letter.headers
        camera = self.topic["kind"] == "camera"
        sealed = found is None or found.person or camera
        _letter_says(letter, self.packet, self.packet.payload, sealed=sealed)

    def _parts(self, found: Parsed, values: list[Any], *, array: bool) -> None:
        """Each object is a line or a letter, in their order, and as the contract decides."""
        lines, letters = iter(self.lines), iter(self.letters)
        waiting = next(letters, None)
        for index, value in enumerate(values):
            if waiting is not None and int(waiting.headers.get("index", b"0")) == index:
                assert ("index" in waiting.headers) == array
                self._refused(found, waiting, value)
                waiting = next(letters, None)
            else:
                line = next(lines, None)
                assert line is not None
                self._accepted(line[1], value)
        assert waiting is None
        assert next(lines, None) is None

    def _refused(self, found: Parsed, letter: Letter, value: object) -> None:
        if not found.huge:
            assert contract.meant(value, self.topic["kind"], self.topic["channel"]) is None
        assert Reason(letter.headers["reason"].decode()) not in _WHOLE
        body = _body(letter)
        assert body in self.packet.payload
        if not found.huge:
            assert json.loads(body) == value
        camera = self.topic["kind"] == "camera"
        person = found.person and parsed(body).person
        _letter_says(letter, self.packet, body, sealed=camera or person or type(value) is not dict)

    def _accepted(self, raw: bytes, value: object) -> None:
        channel = self.topic["channel"]
        fields = contract.meant(value, self.topic["kind"], channel)
        assert fields is not None
        line = json.loads(raw)
        what = "reading" if channel == "telemetry" else channel
        origin = {name: self.topic[name] for name in ("site", "kind", "device")}
        rx_ms = RX_US // 1000
        head = {**origin, "rx": RX_US}
        if not contract.FROM_MS <= fields["ts"] <= rx_ms + contract.AHEAD_MS:
            head["at"] = rx_ms
        held = line.pop(what)
        assert line == head
        if "person" in fields:
            fields["person"] = KEY.pseudonym(str(fields["person"]))
            self._no_person(held, fields)
        if fields.get("type") == "temperature" and "subject" not in held:
            fields.pop("subject", None)
        held = {name: given for name, given in held.items() if given is not None}
        if fields.get("type") == "temperature":
            fields.setdefault("subject", "ambient")
            held.setdefault("subject", "ambient")
        assert held == fields

    def _no_person(self, held: dict[str, Any], fields: dict[str, object]) -> None:
        """Besides the pseudonym, a passage holds no text but the contract's own words."""
        texts = {name: given for name, given in held.items() if isinstance(given, str)}
        assert texts.pop("person") == fields["person"]
        assert texts in ({"type": "passage", "direction": way} for way in ("in", "out"))


def _body(letter: Letter) -> bytes:
    """The bytes that were rejected, or the beginning of them."""
    sealed = letter.headers.get("sealed")
    return letter.value if sealed is None else KEY.open(letter.value, sealed.decode())


def _letter_says(letter: Letter, packet: mqtt5.PublishPacket, body: bytes, *, sealed: bool) -> None:
    headers = letter.headers
    assert _body(letter) == body[:MAX_LETTER_BYTES]
    assert ("size" in headers) == ("sha256" in headers) == (len(body) > MAX_LETTER_BYTES)
    assert headers["topic"] == packet.topic.encode()
    assert (headers["rx"], headers["bridge"]) == (b"%d" % RX_US, b"fuzzed")
    assert Reason(headers["reason"].decode()) in EXPLAINED
    if sealed:
        assert headers["sealed"] == KEY.sealed.encode()
        assert len(body) < 8 or body not in letter.value
