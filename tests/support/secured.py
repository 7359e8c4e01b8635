"""Mosquitto, Kafka and InfluxDB that want TLS, passwords and rights, as docs/securing.md says.

What it tells an operator to run is run, and the files of infra/deploy are used as they are but
for ports and paths.
"""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import signal
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import aiohttp
from pydantic import SecretStr

from infra.native import LOOPBACK, NativeServer, find_native, free_port, log_path
from infra.native.kafka import class_options
from infra.native.server import write_config
from schemas.connections import InfluxConnection, KafkaConnection, MqttConnection
from tests.support.secured_page import ROOT, Page, influxdb_variables
from tests.support.servers import RunningServer
from tests.support.stack import QALA, StageProcess

DEPLOY = ROOT / "infra" / "deploy"
HEAP = "-Xmx320m"


class SecuredCity:
    """The servers over ``data``; their secrets and certificates are in ``secrets``."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.secrets = data / "secrets"
        names = ("devices", "bridges", "doctor", "kafka", "broker", "controller", "influx")
        self.ports = dict.fromkeys(names, 0)
        while len(set(self.ports.values())) < len(names):
            self.ports = {name: free_port() for name in names}
        self.page = Page(
            self.secrets,
            {
                "mqtt.example.org:8884": f"localhost:{self.ports['bridges']}",
                "mqtt.example.org:8885": f"localhost:{self.ports['doctor']}",
                "kafka.example.org:9094": f"localhost:{self.ports['kafka']}",
                "influx.example.org:8086": f"localhost:{self.ports['influx']}",
                "machine influx.example.org": "machine localhost",
                "/opt/qala": str(ROOT),
                "/etc/qala": str(self.secrets),
                "/var/lib/qala": str(data),
            },
        )
        self.mosquitto = RunningServer(self._mosquitto())
        self.kafka = RunningServer(self._kafka())
        self.influxdb = RunningServer(self._influxdb())
        self.stages: list[StageProcess] = []

    @classmethod
    @asynccontextmanager
    async def started(cls, data: Path) -> AsyncIterator[SecuredCity]:
        """All servers, with users and rights, and nothing provisioned."""
        city = cls(data)
        servers = (city.mosquitto, city.kafka, city.influxdb)
        try:
            for section in ("Certificates", "Passwords", "MQTT"):
                await city.page.run(section)
            await asyncio.gather(*(server.start() for server in servers))
            await city.page.run("Kafka", 1)
            await city.page.run("InfluxDB 1.8")
            await city.page.run("Settings of the stages")
            yield city
        finally:
            for stage in reversed(city.stages):
                await stage.stop()
            await asyncio.gather(*(server.stop() for server in servers))

    def password(self, user: str) -> str:
        """The password of a user of the page, ``mqtt-bridge`` for one."""
        return (self.secrets / f"{user}.password").read_text(encoding="utf-8").strip()

    def environ(self, stage: str) -> dict[str, str]:
        """What the page says for a stage (``bridge``, ``streams``, ``sink-influx``, …)."""
        lines = (self.secrets / f"{stage}.env").read_text(encoding="utf-8").splitlines()
        return dict(line.split("=", 1) for line in lines)

    def kafka_connection(self, stage: str) -> KafkaConnection:
        """Kafka as the user of a stage."""
        environ = self.environ(stage)
        return KafkaConnection(
            bootstrap=environ["QALA_KAFKA_BOOTSTRAP"],
            security="SASL_SSL",
            user=environ["QALA_KAFKA_USER"],
            password=SecretStr(environ["QALA_KAFKA_PASSWORD"]),
            ca=self.secrets / "ca.crt",
        )

    @property
    def reader(self) -> InfluxConnection:
        """InfluxDB as a user who may read."""
        environ = self.environ("operator")
        return InfluxConnection(
            url=environ["QALA_INFLUX_URL"],
            token=SecretStr(environ["QALA_INFLUX_TOKEN"]),
            ca=self.secrets / "ca.crt",
        )

    def mqtt_connection(self, user: str, password: str, port: str = "devices") -> MqttConnection:
        """MQTT as ``user``, on the port of ``devices``, of ``bridges`` or of ``doctor``."""
        url = f"mqtts://{quote(user, safe='')}:{password}@localhost:{self.ports[port]}"
        return MqttConnection(url=SecretStr(url), ca=self.secrets / "ca.crt")

    async def add_mqtt_user(self, file: str, user: str, password: str) -> None:
        """Give ``user`` a password in the password file of a listener, while it runs."""
        process = await asyncio.create_subprocess_exec(
            *("mosquitto_passwd", "-b", str(self.secrets / file), user, password)
        )
        assert await process.wait() == 0
        self.mosquitto.process.send_signal(signal.SIGHUP)

    async def reasons(self, name: str) -> dict[str, str] | None:
        """What a stage says on ``/ready`` that it waits for; None before it says anything."""
        record = self.data / "run" / f"{name}.probe.json"
        if not record.exists():
            return None
        url = f"http://{LOOPBACK}:{json.loads(record.read_text())['port']}/ready"
        try:
            async with aiohttp.ClientSession() as session, session.get(url) as answer:
                found: dict[str, str] = (await answer.json())["reasons"]
        except aiohttp.ClientError:
            return None
        return found

    async def run(self, *arguments: str, name: str, environ: Mapping[str, str]) -> StageProcess:
        """Start ``qala ARGUMENTS`` with the settings ``environ`` and no others of ours."""
        log = self.data / "logs" / f"{name}.log"
        others = {key: value for key, value in os.environ.items() if not key.startswith("QALA_")}
        with log.open("ab") as out:
            process = await asyncio.create_subprocess_exec(
                *(str(QALA), *arguments),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=self.data,
                env=others | {"QALA_DATA": str(self.data)} | dict(environ),
                start_new_session=True,
            )
        stage = StageProcess(name, process, log)
        self.stages.append(stage)
        return stage

    async def mosquitto_client(self, program: str, device: str, *arguments: str) -> tuple[int, str]:
        """Run ``mosquitto_pub`` or ``_sub`` as a device; its exit code, and what it printed."""
        process = await asyncio.create_subprocess_exec(
            *(program, "-h", "localhost", "-p", str(self.ports["devices"])),
            *("--cafile", str(self.secrets / "ca.crt"), "-q", "1"),
            *(("-u", device, "-P", self.password("mqtt-t-1")) if device else ()),
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        return process.returncode or 0, said.decode()

    def _mosquitto(self) -> NativeServer:
        folder = self.data / "mosquitto"

        async def prepare() -> None:
            folder.mkdir(exist_ok=True)
            for acl in ("devices.acl", "bridges.acl", "doctor.acl"):
                (self.secrets / acl).write_bytes((DEPLOY / "mosquitto" / acl).read_bytes())
            text = (DEPLOY / "mosquitto" / "mosquitto.conf").read_text(encoding="utf-8")
            text = text.replace("/etc/mosquitto/qala", str(self.secrets))
            # the folder that the page has made for it
            text = text.replace(" /var/lib/mosquitto/\n", f" {folder}/\n")
            for theirs, ours in ((8883, "devices"), (8884, "bridges"), (8885, "doctor")):
                text = text.replace(
                    f"listener {theirs}\n", f"listener {self.ports[ours]} {LOOPBACK}\n"
                )
            user = pwd.getpwuid(os.geteuid()).pw_name
            config = folder / "mosquitto.conf"
            config.write_text(f"user {user}\n{text}", encoding="utf-8")

        return NativeServer(
            name="mosquitto",
            port=self.ports["bridges"],
            folder=folder,
            argv=(str(find_native(os.environ).mosquitto), "-c", str(folder / "mosquitto.conf")),
            env={},
            log=log_path(self.data, "mosquitto"),
            prepare=prepare,
            ready=lambda: self.speaks_tls(self.ports["bridges"]),
        )

    def _kafka(self) -> NativeServer:
        native = find_native(os.environ)
        folder = self.data / "kafka"
        config = self.secrets / "server.properties"

        async def prepare() -> None:
            folder.mkdir(exist_ok=True)
            write_config("log4j2.xml", folder / "log4j2.xml")
            write_config("kafka.properties", config, port=0, controller_port=0)
            text = (DEPLOY / "kafka" / "secured.properties").read_text(encoding="utf-8")
            text = text.replace("/etc/kafka/qala", str(self.secrets))
            text = text.replace("//kafka.example.org", "//localhost").replace(
                "//:", f"//{LOOPBACK}:"
            )
            for theirs, ours in ((9094, "kafka"), (9095, "broker"), (9096, "controller")):
                text = text.replace(str(theirs), str(self.ports[ours]))
            with config.open("a", encoding="utf-8") as file:
                file.write(f"{text}log.dirs={folder / 'log'}\n")
            if not (folder / "log").exists():
                await self.page.run("Kafka", 0)

        return NativeServer(
            name="kafka",
            port=self.ports["kafka"],
            folder=folder,
            argv=(
                *(str(native.java), HEAP, "-XX:+UseSerialGC", "-XX:-UsePerfData"),
                f"-Dlog4j2.configurationFile={folder / 'log4j2.xml'}",
                *(*class_options(native.kafka_lib), "kafka.Kafka", str(config)),
            ),
            env={"LC_ALL": "C.UTF-8"},
            log=log_path(self.data, "kafka"),
            prepare=prepare,
            ready=lambda: self.speaks_tls(self.ports["kafka"]),
            stop_timeout_s=20.0,
        )

    def _influxdb(self) -> NativeServer:
        folder = self.data / "influxdb"
        config = folder / "influxdb.conf"

        async def prepare() -> None:
            write_config("influxdb.conf", config, port=self.ports["influx"])

        return NativeServer(
            name="influxdb",
            port=self.ports["influx"],
            folder=folder,
            argv=(str(find_native(os.environ).influxd), "run", "-config", str(config)),
            env=influxdb_variables(self.secrets),
            log=log_path(self.data, "influxdb"),
            prepare=prepare,
            ready=lambda: self.speaks_tls(self.ports["influx"]),
        )

    async def speaks_tls(self, port: int) -> bool:
        """Whether a server on ``port`` answers with a certificate of the page's authority."""
        context = ssl.create_default_context(cafile=self.secrets / "ca.crt")
        try:
            _, writer = await asyncio.open_connection("localhost", port, ssl=context)
        except OSError:
            return False
        writer.close()
        return True
