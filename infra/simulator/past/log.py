"""The log that a bridge would have written for a simulated city, record by record.

Every message goes through the bridge's own decoder: persons become pseudonyms, clocks are
judged, and what is malformed is counted as the dead letter that it would have been.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from infra.simulator.message import Outgoing
from ingest.clocks import WrongClocks
from ingest.decode import Origin, PayloadDecoder, origin_of
from ingest.persons import PersonKey
from schemas.errors import TopicError
from schemas.topics import parse_mqtt_topic

BRIDGE: Final = "simulated"


class Record(NamedTuple):
    """One record of the telemetry log; an empty ``value`` is a tick.

    ``letters`` are the reasons of the dead letters that were written with it.
    """

    value: bytes
    lines: int
    letters: list[str]


class SimulatedLog:
    """Makes records of the messages of a city."""

    def __init__(self, key: PersonKey) -> None:
        """``key`` makes the pseudonyms of the simulated persons."""
        self._decoder = PayloadDecoder(key.pseudonym, WrongClocks())
        self._origins: dict[str, Origin | None] = {}
        self._reasons: dict[str, str] = {}

    def record(self, messages: Iterable[Outgoing], now_ms: int) -> Record:
        """One record of all ``messages``, which the bridge received at ``now_ms``."""
        rx_us = now_ms * 1000
        decoder = self._decoder
        lines: list[bytes] = []
        letters: list[str] = []
        for message in messages:
            origin = self._origin(message.topic)
            if origin is None:
                letters.append(self._reasons[message.topic])
                continue
            line = decoder.decode_one(origin, message.payload, rx_us)
            if line is not None:
                lines.append(line)
                continue
            decoded = decoder.decode(origin, message.payload, rx_us)
            lines += decoded.lines
            letters += [rejection.reason.value for rejection in decoded.rejections]
        return Record(b"".join(lines), len(lines), letters)

    def _origin(self, topic: str) -> Origin | None:
        if topic not in self._origins:
            try:
                self._origins[topic] = origin_of(parse_mqtt_topic(topic))
            except TopicError as exc:
                self._origins[topic] = None
                self._reasons[topic] = str(exc.reason)
        return self._origins[topic]
