"""The whole path as an operator has it: servers and every stage, for tests from end to end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tests.support.servers import query
from tests.support.stack import Stack, StageProcess
from tests.support.waiting import eventually

STAGES = {
    "bridge": ("bridge",),
    "streams": ("streams",),
    "sink-influx": ("sink", "influx"),
    "sink-chat": ("sink", "chat"),
}


class CityStack:
    """A stack with its stages, each ready; ``environ`` is for all of them."""

    def __init__(self, stack: Stack, clock: str | None, environ: dict[str, str]) -> None:
        self.stack = stack
        self.clock = clock
        self.environ = environ

    async def start(self, stage: str, name: str | None = None) -> StageProcess:
        """Start one stage; does not wait until it is ready."""
        clock = ("--clock", self.clock) if self.clock and stage == "bridge" else ()
        ids = ("--id", name) if name and stage == "bridge" else ()
        return await self.stack.run(*STAGES[stage], *clock, *ids, name=name, **self.environ)

    async def ready(self, stage: str = "bridge") -> None:
        """Wait until a stage says on ``/ready`` that it works."""
        await eventually(lambda: self._answers(stage), timeout_s=40, every_s=0.2)

    async def _answers(self, stage: str) -> bool:
        record = self.stack.data / "run" / f"{stage}.probe.json"
        if not record.exists():
            return False
        port = json.loads(record.read_text())["port"]
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"http://127.0.0.1:{port}/ready") as answer,
            ):
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    async def publish(self, topic: str, payload: bytes, *more: str) -> None:
        """Publish with Mosquitto's own client, QoS 1."""
        ports = self.stack.mqtt_connection
        process = await asyncio.create_subprocess_exec(
            "mosquitto_pub", "-h", ports.host, "-p", str(ports.port), "-q", "1", "-t", topic,
            "-s", *more, stdin=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        _, said = await process.communicate(payload)
        assert process.returncode == 0, said.decode()

    async def send(self, kind: str, device: str, site: str, *readings: dict[str, Any]) -> None:
        """Publish readings of one device: an object, or an array where there are several."""
        body = readings[0] if len(readings) == 1 else list(readings)
        topic = f"qala/v1/{site}/{kind}/{device}/telemetry"
        await self.publish(topic, json.dumps(body).encode())

    async def rows(self, question: str) -> list[dict[str, Any]]:
        """The answer to an InfluxQL question."""
        return await query(self.stack.influx_connection, question)

    async def simulate(self, *options: str) -> Path:
        """Run a simulated city to its end; returns its ledger."""
        ledger = self.stack.data / "ledger.ndjson"
        clock = ("--clock", self.clock) if self.clock else ()
        process = await self.stack.run("simulate", *options, "--ledger", str(ledger), *clock)
        assert await process.process.wait() == 0, process.died()
        return ledger

    async def verify(self, ledger: Path) -> dict[str, Any]:
        """What ``qala verify`` says of a ledger."""
        process = await self.stack.run("verify", str(ledger), "--json")
        code = await process.process.wait()
        text = process.output()
        report: dict[str, Any]  # where it is not as it should be, a sentence follows
        report, _ = json.JSONDecoder().raw_decode(text, text.index("{\n"))
        assert code == (0 if report["ok"] else 1)
        return report


@asynccontextmanager
async def city_stack(
    data: Path, *, clock: str | None = None, chat: bool = False, **environ: str
) -> AsyncIterator[CityStack]:
    """Servers, bridge, worker and sinks over ``data``, all ready."""
    async with Stack.started(data, simulated_clock=clock is not None) as stack:
        city = CityStack(stack, clock, environ)
        wanted = [stage for stage in STAGES if chat or stage != "sink-chat"]
        for stage in wanted:
            await city.start(stage)
        for stage in wanted:
            await city.ready(stage)
        yield city
