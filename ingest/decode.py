"""Payload bytes to lines of an envelope and rejections. No I/O, no clock, no key of its own.

The fast path decodes with the strict structs and splices the reading's own bytes into the
line. What those refuse goes the slow way (`ingest.mend`), object by object.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from ingest.clocks import BELIEVED_FROM_MS, Name, WrongClocks, believed
from ingest.errors import RejectedError
from ingest.mend import mend
from schemas.deadletters import EXPLAINED, Reason
from schemas.envelope import LINE_END, line_bytes, line_head, line_middle
from schemas.readings import (
    BELIEVED_AHEAD_MS,
    KIND_OF_TYPE,
    MAX_ARRAY,
    MAX_PAYLOAD_BYTES,
    READING_STRUCTS,
    Passage,
    Reading,
    Reply,
    Status,
)
from schemas.topics import KINDS, DeviceTopic

_SENT_BY: Final[dict[str, frozenset[type[Reading]]]] = {
    kind: frozenset(
        READING_STRUCTS[name] for name, sender in KIND_OF_TYPE.items() if sender == kind
    )
    for kind in KINDS
}
_TAG_OF: Final[dict[type[Struct], str]] = {struct: name for name, struct in READING_STRUCTS.items()}
_decode_one = msgspec.json.Decoder(Reading).decode
_decode_many = msgspec.json.Decoder(list[Reading]).decode
_slices = msgspec.json.Decoder(list[Raw]).decode
_parse = msgspec.json.Decoder().decode
_skim = msgspec.json.Decoder(Raw).decode
_encode = msgspec.json.Encoder().encode
_LINE_FEED: Final = ord("\n")
_CARRIAGE_RETURN: Final = ord("\r")
_NOT_READABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Origin(Struct, frozen=True):
    """A device's topic, the readings that may come on it, and the constant start of its lines."""

    topic: DeviceTopic
    readings: frozenset[type[Reading]]
    head: bytes


def origin_of(topic: DeviceTopic) -> Origin:
    """What all messages on ``topic`` share."""
    readings = _SENT_BY[topic.kind] if topic.channel == "telemetry" else frozenset()
    return Origin(topic, readings, line_head(topic.site, topic.kind, topic.device))


class Rejection(Struct, frozen=True):
    """Input that becomes one dead letter.

    ``index`` is its place in an array, None for a whole message. ``personal`` says that
    ``body`` may hold a person's id, so that it must be sealed.
    """

    reason: Reason
    detail: str
    body: bytes
    index: int | None
    personal: bool


class Decoded(Struct):
    """What one message was: accepted lines (with their newlines), and what was wrong."""

    lines: list[bytes]
    rejections: Sequence[Rejection] = ()
    unknown_fields: int = 0
    wrong_clocks: int = 0


