"""The containers' Mosquitto: the files that compose.yaml mounts, on a Mosquitto of this machine."""

from __future__ import annotations

import asyncio
import os
import pwd
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
import yaml

from infra.native import LOOPBACK, NativeServer, find_native, free_port, log_path
from tests.support.compose import ROOT
from tests.support.secured_certificates import Authority
from tests.support.servers import RunningServer

COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
DEVICE = "hall-1/thermometer/t-1"
PASSWORDS = {
    "MQTT_BRIDGE_PASSWORD": "bridge-word",
    "MQTT_DOCTOR_PASSWORD": "doctor-word",
    "SIMULATOR_PASSWORD": "",
}


class Broker:
    """Mosquitto over a folder that stands for the container's ``/mosquitto``."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "mosquitto"
        self.ports = {name: free_port() for name in ("1883", "1884", "1885", "1886", "8883")}
        self.words = dict(PASSWORDS)
        for mount in COMPOSE["mosquitto"]["volumes"]:
            source, target, *_ = mount.split(":")
            place = self.root / target.removeprefix("/mosquitto/")
            place.parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / source).is_file():
                place.write_text(self.here((ROOT / source).read_text()))
            else:
                place.mkdir()
        conf = self.root / "config/mosquitto.conf"
        conf.write_text(f"user {pwd.getpwuid(os.geteuid()).pw_name}\n{conf.read_text()}")
        program = str(find_native(os.environ).mosquitto)
        self.server = RunningServer(
            NativeServer(
                name="mosquitto",
                port=int(self.ports["1884"]),
                folder=self.root,
                argv=(program, "-c", str(conf)),
                env={},
                log=log_path(folder, "mosquitto"),
                prepare=self.prepare,
                ready=self.healthy,
            )
        )

    def here(self, text: str) -> str:
        """A text of the container with this machine's folder and ports."""
        text = text.replace("/mosquitto/", f"{self.root}/")
        for theirs, ours in self.ports.items():
            text = text.replace(f"listener {theirs}", f"listener {ours} {LOOPBACK}")
            text = text.replace(f"-p {theirs}", f"-p {ours}")
        return text

    async def prepare(self) -> None:
        """What the service ``mqtt-prepare`` does, then a device of somebody's."""
        script = self.here((ROOT / "infra/deploy/compose/mosquitto/prepare.sh").read_text())
        assert await self._sh(script) == (0, "")
        await self._sh(
            f"mosquitto_passwd -b {self.root}/data/passwords/devices {DEVICE} device-word"
        )

    async def healthy(self) -> bool:
        """What the health check of compose.yaml finds."""
        kind, command = COMPOSE["mosquitto"]["healthcheck"]["test"]
        assert kind == "CMD-SHELL"
        code, _ = await self._sh(self.here(command.replace("$$", "$")))
        return code == 0

    async def publish(self, listener: str, user: str, password: str, topic: str, *more: str) -> str:
        """Publish by MQTT 5 with QoS 1; what the client complained of."""
        words = (
            "mosquitto_pub", "-h", "localhost", "-p", str(self.ports[listener]), "-V", "5",
            "-q", "1", "-u", user, "-P", password, "-t", f"qala/v1/{topic}", "-m", "1", *more,
        )  # fmt: skip
        return (await self._sh(" ".join(words)))[1]

    async def listen(self, listener: str, user: str, password: str, topic: str) -> tuple[int, str]:
        """Wait for one message, for as long as the broker needs to say its figures."""
        return await self._sh(
            f"mosquitto_sub -h localhost -p {self.ports[listener]} -V 5 -u {user} -P {password} "
            f"-t {topic} -C 1 -W 4"
        )

    async def _sh(self, script: str) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            *("sh", "-c", script),
            env=dict(os.environ) | self.words,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        return process.returncode or 0, said.decode()


@pytest_asyncio.fixture(loop_scope="session")
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    made = Broker(tmp_path)
    await made.server.start()
    try:
        yield made
    finally:
        await made.server.stop()


async def test_a_device_writes_under_its_own_name_only(broker: Broker):
    assert await broker.publish("1883", DEVICE, "device-word", f"{DEVICE}/telemetry") == ""
    other = DEVICE.replace("t-1", "t-2")
    said = await broker.publish("1883", DEVICE, "device-word", f"{other}/telemetry")
    assert "Not authorized" in said
    said = await broker.publish("1883", DEVICE, "another-word", f"{DEVICE}/telemetry")
    assert "Not authorized" in said


async def test_health_needs_the_right_password(broker: Broker):
    assert await broker.healthy()
    words = broker.root / "data/health/mosquitto_sub"
    assert words.stat().st_mode & 0o077 == 0
    words.write_text("-u health\n-P another-word\n")
    assert not await broker.healthy()


async def test_preparing_again_leaves_a_running_broker_healthy(broker: Broker):
    words = (broker.root / "data/health/mosquitto_sub").read_text()
    await broker.prepare()
    assert await broker.healthy()
    assert (broker.root / "data/health/mosquitto_sub").read_text() == words
    await broker.server.restart()
    assert await broker.healthy()


async def test_a_health_password_that_was_cut_short_is_made_anew(broker: Broker):
    words = broker.root / "data/health/mosquitto_sub"
    words.write_text("-u health\n")
    await broker.server.restart()
    assert await broker.healthy()


async def test_whoever_looks_from_inside_hears_figures_and_no_device(broker: Broker):
    code, said = await broker.listen("1886", "doctor", "doctor-word", "'$SYS/broker/uptime'")
    assert (code, "seconds" in said) == (0, True)
    code, said = await broker.listen("1886", "doctor", "doctor-word", "'qala/v1/#'")
    assert code != 0


async def test_a_simulator_is_let_in_only_once_it_has_a_password(broker: Broker):
    topic = f"{DEVICE}/telemetry"
    assert "Not authorized" in await broker.publish("1885", "simulator", "a-word", topic)
    broker.words["SIMULATOR_PASSWORD"] = "a-word"
    await broker.server.restart()
    assert await broker.publish("1885", "simulator", "a-word", topic) == ""


async def test_devices_come_with_tls_where_there_is_a_certificate(broker: Broker):
    topic = f"{DEVICE}/telemetry"
    without = await broker.publish("8883", DEVICE, "device-word", topic)
    assert "refused" in without
    await broker.server.stop()
    authority = Authority(broker.root / "tls")
    authority.certificate("mqtt", host="localhost", days=1)
    await broker.server.start()
    with_tls = ("--cafile", str(broker.root / "tls/ca.crt"))
    assert await broker.publish("8883", DEVICE, "device-word", topic, *with_tls) == ""
    other = await broker.publish("8883", DEVICE, "another-word", topic, *with_tls)
    assert "Not authorized" in other
