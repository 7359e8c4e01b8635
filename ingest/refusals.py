"""Which records Kafka refuses for good, and what can be made of them. No I/O."""

from __future__ import annotations

from typing import Final

import msgspec
from aiokafka.errors import MessageSizeTooLargeError, RecordListTooLargeError, UnknownError
from msgspec import Raw, Struct

from ingest.deadletters import Headers
from ingest.decode import Rejection
from schemas.deadletters import EXPLAINED, Reason
from schemas.envelope import HEADER_LINES
from schemas.topics import TELEMETRY, mqtt_topic

_REFUSALS: Final = (MessageSizeTooLargeError, RecordListTooLargeError, UnknownError)
"""Unknown to aiokafka is INVALID_RECORD (87), as all codes that are younger than it."""
_CHANNELS: Final = {"reading": "telemetry", "status": "status", "reply": "reply"}


class _Line(Struct):
    """A line of an envelope, with what it carries left as it is."""

    site: str
    kind: str
    device: str
    rx: int
    reading: Raw = Raw()
    status: Raw = Raw()
    reply: Raw = Raw()


_decode = msgspec.json.Decoder(_Line).decode


class RefusedLine(Struct, frozen=True):
    """What a dead letter says of a line: where it came from, when (µs), and what it was."""

    topic: str
    rx_us: int
    rejection: Rejection


def is_refusal(error: Exception) -> bool:
    """Whether Kafka won't take a record as it is, however often it is sent."""
    return isinstance(error, _REFUSALS)


def halves(value: bytes, headers: Headers) -> list[tuple[bytes, Headers]]:
    """An envelope as two; nothing where it has one line or none."""
    lines = value.splitlines(keepends=True)
    middle = len(lines) // 2
    return [
        (b"".join(part), _with_count(headers, len(part)))
        for part in (lines[:middle], lines[middle:])
        if middle
    ]


def empty(headers: Headers) -> Headers:
    """Headers of a tick, of whoever wrote the envelope with these ``headers``."""
    return _with_count(headers, 0)


def refused_line(line: bytes) -> RefusedLine:
    """The one line of an envelope as a rejection, as the device sent it.

    A passage stands as its line in the log: its person is a pseudonym already, and taken in
    again it would become another one.
    """
    told = _decode(line)
    name, body = next((name, body) for name in _CHANNELS if (body := bytes(getattr(told, name))))
    topic = mqtt_topic(told.site, told.kind, told.device, _CHANNELS[name])
    camera = told.kind == "camera"
    if camera and name == "reading" and b'"person"' in body:
        topic, body = TELEMETRY, line
    reason = Reason.REFUSED_BY_KAFKA
    rejection = Rejection(reason, EXPLAINED[reason], body, None, personal=camera)
    return RefusedLine(topic, told.rx, rejection)


def _with_count(headers: Headers, lines: int) -> Headers:
    return [(name, b"%d" % lines if name == HEADER_LINES else content) for name, content in headers]
