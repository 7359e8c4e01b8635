"""The target ``packets``: bytes from the broker, cut anywhere, are the same packets.

An input is two bytes that seed the cuts, and the stream.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from random import Random
from typing import Final

import mqtt5

from ingest.errors import MqttError
from ingest.packets import PacketBuffer

_BYTE_BY_BYTE: Final = 512

Outcome = tuple[list[str], str]


def check(data: bytes, *, memory: bool = False) -> None:
    """Take a stream in whole and in pieces; raises `AssertionError` where they differ."""
    seed, stream = data[:2], data[2:]
    whole = outcome(stream, iter([len(stream)]))
    random = Random(seed)
    assert outcome(stream, iter(lambda: random.choice((1, 2, 5, 60, 1000)), 0)) == whole
    if len(stream) <= _BYTE_BY_BYTE:
        assert outcome(stream, iter(lambda: 1, 0)) == whole


def outcome(stream: bytes, cuts: Iterator[int]) -> Outcome:
    """The packets of a stream that comes in pieces, and the error that ended it, if one did."""
    buffer = PacketBuffer()
    found: list[str] = []

    def take(packet: mqtt5.Packet) -> None:
        found.append(repr(packet))

    for piece in _pieces(stream, cuts):
        buffer.free[: len(piece)] = piece
        try:
            buffer.take(len(piece), lambda packets: found.extend(map(repr, packets)), take)
        except MqttError as exc:
            return found, str(exc)
        assert len(buffer.free) > 0
    return found, ""


def _pieces(stream: bytes, cuts: Iterable[int]) -> Iterator[bytes]:
    at = 0
    for cut in cuts:
        if at >= len(stream):
            return
        yield stream[at : at + cut]
        at += cut
