"""Alerts from a reading to the chat, and the absences that our own outages must not make."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from tests.support.city_stack import CityStack, city_stack
from tests.support.waiting import eventually

ABSENT_S = 6
RULES = f"""
[[rule]]
id = "ozone-high"
measure = "air.ozone_ugm3"
above = 100
clear = 90
severity = "critical"
summary = "Ozone {{value}} {{unit}} at {{site}}"

[[rule]]
id = "thermometer-silent"
absent = "temperature"
for = "{ABSENT_S}s"
severity = "warning"
summary = "{{device}} at {{site}} has been silent for {{since}}"
"""
OUTAGE_S = 15
"""More than twice what makes a device silent, and more than the 5 s that make an outage."""


class Chat:
    """A webhook that keeps what it is sent."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        self.messages.append(await request.json())
        return web.Response()

    def about(self, text: str) -> list[str]:
        """Title and body of each message that mentions ``text``."""
        whole = [f"{one['title']} {one['message']}" for one in self.messages]
        return [one for one in whole if text in one]


@pytest_asyncio.fixture(loop_scope="session")
async def chat() -> AsyncIterator[Chat]:
    made = Chat()
    app = web.Application()
    app.router.add_post("/", made.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"json://127.0.0.1:{runner.addresses[0][1]}/"
    yield made
    await runner.cleanup()


@pytest_asyncio.fixture(loop_scope="session")
async def city(tmp_path: Path, chat: Chat) -> AsyncIterator[CityStack]:
    rules = tmp_path / "rules.toml"
    rules.write_text(RULES)
    async with city_stack(
        tmp_path / "data", chat=True, QALA_RULES=str(rules), QALA_CHAT_URLS=chat.url
    ) as started:
        yield started


class Device:
    """A device that tests let speak."""

    def __init__(self, city: CityStack, kind: str, name: str, sort: str) -> None:
        self.city = city
        self.kind, self.name, self.sort = kind, name, sort
        self.seq = 0

    async def say(self, **fields: Any) -> None:
        head = {"type": self.sort, "ts": time.time_ns() // 1_000_000, "boot": 1, "seq": self.seq}
        self.seq += 1
        await self.city.send(self.kind, self.name, "site-alerts", head | fields)

    async def speak_for(self, seconds: float) -> None:
        """A temperature every second."""
        for _ in range(int(seconds)):
            await self.say(celsius=21.5)
            await asyncio.sleep(1)


@pytest.mark.timeout(240)
async def test_a_threshold_fires_once_resolves_once_and_is_silent_within_its_hysteresis(
    city: CityStack, chat: Chat
) -> None:
    ionizer = Device(city, "ionizer", "ion-01", "air")
    still = Device(city, "ionizer", "ion-02", "air")
    await still.say(efficiency_pct=99.9, ozone_ugm3=100)
    for ozone in (80, 100, 104.25, 130, 95, 120, 90.5):
        await ionizer.say(efficiency_pct=99.9, ozone_ugm3=ozone)
    await eventually(lambda: said(chat, "ozone-high"), lambda m: len(m) == 1, timeout_s=30)
    await ionizer.say(efficiency_pct=99.9, ozone_ugm3=90)
    await ionizer.say(efficiency_pct=99.9, ozone_ugm3=97)
    await eventually(lambda: said(chat, "ozone-high"), lambda m: len(m) == 2, timeout_s=30)
    await ionizer.say(efficiency_pct=99.9, ozone_ugm3=100)
    await asyncio.sleep(3)
    fired, resolved = chat.about("ozone-high")
    assert "FIRING" in fired
    assert "Ozone 104.25 µg/m³ at site-alerts" in fired
    assert "RESOLVED" in resolved
    assert "Ozone 90 µg/m³ at site-alerts" in resolved
    assert all("ion-01" in message for message in (fired, resolved))
    rows = await eventually(
        lambda: city.rows('SELECT * FROM "r1h"."alert" WHERE "rule" = \'ozone-high\''),
        lambda r: len(r) == 2,
    )
    assert [(row["state"], row["value"]) for row in rows] == [("firing", 104.25), ("resolved", 90)]


@pytest.mark.timeout(300)
async def test_silence_of_a_device_alarms_and_an_outage_of_kafka_or_the_bridge_does_not(
    city: CityStack, chat: Chat
) -> None:
    quiet = Device(city, "thermometer", "thermo-quiet", "temperature")
    talker = Device(city, "thermometer", "thermo-talker", "temperature")
    await quiet.say(celsius=20)
    await talker.speak_for(ABSENT_S + 5)
    (alarm,) = await eventually(
        lambda: said(chat, "thermometer-silent"), lambda m: len(m) == 1, timeout_s=20
    )
    assert "thermo-quiet at site-alerts has been silent for" in alarm
    assert "FIRING" in alarm

    for away in (city.stack.kafka, None):
        talking = asyncio.create_task(talker.speak_for(OUTAGE_S + 4))
        if away is None:
            bridge = next(one for one in city.stack.stages if one.name.startswith("bridge"))
            await bridge.kill()
            await asyncio.sleep(OUTAGE_S)
            await city.start("bridge")
        else:
            await away.stop()
            await asyncio.sleep(OUTAGE_S)
            await away.start()
        await talking
        seq = talker.seq - 1
        await eventually(lambda: newest(city, "thermo-talker"), lambda n: n >= seq, timeout_s=60)  # noqa: B023 -- awaited within the loop
        await talker.speak_for(ABSENT_S + 3)
    assert len(await said(chat, "thermometer-silent")) == 1
    rows = await city.rows('SELECT * FROM "raw"."temperature" WHERE "device" = \'thermo-talker\'')
    assert [row["seq"] for row in rows] == list(range(talker.seq)), "nothing was lost meanwhile"


@pytest.mark.timeout(240)
async def test_a_mended_letter_is_stored_and_does_not_end_the_silence_of_its_device(
    city: CityStack, chat: Chat
) -> None:
    quiet = Device(city, "thermometer", "thermo-quiet", "temperature")
    await quiet.say(celsius=1000)
    await quiet.say(celsius=20)
    await eventually(lambda: said(chat, "thermometer-silent"), lambda m: len(m) == 1, timeout_s=30)

    file = city.stack.data / "letters.ndjson"
    await dlq(city, "export", "--out", str(file))
    (letter,) = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    letter["payload"] = letter["payload"].replace("1000", "21.5")
    file.write_text(json.dumps(letter) + "\n", "utf-8")
    await eventually(lambda: age_s(letter), lambda age: age > ABSENT_S + 4, timeout_s=30)
    await dlq(city, "replay", "--from", str(file))
    stored = 'SELECT * FROM "raw"."temperature" WHERE "celsius" = 21.5'
    await eventually(lambda: city.rows(stored), lambda rows: len(rows) == 1, timeout_s=30)

    # what is told after it, of the same partition
    await Device(city, "ionizer", "ion-01", "air").say(efficiency_pct=99.9, ozone_ugm3=130)
    await eventually(lambda: said(chat, "ozone-high"), lambda m: len(m) == 1, timeout_s=30)
    (alarm,) = await said(chat, "thermometer-silent")
    assert "FIRING" in alarm
    await quiet.say(celsius=22)
    _, end = await eventually(
        lambda: said(chat, "thermometer-silent"), lambda m: len(m) == 2, timeout_s=30
    )
    assert "RESOLVED" in end


async def dlq(city: CityStack, *arguments: str) -> None:
    process = await city.stack.run("dlq", *arguments)
    assert await process.process.wait() == 0, process.died()


async def age_s(letter: dict[str, Any]) -> float:
    return time.time() - letter["rx"] / 1e6


async def said(chat: Chat, rule: str) -> list[str]:
    return chat.about(rule)


async def newest(city: CityStack, device: str) -> int:
    rows = await city.rows(f'SELECT * FROM "raw"."temperature" WHERE "device" = \'{device}\'')
    return max((row["seq"] for row in rows), default=-1)
