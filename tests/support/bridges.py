"""A bridge inside the test's loop, a device to send to it, and a reader of what it wrote."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord
from prometheus_client import CollectorRegistry

from ingest import (
    BridgeSettings,
    MqttLink,
    MqttOptions,
    PersonKey,
    connect_mqtt,
    run_adoption,
    run_bridge,
)
from ingest.claim import CLAIMS
from schemas.clock import Clock, RealClock
from schemas.connections import KafkaConnection, MqttConnection
from schemas.envelope import Line, decode_envelope
from schemas.readiness import Readiness
from schemas.topics import DEAD_LETTERS, TELEMETRY, mqtt_topic
from tests.support.waiting import eventually

KEY = PersonKey("a-key-for-tests-0123456789-abcdefgh")


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def air(seq: int) -> dict[str, object]:
    """An ionizer's reading of now."""
    return {"type": "air", "ts": now_ms(), "boot": 1, "seq": seq, "efficiency_pct": 50.5}


class Bridge:
    """``run_bridge`` as a task; `figure` reads its metrics."""

    def __init__(
        self,
        mqtt: MqttConnection,
        kafka: KafkaConnection,
        clock: Clock | None = None,
        **settings: Any,
    ) -> None:
        self.settings = BridgeSettings(**settings)
        self.readiness = Readiness()
        self.registry = CollectorRegistry()
        self.stop = asyncio.Event()
        self.task = asyncio.get_running_loop().create_task(
            run_bridge(
                self.settings,
                mqtt=mqtt,
                kafka=kafka,
                clock=clock or RealClock(),
                key=KEY,
                readiness=self.readiness,
                registry=self.registry,
                stop=self.stop,
            )
        )

    def figure(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"qala_bridge_{name}", labels) or 0.0

    async def until_connected(self, times: int = 1) -> None:
        async def connected() -> bool:
            if self.task.done():
                self.task.result()
            return self.figure("connections_total") >= times and self.readiness.ready

        await eventually(connected, timeout_s=40)

    async def until_subscribed(self, *ways: str) -> None:
        """Until all data come in just these ways: ``shared``, ``ordinary``, or none."""

        async def held() -> dict[str, float]:
            return {way: self.figure("subscribed", how=way) for way in ("shared", "ordinary")}

        await eventually(held, lambda found: {w for w, n in found.items() if n} == set(ways))

    async def ended(self) -> None:
        self.stop.set()
        async with asyncio.timeout(30):
            await self.task


@asynccontextmanager
async def bridging(
    mqtt: MqttConnection, kafka: KafkaConnection, clock: Clock | None = None, **settings: Any
) -> AsyncIterator[Bridge]:
    """A bridge that carries; at the end it is stopped, and its MQTT session with it."""
    bridge = Bridge(mqtt, kafka, clock, **settings)
    try:
        await bridge.until_connected()
        yield bridge
        if not bridge.task.done():
            await bridge.ended()
    finally:
        bridge.task.cancel()
        await asyncio.gather(bridge.task, return_exceptions=True)
        await forget_session(mqtt, bridge.settings.client_id)


async def forget_session(mqtt: MqttConnection, client_id: str) -> None:
    """Make the broker drop a session and a claim: an absent bridge still gets its share."""
    link = await connect_mqtt(mqtt, MqttOptions(client_id=client_id, clean_start=True))
    link.publish(f"{CLAIMS}{client_id}", b"", retain=True)
    await link.disconnect(end_session=True)


class Device:
    """A publisher on one connection; counts the broker's PUBACKs."""

    link: MqttLink

    def __init__(self) -> None:
        self.sent = 0
        self.acknowledged = 0

    def publish(self, topic: str, payload: bytes | dict[str, Any] | list[Any], **how: Any) -> None:
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        self.sent += self.link.publish(topic, body, **how) is not None

    def send(self, site: str, kind: str, device: str, payload: Any, channel: str = "telemetry"):
        self.publish(mqtt_topic(site, kind, device, channel), payload)

    async def all_acknowledged(self) -> None:
        async def count() -> int:
            return self.acknowledged

        await eventually(count, lambda number: number == self.sent)


@asynccontextmanager
async def device(mqtt: MqttConnection, client_id: str = "device") -> AsyncIterator[Device]:
    sender = Device()

    def count(_: int, __: int) -> None:
        sender.acknowledged += 1

    sender.link = await connect_mqtt(mqtt, MqttOptions(client_id=client_id), on_puback=count)
    try:
        yield sender
    finally:
        await sender.link.disconnect()


class Log:
    """What came into the telemetry and dead-letter topics since this reader was made."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer
        self.records: dict[str, list[ConsumerRecord[bytes, bytes]]] = {
            TELEMETRY: [],
            DEAD_LETTERS: [],
        }

    async def read(self) -> None:
        for tp, found in (await self._consumer.getmany(timeout_ms=100)).items():
            self.records[tp.topic] += found

    def lines(self, site: str) -> list[Line]:
        found: list[Line] = []
        for record in self.records[TELEMETRY]:
            found += decode_envelope(record.value)
        return [line for line in found if line.site == site]

    def letters(self, bridge: str) -> list[ConsumerRecord[bytes, bytes]]:
        return [
            record
            for record in self.records[DEAD_LETTERS]
            if dict(record.headers)["bridge"] == bridge.encode()
        ]

    def ticks(self, bridge: str) -> list[ConsumerRecord[bytes, bytes]]:
        return [
            record
            for record in self.records[TELEMETRY]
            if not record.value and dict(record.headers)["bridge"] == bridge.encode()
        ]

    async def lines_of(self, site: str, number: int, timeout_s: float = 20) -> list[Line]:
        """The lines of ``site`` when there are ``number`` of them or more."""

        async def ask() -> list[Line]:
            await self.read()
            return self.lines(site)

        return await eventually(ask, lambda found: len(found) >= number, timeout_s=timeout_s)

    async def letters_of(self, bridge: str, number: int) -> list[ConsumerRecord[bytes, bytes]]:
        async def ask() -> list[ConsumerRecord[bytes, bytes]]:
            await self.read()
            return self.letters(bridge)

        return await eventually(ask, lambda found: len(found) >= number)


@asynccontextmanager
async def reading_log(kafka: KafkaConnection) -> AsyncIterator[Log]:
    consumer = AIOKafkaConsumer(**kafka.client_args(), auto_offset_reset="latest")
    await consumer.start()
    try:
        parts = []
        for topic in (TELEMETRY, DEAD_LETTERS):
            consumer.subscribe([topic])
            parts += [TopicPartition(topic, number) for number in range(8)]
        consumer.unsubscribe()
        consumer.assign(parts)
        await consumer.seek_to_end()
        for part in parts:
            await consumer.position(part)
        yield Log(consumer)
    finally:
        await consumer.stop()


class Adoption:
    """``run_adoption`` as a task."""

    def __init__(self, mqtt: MqttConnection, kafka: KafkaConnection, **settings: object) -> None:
        self.stop = asyncio.Event()
        self.registry = CollectorRegistry()
        self.task = asyncio.get_running_loop().create_task(
            run_adoption(
                BridgeSettings(**settings),
                mqtt=mqtt,
                kafka=kafka,
                clock=RealClock(),
                key=KEY,
                readiness=Readiness(),
                registry=self.registry,
                stop=self.stop,
            )
        )

    async def drained(self) -> int:
        async with asyncio.timeout(60):
            return await self.task

    async def messages(self) -> float:
        assert not self.task.done()
        return self.registry.get_sample_value("qala_bridge_messages_total") or 0.0
