"""Replays: messages of dead letters, taken in again by the code that takes MQTT's.

The receive time is the first one, so that a clock that was not believed then is not believed
now. The order makes a crash harmless: lines and new letters are in Kafka before the mark that
says so. What a crash repeats is known by its (boot, seq).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import mqtt5
from msgspec import Struct

from ingest.acks import AckQueue
from ingest.clocks import WrongClocks
from ingest.decode import PayloadDecoder
from ingest.errors import KafkaFailedError, SealError
from ingest.intake import Intake
from ingest.lanes import Headers
from ingest.metrics import BridgeCounts
from ingest.outlet import LinePacker, Outlet
from ingest.persons import PersonKey
from ingest.producer import LogWriter, open_writer
from ingest.settings import BridgeSettings
from schemas.clock import Clock
from schemas.connections import KafkaConnection
from schemas.deadletters import (
    HEADER_ACCEPTED,
    HEADER_BRIDGE,
    HEADER_DETAIL,
    HEADER_REASON,
    HEADER_REFUSED,
    HEADER_REPLAY_OF,
    HEADER_REPLAYED,
    REPLAY_BRIDGE,
)
from schemas.envelope import header


class Message(Struct, frozen=True):
    """What a letter was, or was mended to. ``ref`` names the letter, as ``partition/offset``."""

    ref: str
    topic: str
    payload: bytes
    rx_us: int


class Taken(Struct, frozen=True):
    """What became of a message: lines for the log, and reason and sentence of each new letter.

    Without any of them the message was one that a bridge takes no notice of.
    """

    accepted: int
    refused: tuple[tuple[str, str], ...]


class _FirstTime:
    """A clock that stands at the receive time of the letter in hand."""

    speed: float | None = None

    def __init__(self) -> None:
        self.us = 0

    def now_us(self) -> int:
        return self.us


class _NoKey(PersonKey):
    """Stands where no key is at hand: what needs one cannot be taken in."""

    def __init__(self) -> None:
        self.sealed = ""

    def pseudonym(self, person: str) -> str:  # noqa: ARG002 - the name is the base's
        raise SealError(_NEEDS_KEY)

    def open(self, sealed: bytes, header: str) -> bytes:  # noqa: ARG002 - the names are the base's
        raise SealError(_NEEDS_KEY)

    def seal(self, plain: bytes) -> bytes:  # noqa: ARG002 - the name is the base's
        raise SealError(_NEEDS_KEY)


_NEEDS_KEY: Final = (
    "it may hold a person's id, and the key is not here; set QALA_PERSON_KEY, or name the "
    "bridge's data folder with --data"
)


class _Nowhere:
    """Takes lines and keeps none."""

    def add(self, line: bytes, acks: AckQueue | None) -> None:
        pass


class _Linked:
    """An outlet whose new letters name the letter in hand; without a writer, nothing is kept."""

    def __init__(self, writer: LogWriter | None, partitions: int) -> None:
        self._writer = writer
        self.partitions = partitions
        nowhere: Sequence[LinePacker] = [_Nowhere()] * partitions
        self.packers: Sequence[LinePacker] = nowhere if writer is None else writer.packers
        self.ref = ""
        self.refused: list[tuple[str, str]] = []

    def put_letter(
        self, partition: int, value: bytes, headers: Headers, acks: AckQueue | None
    ) -> None:
        told = (header(headers, HEADER_REASON) or "", header(headers, HEADER_DETAIL) or "")
        self.refused.append(told)
        if self._writer is not None:
            linked = [*headers, (HEADER_REPLAY_OF, self.ref.encode())]
            self._writer.put_letter(partition, value, linked, acks)


class Trial:
    """Takes messages in and writes nothing, to see what would become of them.

    Of a `Replay` it is the part that decides; ``outlet`` is where what it takes goes.
    """

    def __init__(
        self, key: PersonKey | None, partitions: int, outlet: _Linked | None = None
    ) -> None:
        """Take the key, or None where there is none, and the telemetry topic's partitions."""
        self._outlet = outlet or _Linked(None, partitions)
        self._clock = _FirstTime()
        self._counts = BridgeCounts()
        key = key or _NoKey()
        told: Outlet = self._outlet
        self._intake = Intake(
            told,
            bridge=REPLAY_BRIDGE,
            decoder=PayloadDecoder(key.pseudonym, WrongClocks()),
            key=key,
            clock=self._clock,
            counts=self._counts,
        )

    def take(self, message: Message) -> Taken:
        """Take one message in.

        Raises:
            SealError: it needs the key, which is not here.
        """
        outlet, counts = self._outlet, self._counts
        outlet.ref, outlet.refused = message.ref, []
        self._clock.us = message.rx_us
        before = counts.readings + counts.answers.total()
        self._intake.receive([mqtt5.PublishPacket(message.topic, payload=message.payload)])
        after = counts.readings + counts.answers.total()
        return Taken(after - before, tuple(outlet.refused))


class Replay:
    """Writes messages to Kafka, and the marks that say so; make it by `open_replay`."""

    def __init__(self, writer: LogWriter, key: PersonKey | None, timeout_s: float) -> None:
        """Take an open writer."""
        self._writer = writer
        self._timeout_s = timeout_s
        self._into_log = Trial(key, writer.partitions, _Linked(writer, writer.partitions))

    def put(self, message: Message) -> Taken:
        """Hand one message over; it is in Kafka after the next `settle`. Raises as a trial's."""
        return self._into_log.take(message)

    def mark(self, partition: int, ref: str, taken: Taken, letter: Headers) -> None:
        """Say in the dead letters' topic that the letter ``ref`` of ``partition`` was replayed.

        Only after the `settle` that followed its `put`. ``letter`` are its own topic, rx and
        reason, so that a reader who doesn't know marks finds the headers of any letter.
        """
        headers: Headers = [
            *letter,
            (HEADER_DETAIL, b"the mark of a replay, no letter"),
            (HEADER_BRIDGE, REPLAY_BRIDGE.encode()),
            (HEADER_REPLAYED, ref.encode()),
            (HEADER_ACCEPTED, b"%d" % taken.accepted),
            (HEADER_REFUSED, b"%d" % len(taken.refused)),
        ]
        self._writer.put_letter(partition, b"", headers, None)

    async def settle(self) -> None:
        """Wait until everything handed over is in Kafka with all acknowledgements.

        Raises:
            KafkaFailedError: Kafka has refused something, or has not taken it in time.
        """
        settled = await self._writer.settle(self._timeout_s)
        if self._writer.failed.done():
            raise self._writer.failed.result()
        if not settled:
            raise KafkaFailedError(f"Kafka has not taken records for {self._timeout_s:.0f} s")


@asynccontextmanager
async def open_replay(
    kafka: KafkaConnection, *, key: PersonKey | None, clock: Clock, timeout_s: float = 30.0
) -> AsyncIterator[Replay]:
    """A way into Kafka for replays; ``clock`` is the log's, real or simulated.

    Raises:
        KafkaRefusedError: Kafka, or its certificate, does not let us in.
        KafkaFailedError: Kafka cannot be reached.
        KafkaTopicError: a topic is missing.
    """
    writer = await open_writer(
        kafka,
        settings=BridgeSettings(id=REPLAY_BRIDGE),
        clock=clock,
        turned=lambda: None,
        counts=BridgeCounts(),
        key=key or _NoKey(),
    )
    try:
        yield Replay(writer, key, timeout_s)
    finally:
        await writer.close()
