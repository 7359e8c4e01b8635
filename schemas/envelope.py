"""The envelope: many readings in one Kafka record, as newline-delimited JSON.

A line is ``{"site":…,"kind":…,"device":…,"rx":<µs>[,"at":<ms>],"reading":{…}}``, with
``status``, ``reply`` or ``control`` in the place of ``reading`` where it carries one of those.
An envelope without lines is a tick. Headers: ``bridge``, ``n`` (lines), from a bridge on a
simulated clock ``speed``, and on the last tick of a bridge that leaves for good ``left``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from schemas.readings import Reading, Reply, Status

HEADER_BRIDGE: Final = "bridge"
HEADER_LINES: Final = "n"
HEADER_SPEED: Final = "speed"
HEADER_LEFT: Final = "left"

LINE_END: Final = b"}\n"

MIN_SPEED: Final = 1e-3
MAX_SPEED: Final = 1e6
"""A bridge's speed beyond these is not believed."""

Headers = Sequence[tuple[str, bytes]]


class Control(Struct, frozen=True, gc=False, kw_only=True):
    """What an operator decided, given its place in the order of the log."""

    action: Literal["rules", "acknowledge", "silence", "retire", "move"]
    by: Annotated[str, Meta(max_length=128)]
    ts: Annotated[int, Meta(extra={"unit": "ms"})]
    version: str | None = None
    alert: str | None = None
    rule: str | None = None
    until: Annotated[int, Meta(extra={"unit": "ms"})] | None = None
    to_site: str | None = None
    note: Annotated[str, Meta(max_length=1024)] | None = None


class Line(Struct, frozen=True, gc=False, omit_defaults=True):
    """One line of an envelope: an origin and exactly one of reading, status, reply, control.

    ``rx`` is the bridge's receive time in µs since the epoch. ``at`` (ms) stands only where
    the device's own ``ts`` was not believed, and is the event time then.
    """

    site: str
    kind: str
    device: str
    rx: Annotated[int, Meta(extra={"unit": "µs"})]
    at: Annotated[int, Meta(extra={"unit": "ms"})] | None = None
    reading: Reading | None = None
    status: Status | None = None
    reply: Reply | None = None
    control: Control | None = None


_lines = msgspec.json.Decoder(Line)


def line_head(site: str, kind: str, device: str) -> bytes:
    """The constant start of a device's lines, up to and with ``"rx":`` (ids need no escaping)."""
    return f'{{"site":"{site}","kind":"{kind}","device":"{device}","rx":'.encode()


def line_bytes(head: bytes, rx: int, what: bytes, body: bytes, at: int | None = None) -> bytes:
    """One line with its newline: ``head`` from `line_head`, ``body`` spliced in as it is.

    ``what`` is ``b"reading"``, ``b"status"``, ``b"reply"`` or ``b"control"``. ``body`` must be
    valid JSON without a newline.
    """
    return b"".join((head, line_middle(rx, what, at), body, LINE_END))


def line_middle(rx: int, what: bytes, at: int | None = None) -> bytes:
    """What stands between head and body: the same for all lines of one ``rx``."""
    if at is None:
        return b'%d,"%b":' % (rx, what)
    return b'%d,"at":%d,"%b":' % (rx, at, what)


def line_overhead(head: bytes, at: int | None = None) -> int:
    """Bytes of a reading's line (without its newline) that are not the reading's own JSON."""
    rx_digits = 16  # µs since the epoch have 16 digits from 2001 to 2286
    at_part = 0 if at is None else len(f',"at":{at}')
    return len(head) + rx_digits + at_part + len(',"reading":}')


def decode_envelope(value: bytes) -> list[Line]:
    """All lines of an envelope, in order; a tick gives an empty list.

    Raises:
        msgspec.DecodeError: a line is not JSON, or (`msgspec.ValidationError`) not a line.
        UnicodeDecodeError: a string in it is not UTF-8.
        RecursionError: a field that is none of a line's is nested too deeply.
    """
    return _lines.decode_lines(value)


def decode_line(raw: bytes) -> Line:
    """One line of an envelope. Raises as `decode_envelope` does."""
    return _lines.decode(raw)


def envelope_headers(
    bridge: str, lines: int, speed: float | None = None, *, left: bool = False
) -> list[tuple[str, bytes]]:
    """Kafka headers of an envelope of ``lines`` lines written by ``bridge``, or by its adopter.

    ``left`` says that the broker keeps nothing for that bridge any more.
    """
    headers = [(HEADER_BRIDGE, bridge.encode()), (HEADER_LINES, b"%d" % lines)]
    if speed is not None:
        headers.append((HEADER_SPEED, f"{speed:.15g}".encode()))
    if left:
        headers.append((HEADER_LEFT, b"1"))
    return headers


def header(headers: Iterable[tuple[str, bytes]], name: str) -> str | None:
    """The value of the header ``name`` as text, or None where it is absent or not UTF-8."""
    for key, value in headers:
        if key == name:
            try:
                return value.decode()
            except UnicodeDecodeError:
                return None
    return None


def speed_in(headers: Iterable[tuple[str, bytes]]) -> float | None:
    """The speed of a bridge's simulated clock; None where its clock is real or says nonsense."""
    text = header(headers, HEADER_SPEED)
    if text is None:
        return None
    try:
        speed = float(text)
    except ValueError:
        return None
    return speed if MIN_SPEED <= speed <= MAX_SPEED else None
