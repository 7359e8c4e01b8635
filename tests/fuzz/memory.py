"""The bridge's way from a received message to Kafka, with memory in Kafka's place."""

from __future__ import annotations

from typing import Final

import mqtt5
from msgspec import Struct

from ingest.acks import AckQueue, Pending, settle
from ingest.clocks import WrongClocks
from ingest.decode import PayloadDecoder
from ingest.intake import Intake
from ingest.lanes import Headers
from ingest.metrics import BridgeCounts
from ingest.persons import PersonKey

KEY: Final = PersonKey("a-key-for-fuzzing-0123456789-abcdefgh")
RX_US: Final = 1_767_225_600_123_456
PARTITIONS: Final = 8


class FixedClock:
    """Always `RX_US`."""

    speed: float | None = None

    def now_us(self) -> int:
        return RX_US


class Letter(Struct):
    """A dead letter as it would stand in Kafka."""

    partition: int
    value: bytes
    headers: dict[str, bytes]


class _Packer:
    def __init__(self, kept: MemoryOutlet, partition: int) -> None:
        self._kept = kept
        self._partition = partition

    def add(self, line: bytes, acks: AckQueue | None) -> None:
        self._kept.lines.append((self._partition, line))
        self._kept.wait(acks)


class MemoryOutlet:
    """An `ingest.outlet.Outlet` that keeps everything."""

    def __init__(self) -> None:
        self.lines: list[tuple[int, bytes]] = []
        self.letters: list[Letter] = []
        self.partitions = PARTITIONS
        self.packers = [_Packer(self, number) for number in range(PARTITIONS)]
        self._waiting: list[Pending] = []

    def put_letter(
        self, partition: int, value: bytes, headers: Headers, acks: AckQueue | None
    ) -> None:
        assert len({name for name, _ in headers}) == len(headers)
        self.letters.append(Letter(partition, value, dict(headers)))
        self.wait(acks)

    def wait(self, acks: AckQueue | None) -> None:
        if acks is not None:
            self._waiting.append(acks.pending())

    def written(self) -> None:
        """All of it is in Kafka."""
        for pending in self._waiting:
            settle([pending])
        self._waiting.clear()


class Bridge:
    """One connection's intake; `counts` are what `qala_bridge_…` shows."""

    def __init__(self) -> None:
        self.outlet = MemoryOutlet()
        self.counts = BridgeCounts()
        self.acked: list[int] = []
        self._intake = Intake(
            self.outlet,
            bridge="fuzzed",
            decoder=PayloadDecoder(KEY.pseudonym, WrongClocks()),
            key=KEY,
            clock=FixedClock(),
            counts=self.counts,
        )
        self._intake.acks.open(self.acked.extend)
        self._receive = self._intake.receive

    def receive(self, packet: mqtt5.PublishPacket) -> None:
        """Take in a message that came alone."""
        self._receive([packet])

    def settle(self) -> list[int]:
        """Everything is in Kafka; the packet ids that are acknowledged by then."""
        self.outlet.written()
        return self.acked


def publish(topic: str, payload: bytes, ids: list[int] | None, qos: int) -> mqtt5.PublishPacket:
    """A message as the MQTT library hands it over."""
    return mqtt5.PublishPacket(
        topic,
        payload=payload,
        qos=mqtt5.QoS.AT_LEAST_ONCE if qos else mqtt5.QoS.AT_MOST_ONCE,
        packet_id=7 if qos else None,
        subscription_ids=ids,
    )
