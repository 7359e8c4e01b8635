"""All of Qala's servers, provisioned, for one test module; and its stages as processes."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from infra.native import last_words
from infra.provision import provision
from infra.servers import ServerPorts, native_servers
from tests.support.kafka_folder import formatted_by_copy
from tests.support.servers import RunningServer

QALA = Path(sys.executable).with_name("qala")
STAGE_STOP_TIMEOUT_S = 20.0


class StageProcess:
    """One ``qala`` command as a process of its own; what it prints is in ``log``."""

    def __init__(self, name: str, process: Process, log: Path) -> None:
        self.name = name
        self.process = process
        self.log = log

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def running(self) -> bool:
        return self.process.returncode is None

    def output(self) -> str:
        """Everything it has printed so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    async def stop(self) -> int:
        """Ask it to end with SIGTERM and return its exit code; killed when it doesn't."""
        if self.running:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                await asyncio.wait_for(self.process.wait(), STAGE_STOP_TIMEOUT_S)
            except TimeoutError:
                self.process.kill()
        return await self.process.wait()

    async def kill(self) -> None:
        """SIGKILL it."""
        if self.running:
            self.process.kill()
        await self.process.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal (SIGSTOP makes a zombie that may wake)."""
        self.process.send_signal(number)

    def died(self) -> str:
        """How it ended, for a test's message."""
        return f"{self.name} ended with {self.process.returncode}: {last_words(self.log)}"


class Stack:
    """Mosquitto, Kafka and InfluxDB on free ports over ``data``, and stages started on them."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.ports = ServerPorts.free()
        mosquitto, kafka, influxdb = native_servers(data, self.ports)
        self.mosquitto = RunningServer(mosquitto)
        self.kafka = RunningServer(formatted_by_copy(kafka))
        self.influxdb = RunningServer(influxdb)
        self.mqtt_connection = self.ports.mqtt_connection()
        self.kafka_connection = self.ports.kafka_connection()
        self.influx_connection = self.ports.influx_connection()
        self.stages: list[StageProcess] = []

    @classmethod
    @asynccontextmanager
    async def started(
        cls, data: Path, *, partitions: int = 8, simulated_clock: bool = False
    ) -> AsyncIterator[Stack]:
        """A stack whose servers answer and are provisioned; all is stopped at the end."""
        stack = cls(data)
        try:
            async with asyncio.TaskGroup() as starting:
                for server in stack.servers:
                    starting.create_task(server.start())
            await provision(
                stack.kafka_connection,
                stack.influx_connection,
                partitions=partitions,
                simulated_clock=simulated_clock,
            )
            yield stack
        finally:
            await stack.stop()

    @property
    def servers(self) -> tuple[RunningServer, RunningServer, RunningServer]:
        return (self.mosquitto, self.kafka, self.influxdb)

    def environ(self, **more: str) -> dict[str, str]:
        """The environment of a stage on this stack: ours, its addresses, and ``more``."""
        ours = {key: value for key, value in os.environ.items() if not key.startswith("QALA_")}
        native = {key: os.environ[key] for key in ("QALA_NATIVE",) if key in os.environ}
        return {
            **ours,
            **native,
            "QALA_MQTT_URL": self.mqtt_connection.url.get_secret_value(),
            "QALA_KAFKA_BOOTSTRAP": self.kafka_connection.bootstrap,
            "QALA_INFLUX_URL": self.influx_connection.url,
            "QALA_DATA": str(self.data),
            **more,
        }

    async def run(self, *arguments: str, name: str | None = None, **more: str) -> StageProcess:
        """Start ``qala ARGUMENTS`` with ``more`` in its environment; it is stopped with the stack.

        Runs in the data folder, so that no ``qala.toml`` of a working directory is read.
        """
        name = name or f"{arguments[0]}-{len(self.stages)}"
        log = self.data / "logs" / f"{name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as out:
            process = await asyncio.create_subprocess_exec(
                str(QALA),
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=self.data,
                env=self.environ(**more),
                start_new_session=True,
            )
        stage = StageProcess(name, process, log)
        self.stages.append(stage)
        return stage

    async def stop(self) -> None:
        """Stop the stages, the last started first, and then the servers."""
        for stage in reversed(self.stages):
            await stage.stop()
        await asyncio.gather(*(server.stop() for server in self.servers))