class PayloadDecoder:
    """Decodes payloads; ``pseudonym`` turns a person's id into what may be stored of it."""

    def __init__(self, pseudonym: Callable[[str], str], clocks: WrongClocks) -> None:
        """Take the two things that outlive a message."""
        self._pseudonym = pseudonym
        self._clocks = clocks
        self._decided = clocks.given
        self._look_at(0)

    def decode_one(self, origin: Origin, payload: bytes, rx_us: int) -> bytes | None:
        """The line of a payload that is one faultless reading; None for any other.

        Those need `decode`. This is the short way that nearly every message goes: it is quickest
        where many that came together have one ``rx_us``.
        """
        if rx_us != self._rx_us:
            self._look_at(rx_us)
        try:
            reading = _decode_one(payload)
        except _NOT_READABLE:
            return None
        struct = type(reading)
        if (
            struct not in origin.readings
            or not BELIEVED_FROM_MS <= reading.ts <= self._believed_to_ms
            or len(payload) > MAX_PAYLOAD_BYTES
            or (self._decided and self._clocks.decided(_name(origin, reading), rx_us))
        ):
            return None
        if struct is Passage:
            payload = self._without_person(reading)
        elif _LINE_FEED in payload or _CARRIAGE_RETURN in payload:
            payload = _written(reading)
        return b"".join((origin.head, self._middle, payload, LINE_END))

    def _look_at(self, rx_us: int) -> None:
        """Prepare what `decode_one` needs of a receive time."""
        self._rx_us = rx_us
        self._believed_to_ms = rx_us // 1000 + BELIEVED_AHEAD_MS
        self._middle = line_middle(rx_us, b"reading")

    def _without_person(self, passage: Passage) -> bytes:
        """JSON of a passage with the pseudonym in the place of the person's id."""
        return _encode(replace(passage, person=self._pseudonym(passage.person)))

    def decode(self, origin: Origin, payload: bytes, rx_us: int) -> Decoded:
        """Every part of ``payload`` as an accepted line or as a rejection; never raises."""
        if origin.topic.channel != "telemetry" or len(payload) > MAX_PAYLOAD_BYTES:
            return self._decode_slowly(origin, payload, rx_us)
        try:
            if payload.startswith(b"["):
                readings = _decode_many(payload)
                bodies = [bytes(raw) for raw in _slices(payload)]
            else:
                readings = [_decode_one(payload)]
                bodies = [payload]
        except _NOT_READABLE:
            return self._decode_slowly(origin, payload, rx_us)
        allowed = all(type(reading) in origin.readings for reading in readings)
        if not allowed or not 0 < len(readings) <= MAX_ARRAY:
            return self._decode_slowly(origin, payload, rx_us)
        result = Decoded([])
        for reading, body in zip(readings, bodies, strict=True):
            result.lines.append(self._line(origin, reading, body, rx_us, result))
        return result

    def _line(
        self, origin: Origin, reading: Reading, body: bytes | None, rx_us: int, result: Decoded
    ) -> bytes:
        """One accepted reading's line; ``body`` is its own JSON, None where that won't do."""
        at = None
        if not believed(reading.ts, rx_us) or (
            self._decided and self._clocks.decided(_name(origin, reading), rx_us)
        ):
            at = self._clocks.at_ms(_name(origin, reading), rx_us)
            result.wrong_clocks += 1
        if type(reading) is Passage:
            body = self._without_person(reading)
        elif body is None or _LINE_FEED in body or _CARRIAGE_RETURN in body:
            body = _written(reading)
        return line_bytes(origin.head, rx_us, b"reading", body, at)

    def _decode_slowly(self, origin: Origin, payload: bytes, rx_us: int) -> Decoded:
        result = Decoded([])
        rejections: list[Rejection] = []
        result.rejections = rejections
        sealed = origin.topic.kind == "camera"
        try:
            parts = _parts(payload, arrays=origin.topic.channel == "telemetry")
        except RejectedError as exc:
            personal = sealed or exc.reason is not Reason.ARRAY_LENGTH or _may_hold_person(payload)
            rejections.append(Rejection(exc.reason, exc.detail, payload, None, personal))
            return result
        for index, body in parts:
            try:
                result.lines.append(self._judge(origin, body, rx_us, result))
            except RejectedError as exc:
                unclear = exc.reason is Reason.NOT_AN_OBJECT or _may_hold_person(body)
                rejections.append(Rejection(exc.reason, exc.detail, body, index, sealed or unclear))
        return result

    def _judge(self, origin: Origin, body: bytes, rx_us: int, result: Decoded) -> bytes:
        try:
            value = _parse(body)
        except msgspec.ValidationError:
            # valid JSON, but with a number that no 64 bits hold
            if body.lstrip(b" \t\r\n").startswith(b"{"):
                raise RejectedError(Reason.OUT_OF_RANGE, "a number is too large") from None
            value = None
        if not isinstance(value, dict):
            raise RejectedError(Reason.NOT_AN_OBJECT, EXPLAINED[Reason.NOT_AN_OBJECT])
        channel = origin.topic.channel
        if channel != "telemetry":
            answer: Status | Reply
            answer, unknown = mend(value, Status if channel == "status" else Reply)
            result.unknown_fields += unknown
            at = None
            if not believed(answer.ts, rx_us):
                at = rx_us // 1000
                result.wrong_clocks += 1
            return line_bytes(origin.head, rx_us, channel.encode(), _written(answer), at)
        reading, unknown = mend(value, _struct_for(value, origin.topic.kind))
        result.unknown_fields += unknown
        return self._line(origin, reading, None, rx_us, result)


def _name(origin: Origin, reading: Reading) -> Name:
    topic = origin.topic
    return topic.site, topic.device, reading.boot, reading.seq, reading.ts


def _parts(payload: bytes, *, arrays: bool) -> list[tuple[int | None, bytes]]:
    """The objects of a message with their places; raises `RejectedError` for a whole message."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise RejectedError(Reason.TOO_LARGE, EXPLAINED[Reason.TOO_LARGE])
    try:
        payload.decode()
        try:
            _parse(payload)
        except msgspec.ValidationError:
            _skim(payload)  # a number is too large for the parser, which has read no further
        if not arrays or not payload.lstrip(b" \t\r\n").startswith(b"["):
            return [(None, payload)]
        slices = [bytes(raw) for raw in _slices(payload)]
    except RecursionError:
        raise RejectedError(Reason.NESTED_TOO_DEEP, EXPLAINED[Reason.NESTED_TOO_DEEP]) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        # without its cause: the decoder's sentence may quote the input
        raise RejectedError(Reason.NOT_JSON, EXPLAINED[Reason.NOT_JSON]) from None
    if not 0 < len(slices) <= MAX_ARRAY:
        raise RejectedError(Reason.ARRAY_LENGTH, EXPLAINED[Reason.ARRAY_LENGTH])
    return list(enumerate(slices))


def _struct_for(value: dict[str, object], kind: str) -> type[Reading]:
    name = value.get("type")
    if name is None:
        raise RejectedError(Reason.MISSING_FIELD, "the field 'type' is missing")
    if not isinstance(name, str):
        raise RejectedError(Reason.WRONG_TYPE, "the field 'type' must be a string")
    struct = READING_STRUCTS.get(name)
    if struct is None:
        raise RejectedError(Reason.UNKNOWN_TYPE, EXPLAINED[Reason.UNKNOWN_TYPE])
    if KIND_OF_TYPE[name] != kind:
        raise RejectedError(Reason.WRONG_KIND, f"a device of kind {kind} may not send {name}")
    return struct


def _written(value: Reading | Status | Reply) -> bytes:
    """JSON of a struct on one line, without what is absent."""
    fields: dict[str, object] = {}
    tag = _TAG_OF.get(type(value))
    if tag is not None:
        fields["type"] = tag
    for name in value.__struct_fields__:
        field = getattr(value, name)
        if field is not None:
            fields[name] = field
    return _encode(fields)


def _may_hold_person(body: bytes) -> bool:
    """Whether a key ``person`` or a passage can be in ``body``, escaped, repeated or nested.

    Looked for in the bytes: a parser keeps only the last of repeated keys.
    """
    text = body.lower()
    return b"person" in text or b"passage" in text or b"\\u" in text
