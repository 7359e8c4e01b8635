"""Telegraf as a system to measure: built from its source with only the plugins it needs here."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Final

import aiohttp
import psutil

from infra.native.folder import native_root
from tests.bench.hand import FILTER
from tests.bench.logs import Size, make_database, make_topics
from tests.bench.meter import Progress, Reached
from tests.bench.systems import ALL, BRIDGE, WORKER_AND_SINK, Running, System, spawn
from tests.support.stack import Stack
from tests.support.waiting import eventually

VERSION: Final = "1.37.2"
_MODULE: Final = "github.com/influxdata/telegraf"
_TAGS: Final = (
    "custom",
    "inputs.mqtt_consumer",
    "inputs.kafka_consumer",
    "outputs.kafka",
    "outputs.influxdb",
    "aggregators.basicstats",
    "parsers.json",
    "parsers.influx",
    "serializers.influx",
)
_STRICT: Final = ("--strict-env-handling",)
_READY_S: Final = 60.0
_GRACE: Final = "10m"


class TelegrafError(RuntimeError):
    """Telegraf could not be built."""


def program() -> Path:
    """Where the built program is kept, beside the native servers."""
    return native_root(os.environ) / f"telegraf-{VERSION}" / "telegraf"


async def build() -> Path:
    """Build Telegraf, a minute the first time; nothing where it is there.

    In the module's own folder and with its own lock file, as its replacements forbid `go install`.

    Raises:
        TelegrafError: Go is missing, or failed; says its last words.
    """
    target = program()
    if target.exists():
        return target
    if shutil.which("go") is None:
        raise TelegrafError("Go is missing, which builds Telegraf; install it, or leave it out")
    sys.stderr.write(f"building Telegraf {VERSION} (once, about a minute) ...\n")
    found = json.loads(await _go("mod", "download", "-json", f"{_MODULE}@v{VERSION}"))
    target.parent.parent.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix=".new.", dir=target.parent.parent))
    try:
        stamp = f"-s -w -X {_MODULE}/internal.Version={VERSION}"
        argv = ("-trimpath", "-ldflags", stamp, "-tags", ",".join(_TAGS))
        await _go("build", *argv, "-o", str(new / "telegraf"), "./cmd/telegraf", cwd=found["Dir"])
        new.chmod(0o755)  # noqa: ASYNC240 -- takes no time
        new.rename(target.parent)  # noqa: ASYNC240 -- as above
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return target


async def _go(*argv: str, cwd: str | None = None) -> bytes:
    process = await asyncio.create_subprocess_exec(
        "go", *argv, cwd=cwd, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    said, errors = await process.communicate()
    if process.returncode:
        last = errors.decode(errors="replace").strip().splitlines()[-1:]
        raise TelegrafError(f"go {argv[0]} failed: {' '.join(last)}; or leave Telegraf out")
    return said


def configuration(parts: Sequence[str], **values: object) -> str:
    """The text of one Telegraf's configuration, put together of our files."""
    folder = files("tests.bench").joinpath("telegraf_conf")
    texts = [folder.joinpath(f"{part}.conf").read_text("utf-8") for part in parts]
    return Template("\n".join(texts)).substitute(values)


class Telegraf:
    """MQTT to Kafka, and Kafka to windows and InfluxDB: one Telegraf for each."""

    name = "Telegraf"
    parts: Mapping[str, Sequence[str]] = {
        BRIDGE: ("agent", "from_mqtt", "to_kafka"),
        WORKER_AND_SINK: ("agent", "from_kafka", "to_influxdb"),
    }
    """Which configuration files make up a stage."""
    stages: tuple[str, ...] = (BRIDGE, WORKER_AND_SINK)
    filters: tuple[str, ...] = (FILTER,)
    windows_policy = ""
    windows_shift_ms = 10_000
    by_the_clock = False
    feeder: System | None = None
    client_id = "bench-telegraf"
    database = "telegraf"

    def __init__(self, stack: Stack, *, grace: str = _GRACE) -> None:
        self.stack = stack
        self._topic = f"{self.database}.readings"
        self._grace = grace

    async def prepare(self) -> None:
        """Build it, and make its topic and its database."""
        await build()
        await make_topics(self.stack, self._topic)
        await make_database(self.stack, self.database)

    async def reset(self) -> None:
        """Nothing: a log of any age does."""

    async def start(self, stage: str) -> Running:
        """Start one Telegraf."""
        ports = self.stack.ports
        text = configuration(
            self.parts[stage],
            mqtt=ports.mqtt,
            kafka=self.stack.kafka_connection.bootstrap,
            influx=ports.influx,
            filter=FILTER,
            client_id=self.client_id,
            topic=self._topic,
            database=self.database,
            grace=self._grace,
        )
        name = f"{self.database}-{stage.replace(' ', '-')}"
        config = self.stack.data / f"{name}.conf"
        config.write_text(text, encoding="utf-8")
        process = await spawn(self.stack, name, str(program()), "--config", str(config), *_STRICT)
        return Running(process, await self._progress(stage))

    async def _progress(self, stage: str) -> Progress:
        if stage == BRIDGE:
            log = Size(self.stack, self._topic)
            return lambda: _reached(log.records)
        url = f"{self.stack.influx_connection.url}/debug/vars"
        before = await _points(url)

        async def points() -> float:
            return await _points(url) - before

        return lambda: _reached(points)

    async def ready(self, stage: str, running: Running) -> None:
        """When it has a connection to its source."""
        port = self.stack.ports.kafka if stage == WORKER_AND_SINK else self.stack.ports.mqtt
        await eventually(lambda: connected(running, port), timeout_s=_READY_S)


class TelegrafAlone(Telegraf):
    """MQTT to windows and InfluxDB in one Telegraf, without a log between: less than the others."""

    name = "Telegraf, no Kafka"
    parts: Mapping[str, Sequence[str]] = {ALL: ("agent", "from_mqtt", "to_influxdb")}
    stages: tuple[str, ...] = (ALL,)
    client_id = "bench-telegraf-alone"
    database = "telegraf_alone"


async def connected(running: Running, port: int) -> bool:
    """Whether a process has an open connection to a port of loopback."""
    assert running.process.running, running.process.died()
    return any(
        one.status == psutil.CONN_ESTABLISHED and one.raddr and one.raddr.port == port
        for one in psutil.Process(running.process.pid).net_connections("tcp")
    )


async def _reached(count: Callable[[], Awaitable[float]]) -> Reached:
    return Reached(await count())


async def _points(url: str) -> float:
    """Points that InfluxDB has taken since its start, of whichever system runs now."""
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        found = await answer.json(content_type=None)
    return float(
        sum(
            part["values"]["pointsWrittenOK"]
            for name, part in found.items()
            if name.startswith("httpd:")
        )
    )
