"""The delay from publishing a reading to its being returned by a query, among other readings."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Final

from ingest import MqttOptions, connect_mqtt
from schemas.topics import mqtt_topic
from tests.support.servers import query
from tests.support.stack import Stack

SITE: Final = "bench-probe"
_EVERY_S: Final = 0.05
_POLL_S: Final = 0.01
_PATIENCE_S: Final = 15.0


async def delays_s(stack: Stack, database: str, *, probes: int) -> list[float]:
    """Publish single readings of a device of its own and ask for each until it is there.

    Asks every hundredth of a second, so no delay is known better than that. A probe that isn't
    there after 15 s counts as infinite.
    """
    boot = int(time.time())
    device = f"probe-{boot}"
    sent: list[float] = []
    seen: dict[int, float] = {}
    watching = asyncio.create_task(_watch(stack, database, device, probes, seen))
    link = await connect_mqtt(stack.mqtt_connection, MqttOptions(client_id=""))
    try:
        for seq in range(probes):
            now_s = time.time()
            reading = {
                "type": "temperature", "ts": int(now_s * 1000), "boot": boot, "seq": seq,
                "celsius": 20.5,
            }  # fmt: skip
            topic = mqtt_topic(SITE, "thermometer", device, "telemetry")
            link.publish(topic, json.dumps(reading, separators=(",", ":")).encode())
            sent.append(now_s)
            await asyncio.sleep(_EVERY_S)
        await watching
    finally:
        watching.cancel()
        await link.disconnect()
    return [seen.get(seq, float("inf")) - at_s for seq, at_s in enumerate(sent)]


async def _watch(
    stack: Stack, database: str, device: str, probes: int, seen: dict[int, float]
) -> None:
    """Note when each probe is first returned by a query."""
    asked = f'SELECT "seq" FROM "temperature" WHERE "device" = \'{device}\''
    end_s = time.time() + probes * _EVERY_S + _PATIENCE_S
    while len(seen) < probes and time.time() < end_s:
        rows = await query(stack.influx_connection, asked, database)
        now_s = time.time()
        for row in rows:
            seen.setdefault(int(row["seq"]), now_s)
        await asyncio.sleep(_POLL_S)
