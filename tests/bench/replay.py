"""Publishes a recorded load: a process of its own, so that it disturbs nobody's measurement.

Prints one line of JSON when the broker has taken everything: the schedule that its bytes follow
from, and how far it fell behind.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
import time
from pathlib import Path
from typing import Final

import msgspec
import uvloop
from pydantic import SecretStr

from ingest import MqttLink, MqttOptions, connect_mqtt
from schemas.connections import MqttConnection
from tests.bench.load import Load, Message, Schedule, load

_IN_FLIGHT: Final = 4000
_PAUSE_S: Final = 0.004
_LEAD_MS: Final = 100


class Replayed(msgspec.Struct):
    """What a replay did; ``behind_s`` is the most that a message left after its time."""

    schedule: Schedule
    messages: int
    readings: int
    seconds: float
    behind_s: float


class _Publisher:
    """Sends prepared messages in order, with a bounded number unacknowledged."""

    def __init__(self) -> None:
        self.unacknowledged = 0
        self._free = asyncio.Event()

    def acknowledged(self, _packet_id: int, _code: int) -> None:
        self.unacknowledged -= 1
        self._free.set()

    async def room(self, limit: int) -> None:
        """Wait until fewer than ``limit`` messages are unacknowledged."""
        while self.unacknowledged >= limit:
            self._free.clear()
            await self._free.wait()

    async def send(self, link: MqttLink, message: tuple[Message, bytes]) -> None:
        if self.unacknowledged >= _IN_FLIGHT:
            await self.room(_IN_FLIGHT // 2)
        self.unacknowledged += 1
        link.publish(message[0].topic, message[1])


async def replay(recorded: Load, mqtt: MqttConnection, rate: float, *, paced: bool) -> Replayed:
    """Publish ``recorded`` with QoS 1, dated as at ``rate``, and sent so where ``paced``."""
    publisher = _Publisher()
    link = await connect_mqtt(mqtt, MqttOptions(client_id=""), on_puback=publisher.acknowledged)
    # the bytes are made before the first is sent, for a start a little later
    ready_ms = time.time_ns() // 1_000_000 + _LEAD_MS + len(recorded.messages) // 50
    schedule = Schedule(start_ms=ready_ms, rate=rate)
    prepared = list(schedule.sent(recorded))
    gc.freeze()
    gc.disable()
    await asyncio.sleep(max(0.0, ready_ms / 1000 - time.time()))
    behind_s = 0.0
    for message in prepared:
        if paced:
            wait_s = message[0].due / rate - (time.time() - ready_ms / 1000)
            behind_s = max(behind_s, -wait_s)
            if wait_s > 0:
                await asyncio.sleep(max(wait_s, _PAUSE_S))
        await publisher.send(link, message)
    await publisher.room(1)
    seconds = time.time() - ready_ms / 1000
    await link.disconnect()
    return Replayed(schedule, len(prepared), recorded.readings, seconds, behind_s)


def main() -> None:
    """Replay a file of `Load.save`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--mqtt", required=True, help="mqtt://host:port")
    parser.add_argument("--rate", type=float, required=True, help="readings a second")
    parser.add_argument("--count", type=int, required=True, help="so many messages")
    parser.add_argument("--unpaced", action="store_true", help="dated so, but sent at full speed")
    args = parser.parse_args()
    mqtt = MqttConnection(url=SecretStr(args.mqtt))
    recorded = load(args.file)
    del recorded.messages[args.count :]
    done = uvloop.run(replay(recorded, mqtt, args.rate, paced=not args.unpaced))
    sys.stdout.write(msgspec.json.encode(done).decode() + "\n")


if __name__ == "__main__":
    main()
