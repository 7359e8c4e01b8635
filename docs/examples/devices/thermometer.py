"""A thermometer that loses nothing while the broker is away. Needs: pip install aiomqtt."""
# ruff: noqa: INP001, T201 - a program of its own, which prints

import asyncio
import contextlib
import json
import os
import signal
import ssl
import sys
import time
from collections import deque
from itertools import islice
from pathlib import Path
from typing import Any

import aiomqtt

SITE, DEVICE = os.environ.get("SITE"), os.environ.get("DEVICE")
TOPIC = f"qala/v1/{SITE}/thermometer/{DEVICE}"
SENSOR = Path(os.environ.get("SENSOR", "/sys/class/thermal/thermal_zone0/temp"))
INTERVAL_S = float(os.environ.get("INTERVAL_S", "5"))
CA = os.environ.get("MQTT_CA")
RETRY_S = 2
BATCH = 100  # readings of one message; Qala takes up to 1000
KEPT = 100_000  # readings in memory; older ones are given up, and Qala counts them as missing


class Readings:
    """What has been measured and not yet acknowledged, the oldest first."""

    def __init__(self) -> None:
        self.boot = int(time.time())  # its start names the boot
        self.unsent: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self.some = asyncio.Event()
        self._seq = 0

    def add(self, celsius: float) -> None:
        """Give a value its name and its time: once, here, however often it is sent."""
        self.unsent.append(
            {
                "type": "temperature",
                "ts": now_ms(),
                "boot": self.boot,
                "seq": self._seq,
                "celsius": celsius,
            }
        )
        self._seq += 1  # goes on over reconnects
        self.some.set()

    def acknowledged(self, last_seq: int) -> None:
        """Forget what the broker has taken."""
        while self.unsent and self.unsent[0]["seq"] <= last_seq:
            self.unsent.popleft()
        if not self.unsent:
            self.some.clear()


def now_ms() -> int:
    """Event time: milliseconds since the Unix epoch, UTC."""
    return time.time_ns() // 1_000_000


def status(state: str, readings: Readings) -> str:
    """What the device says of itself; also its last will."""
    return json.dumps({"state": state, "ts": now_ms(), "boot": readings.boot})


class SensorError(Exception):
    """The sensor gives no value; the message says what to do."""


def measured() -> float:
    """What the sensor says, in °C; the kernel gives thousandths of a degree."""
    try:
        return int(SENSOR.read_text()) / 1000
    except OSError as error:
        raise SensorError(f"no sensor {SENSOR} ({error.strerror}); name a file by SENSOR") from None
    except ValueError:
        raise SensorError(f"{SENSOR} holds no whole number; 21400 would be 21.4 °C") from None


async def measure(readings: Readings) -> None:
    """Measure for ever; a sensor that fails meanwhile is asked again."""
    while True:
        try:
            readings.add(await asyncio.to_thread(measured))
        except SensorError as error:
            print(error, flush=True)
        await asyncio.sleep(INTERVAL_S)


async def send(readings: Readings) -> None:
    """Connect, and connect again, for ever."""
    while True:
        will = aiomqtt.Will(f"{TOPIC}/status", status("offline", readings), qos=1, retain=True)
        try:
            async with aiomqtt.Client(
                os.environ.get("MQTT_HOST", "127.0.0.1"),
                int(os.environ.get("MQTT_PORT", "1883")),
                username=os.environ.get("MQTT_USER"),
                password=os.environ.get("MQTT_PASSWORD"),
                tls_context=ssl.create_default_context(cafile=CA) if CA else None,
                will=will,
            ) as client:
                await talk(client, readings)
        except aiomqtt.MqttError as error:
            print(f"broker away ({error}); {len(readings.unsent)} readings wait", flush=True)
            await asyncio.sleep(RETRY_S)


async def talk(client: aiomqtt.Client, readings: Readings) -> None:
    """Send what waits, until the connection breaks."""
    await client.publish(f"{TOPIC}/status", status("online", readings), qos=1, retain=True)
    try:
        while True:
            await readings.some.wait()
            batch = list(islice(readings.unsent, BATCH))
            # Returns at the PUBACK. Without one the same readings go again, under the same
            # names: Qala counts each once.
            await client.publish(f"{TOPIC}/telemetry", json.dumps(batch), qos=1)
            readings.acknowledged(batch[-1]["seq"])
    except asyncio.CancelledError:  # an orderly stop: no last will is published for it
        await client.publish(f"{TOPIC}/status", status("offline", readings), qos=1, retain=True)
        raise


async def main() -> None:
    """Measure and send until SIGTERM or Ctrl-C."""
    readings = Readings()
    both = asyncio.gather(measure(readings), send(readings))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, both.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await both


if __name__ == "__main__":
    if not (SITE and DEVICE):
        sys.exit("which device is it? Set SITE and DEVICE, for example SITE=hall-1 DEVICE=t-1")
    try:
        measured()  # a sensor that is not there is told before anything is sent
    except SensorError as error:
        sys.exit(str(error))
    asyncio.run(main())
