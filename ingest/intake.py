"""From a received PUBLISH to lines and dead letters: the work done for every message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import mqtt5
from msgspec import Struct

from ingest.acks import AckQueue
from ingest.deadletters import dead_letter
from ingest.decode import Decoded, Origin, PayloadDecoder, Rejection, origin_of
from ingest.metrics import BridgeCounts
from ingest.outlet import Outlet
from ingest.persons import PersonKey
from schemas.clock import Clock
from schemas.deadletters import Reason
from schemas.errors import TopicError
from schemas.topics import is_id, parse_mqtt_topic, partition_of

DATA_ID: Final = 1
"""Subscription id of ``qala/v1/#``, shared or ordinary: each message comes to one bridge."""
STATUS_ID: Final = 2
"""Subscription id of ``qala/v1/+/+/+/status``: each status comes to every bridge."""
_ROUTES: Final = 65_536
_LEVELS: Final = 6
_SITE_LEVEL: Final = 2


class _Route(Struct, frozen=True, gc=False):
    """What a topic means: a device's, a command's (neither origin nor reason), or wrong."""

    partition: int
    origin: Origin | None = None
    telemetry: Origin | None = None
    reason: Reason | None = None
    detail: str = ""


class Intake:
    """Takes the messages of one MQTT connection in; `receive` is its ``on_publish``."""

    def __init__(
        self,
        writer: Outlet,
        *,
        bridge: str,
        decoder: PayloadDecoder,
        key: PersonKey,
        clock: Clock,
        counts: BridgeCounts,
        acks: AckQueue | None = None,
    ) -> None:
        """Begin with nothing received; ``acks`` is an empty queue, where it has a bound."""
        self._writer = writer
        self._bridge = bridge
        self._decoder = decoder
        self._decode_one = decoder.decode_one
        self._packers = writer.packers
        self._key = key
        self._now_us = clock.now_us
        self._counts = counts
        self._routes: dict[str, _Route] = {}
        self.acks = AckQueue() if acks is None else acks

    def receive(self, packets: Sequence[mqtt5.PublishPacket]) -> None:
        """Decode messages that came together and hand them to Kafka, in their order.

        The PUBACK of each leaves when it is there.
        """
        counts, routes, packers = self._counts, self._routes, self._packers
        decode_one = self._decode_one
        received = self.acks.received
        rx_us = self._now_us()
        for packet in packets:
            topic = packet.topic
            payload = packet.payload
            packet_id = packet.packet_id
            acks = None
            if packet_id is not None:
                acks = self.acks
                received(packet_id)
            counts.messages += 1
            counts.payload_bytes += len(payload)
            route = routes.get(topic) or self._route(topic)
            if route.telemetry is not None:
                line = decode_one(route.telemetry, payload, rx_us)
                if line is not None:
                    counts.readings += 1
                    packers[route.partition].add(line, acks)
                    continue
            self._take_any(route, packet, rx_us, acks)
            self.acks.advance()
        self.acks.look()

    def _take_any(
        self, route: _Route, packet: mqtt5.PublishPacket, rx_us: int, acks: AckQueue | None
    ) -> None:
        """Whatever is not one faultless reading."""
        ids = packet.subscription_ids
        if route.origin is not None and route.origin.topic.channel != "status":
            decoded = self._decoder.decode(route.origin, packet.payload, rx_us)
            self._write(route, decoded, acks)
            self._reject(route, packet.topic, decoded.rejections, rx_us, acks)
        elif route.origin is not None:
            self._take_status(route, packet, rx_us, acks)
        elif route.reason is None:
            self._counts.ignored["command"] += 1
        elif ids and DATA_ID not in ids:
            self._counts.ignored["copy"] += 1
        else:
            rejection = Rejection(route.reason, route.detail, packet.payload, None, personal=True)
            self._reject(route, packet.topic, [rejection], rx_us, acks)

    def _take_status(
        self, route: _Route, packet: mqtt5.PublishPacket, rx_us: int, acks: AckQueue | None
    ) -> None:
        """Take a status's line from the statuses' subscription, its dead letter from the data's.

        So every bridge writes each status, which is idempotent, and one its dead letter. A
        broker without subscription ids says nothing of where it comes from: take both.
        """
        origin, payload, ids = route.origin, packet.payload, packet.subscription_ids
        if not payload or origin is None:
            self._counts.ignored["cleared_status"] += 1
            return
        decoded = self._decoder.decode(origin, payload, rx_us)
        if decoded.lines and (not ids or STATUS_ID in ids):
            self._write(route, decoded, acks)
        elif decoded.rejections and (not ids or DATA_ID in ids):
            self._reject(route, packet.topic, decoded.rejections, rx_us, acks)
        else:
            self._counts.ignored["copy"] += 1

    def _write(self, route: _Route, decoded: Decoded, acks: AckQueue | None) -> None:
        counts = self._counts
        if route.telemetry is not None:
            counts.readings += len(decoded.lines)
        elif route.origin is not None:
            counts.answers[route.origin.topic.channel] += len(decoded.lines)
        counts.unknown_fields += decoded.unknown_fields
        counts.wrong_clocks += decoded.wrong_clocks
        packer = self._packers[route.partition]
        for line in decoded.lines:
            packer.add(line, acks)

    def _reject(
        self,
        route: _Route,
        topic: str,
        rejections: Sequence[Rejection],
        rx_us: int,
        acks: AckQueue | None,
    ) -> None:
        for rejection in rejections:
            self._counts.rejected[rejection.reason.value] += 1
            value, headers = dead_letter(
                rejection, topic=topic, rx_us=rx_us, bridge=self._bridge, key=self._key
            )
            self._writer.put_letter(route.partition, value, headers, acks)

    def _route(self, topic: str) -> _Route:
        """What ``topic`` means, remembered; the memory starts anew when it is full."""
        if len(self._routes) >= _ROUTES:
            self._routes.clear()
        partitions = self._writer.partitions
        levels = topic.split("/")
        site = levels[_SITE_LEVEL] if len(levels) > _SITE_LEVEL else ""
        partition = partition_of(site if is_id(site) else "", partitions)
        if len(levels) == _LEVELS and levels[-1] == "command":
            route = _Route(partition)
        else:
            try:
                origin = origin_of(parse_mqtt_topic(topic))
                telemetry = origin if origin.topic.channel == "telemetry" else None
                route = _Route(partition, origin, telemetry)
            except TopicError as exc:
                route = _Route(partition, reason=Reason(exc.reason), detail=str(exc))
        self._routes[topic] = route
        return route
