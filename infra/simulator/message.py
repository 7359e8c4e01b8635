"""One MQTT message that a simulated device is about to send, and what must become of it."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Meant = Literal[
    "valid", "duplicate", "disorder", "late", "wrong_clock", "quirk", "malformed", "status"
]


class Outgoing(Struct, gc=False):
    """A message; ``readings`` of it are to be accepted, ``rejected`` become dead letters.

    ``bad`` are the places of rejected readings in an array; ``times`` counts how often the
    message was sent, as a broken connection makes that more than once.
    """

    lane: int
    topic: str
    payload: bytes
    meant: Meant = "valid"
    readings: int = 1
    rejected: int = 0
    bad: tuple[int, ...] = ()
    times: int = 0
    retain: bool = False
