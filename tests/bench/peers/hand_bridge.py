"""Hand-written: MQTT to Kafka, one record for each reading, acknowledged when received.

Uses mqtt5 and confluent-kafka, uvloop, batches of 50 ms with lz4. It does not look into
readings: what is no JSON object or array of them is dropped, everything else is left to those
who read it.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
from pathlib import Path
from typing import Final, cast

import mqtt5
import msgspec
import uvloop
from confluent_kafka import Producer

from tests.bench.peers.wire import Progress

_EVERY_S: Final = 0.2
_elements = msgspec.json.Decoder(list[msgspec.Raw]).decode


class Bridge(asyncio.Protocol):
    """One MQTT 5 connection whose messages go to a Kafka topic."""

    def __init__(self, client_id: str, filters: list[str], producer: Producer, topic: str) -> None:
        self._client_id = client_id
        self._filters = filters
        self._producer = producer
        self._topic = topic
        self._rest = b""
        self._transport: asyncio.Transport | None = None
        self._heads: dict[str, tuple[bytes, bytes]] = {}
        self.produced = 0
        self.dropped = 0
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        connect = mqtt5.ConnectPacket(
            self._client_id, clean_start=False, keep_alive=0, session_expiry_interval=3600
        )
        filters = [
            mqtt5.TopicFilter(name, max_qos=mqtt5.QoS.AT_LEAST_ONCE) for name in self._filters
        ]
        self._transport.write(connect.write() + mqtt5.SubscribePacket(65_000, filters).write())

    def data_received(self, data: bytes) -> None:
        data = self._rest + data if self._rest else data
        view, start = memoryview(data), 0
        acks = []
        try:
            while start < len(data):
                packet, size = mqtt5.read(view[start:])
                start += size
                if type(packet) is mqtt5.PublishPacket:
                    self._take(packet)
                    acks.append(b"\x40\x02" + (packet.packet_id or 0).to_bytes(2))
        except IndexError:  # the last packet is not whole yet
            pass
        self._rest = data[start:]
        if acks and self._transport:
            self._transport.write(b"".join(acks))
        self._producer.poll(0)

    def _take(self, packet: mqtt5.PublishPacket) -> None:
        head = self._heads.get(packet.topic)
        if head is None:
            levels = packet.topic.split("/")
            if len(levels) != 6:
                self.dropped += 1
                return
            site, device = levels[2], levels[4]
            start = f'{{"site":"{site}","device":"{device}","reading":'
            head = self._heads[packet.topic] = (site.encode(), start.encode())
        payload = bytes(packet.payload)
        key, text = head
        if payload.startswith(b"{"):
            self._produce(key, text + payload + b"}")
            return
        try:
            for element in _elements(payload):
                self._produce(key, text + bytes(element) + b"}")
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.dropped += 1

    def _produce(self, key: bytes, value: bytes) -> None:
        while True:
            try:
                self._producer.produce(self._topic, value, key)
            except BufferError:
                self._producer.poll(0.05)
            else:
                break
        self.produced += 1

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- asyncio's
        if not self.ended.done():
            self.ended.set_result(None)


async def run(args: argparse.Namespace) -> None:
    """Carry until SIGTERM."""
    producer = Producer(
        {
            "bootstrap.servers": args.kafka,
            "linger.ms": 50,
            "compression.type": "lz4",
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    loop = asyncio.get_running_loop()
    transport, bridge = await loop.create_connection(
        lambda: Bridge(args.client_id, args.filter, producer, args.topic), "127.0.0.1", args.mqtt
    )
    progress = Progress(args.progress)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    while not stop.is_set() and not bridge.ended.done():
        producer.poll(0)
        progress.readings = bridge.produced - len(producer)  # what Kafka has
        # about half of the cost of the others is spent
        progress.begun = bridge.produced - len(producer) // 2
        progress.write()
        await asyncio.sleep(_EVERY_S)
    transport.close()
    producer.flush(10)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mqtt", type=int, required=True, help="port")
    parser.add_argument("--kafka", required=True)
    parser.add_argument("--client-id", required=True)
    parser.add_argument("--filter", action="append", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--progress", type=Path, required=True)
    uvloop.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
