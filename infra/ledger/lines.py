"""The lines of a ledger: a header, one for each message, and the totals at the end."""

from __future__ import annotations

import base64
import json
from typing import Any, Final

import msgspec
from msgspec import Struct

_VERSION: Final = 1


class Header(Struct, frozen=True, gc=False, tag="simulated run", tag_field="line"):
    """How the run was made; ``start_ms`` by its clock, ``boot`` of all its devices."""

    seed: int
    settings: dict[str, Any]
    clock: str
    start_ms: int
    boot: int
    version: int = _VERSION


class Entry(Struct, frozen=True, omit_defaults=True, tag="message", tag_field="line"):
    """One acknowledged message; ``at`` is when, in ms by the simulation's clock.

    ``readings`` of it are to be accepted (or known as duplicates), ``rejected`` become dead
    letters, and ``bad`` are the places of those in an array. ``times`` is how often it was
    sent: more than once where the connection broke before the acknowledgement.
    """

    at: int
    topic: str
    text: str | None = None
    base64: str | None = None
    meant: str = "valid"
    readings: int = 1
    rejected: int = 0
    bad: tuple[int, ...] = ()
    times: int = 1

    @property
    def payload(self) -> bytes:
        """The bytes that were published."""
        if self.base64 is not None:
            return base64.b64decode(self.base64)
        return (self.text or "").encode()

    def accepted(self) -> list[dict[str, Any]]:
        """The readings in it that are to be accepted, as plain JSON objects."""
        if not self.readings:
            return []
        found = json.loads(self.payload)
        if isinstance(found, dict):
            return [found]
        return [one for place, one in enumerate(found) if place not in self.bad]


class Footer(Struct, frozen=True, gc=False, tag="end", tag_field="line"):
    """The totals of a run that ended in order."""

    messages: int
    readings: int
    rejected: int
    seconds: float


Line = Header | Entry | Footer

encode = msgspec.json.Encoder().encode
"""Any line to its JSON bytes."""
_lines: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)


def decode(raw: bytes) -> Line:
    """A line of a ledger.

    Raises:
        msgspec.DecodeError: it is none.
        UnicodeDecodeError: a string in it is not UTF-8.
        RecursionError: it is nested deeper than a ledger's lines.
    """
    return _lines.decode(raw)
