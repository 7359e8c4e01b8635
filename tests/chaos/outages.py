"""No false absence: Kafka away, and the only bridge away, while every device goes on speaking."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Final, NamedTuple

from tests.chaos.drain import all_ready
from tests.chaos.load import Load, under_load, verified
from tests.chaos.measure import Grid
from tests.chaos.play import Say
from tests.chaos.processes import Processes
from tests.chaos.recompute.contract import HOLD_MS
from tests.support.stack import Stack
from tests.support.waiting import eventually

RULES: Final = Path(__file__).with_name("outages.rules.toml")
LOAD: Final = Load(rate=24, devices=24, sites=6, faults="none")
"""Each device speaks once a second."""
SILENT_S: Final = 20.0
"""As in the rules."""
QUIET: Final = "thermo-quiet"
_AFTERWARDS_S: Final = HOLD_MS / 1000 + SILENT_S + 10
"""So long after an outage a false absence would have been told."""


class Outage(NamedTuple):
    """One outage; ``absences`` are alerts about devices that spoke all the time."""

    away: str
    seconds: float
    absences: int


class Outages(NamedTuple):
    """``alarms`` are those about a device that was silent indeed: there must be one."""

    found: list[Outage]
    alarms: int
    acknowledged: int
    lost: int

    @property
    def ok(self) -> bool:
        """Whether nobody was alarmed but by the silent device, and nothing is lost."""
        return not self.lost and self.alarms == 1 and not any(one.absences for one in self.found)


async def outages(seconds: float, data: Path, say: Say) -> Outages:
    """Let each be away for so long, and wait for the alarms that must not come."""
    ledger = data / "ledger.ndjson.gz"
    found = []
    async with (
        Stack.started(data) as stack,
        Processes.of(stack, {"QALA_RULES": str(RULES)}) as processes,
    ):
        chat = stack.data / "chat" / "messages.ndjson"
        for name, stage in list(processes.stages.items()):
            if name == "streams-2":
                del processes.stages[name]
            else:
                await stage.start()
        await all_ready(stack, processes)
        async with under_load(stack, LOAD, 1, ledger):
            await _speak_once(stack)
            # the rules work: a silent device alarms
            await eventually(lambda: _alarms(chat, QUIET), timeout_s=SILENT_S * 6, every_s=0.5)
            for name in ("kafka", "bridge"):
                before = await _alarms(chat, "")
                await processes[name].stop()
                say(f"{name} is away for {seconds:g} s")
                await asyncio.sleep(seconds)
                await processes[name].start()
                await all_ready(stack, processes)
                say(f"{name} is back")
                await asyncio.sleep(_AFTERWARDS_S)
                found.append(Outage(name, seconds, await _alarms(chat, "") - before))
        report = await verified(stack, ledger)
        return Outages(found, await _alarms(chat, QUIET), report["sent"], report["lost"])


async def _speak_once(stack: Stack) -> None:
    mqtt = stack.mqtt_connection
    body = {"type": "temperature", "ts": time.time_ns() // 1_000_000, "boot": 1, "seq": 0}
    process = await asyncio.create_subprocess_exec(
        "mosquitto_pub", "-h", mqtt.host, "-p", str(mqtt.port), "-q", "1",
        "-t", f"qala/v1/quiet-site/thermometer/{QUIET}/telemetry",
        "-m", json.dumps(body | {"celsius": 20.5}),
    )  # fmt: skip
    assert await process.wait() == 0


async def _alarms(chat: Path, device: str) -> int:
    """Firing alerts told so far: about ``device``, or about any other than the silent one."""
    text = await asyncio.to_thread(_read, chat)
    firing = [one["body"] for one in map(json.loads, text.splitlines()) if one["state"] == "firing"]
    return sum(device in body if device else QUIET not in body for body in firing)


def _read(chat: Path) -> str:
    return chat.read_text(encoding="utf-8") if chat.exists() else ""


def as_grid(found: Outages) -> Grid:
    """For a page, and for a terminal."""
    title = (
        f"{LOAD.devices} devices that speak once a second; rules on {SILENT_S:g} s of silence; "
        f"{found.acknowledged:,} readings, {found.lost:,} lost"
    )
    return (
        title,
        ("away", "seconds", "absences told of those who spoke", "of the one who was silent"),
        [
            (one.away, f"{one.seconds:g}", str(one.absences), str(found.alarms))
            for one in found.found
        ],
    )
