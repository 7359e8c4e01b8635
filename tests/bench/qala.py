"""Qala's own stages as they are run by their users."""

from __future__ import annotations

import json
from http import HTTPStatus
from pathlib import Path
from typing import Final

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from ingest.subscriptions import ORDINARY_FILTER, STATUS_FILTER
from schemas import topics
from tests.bench.logs import forget_log
from tests.bench.meter import Reached
from tests.bench.systems import BRIDGE, SINK, WORKER, Running, System
from tests.support.stack import Stack
from tests.support.waiting import eventually

_COMMANDS: Final = {BRIDGE: ("bridge",), WORKER: ("streams",), SINK: ("sink", "influx")}
_PROBES: Final = {BRIDGE: "bridge", WORKER: "streams", SINK: "sink-influx"}
_COUNTED: Final = {
    BRIDGE: "qala_bridge_received_total",
    WORKER: "qala_streams_lines_total",
    SINK: "qala_sink_influx_received_total",
}
_WAITING: Final = {BRIDGE: "qala_bridge_outstanding", SINK: "qala_sink_influx_waiting_rows"}
_READY_S: Final = 40.0


class Qala:
    """Bridge, worker and InfluxDB sink."""

    name = "Qala"
    stages: tuple[str, ...] = (BRIDGE, WORKER, SINK)
    feeder: System | None = None
    client_id = "qala-bridge-1"
    filters: tuple[str, ...] = (ORDINARY_FILTER, STATUS_FILTER)
    database = "qala"
    windows_policy = "r10s"
    windows_shift_ms = 0
    by_the_clock = True

    def __init__(self, stack: Stack) -> None:
        self.stack = stack

    async def prepare(self) -> None:
        """Nothing: a stack is provisioned for Qala."""

    async def reset(self) -> None:
        """Forget readings that are too old by now to take the common path."""
        await forget_log(self.stack, topics.TELEMETRY)

    async def start(self, stage: str, *, copy: int = 1) -> Running:
        """Start a command of `qala`, or a further ``copy`` of one that runs.

        Its progress is what it counts itself.
        """
        probe = self._probe(stage, copy)
        probe.unlink(missing_ok=True)
        process = await self.stack.run(*_COMMANDS[stage])
        return Running(process, lambda: progress(probe, stage))

    def _probe(self, stage: str, copy: int) -> Path:
        name = _PROBES[stage] if copy == 1 else f"{_PROBES[stage]}-{copy}"
        return self.stack.data / "run" / f"{name}.probe.json"

    async def ready(self, stage: str, running: Running, *, copy: int = 1) -> None:
        """As its ``/ready`` says."""
        probe = self._probe(stage, copy)

        async def ask() -> bool:
            assert running.process.running, running.process.died()
            return await _get(probe, "/ready") is not None

        await eventually(ask, timeout_s=_READY_S, every_s=0.2)


async def _get(probe: Path, path: str) -> str | None:
    """What a stage answers, or None where it is not there or not ready."""
    if not probe.exists():  # noqa: ASYNC240 -- a look that takes no time
        return None
    port = json.loads(probe.read_text())["port"]  # noqa: ASYNC240 -- as above
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{port}{path}") as answer,
        ):
            return await answer.text() if answer.status == HTTPStatus.OK else None
    except aiohttp.ClientConnectionError:
        return None


async def progress(probe: Path, stage: str) -> Reached:
    """How far a stage is by its own metrics; at the start where it doesn't answer yet."""
    text = await _get(probe, "/metrics")
    if text is None:
        return Reached(0)
    found = {
        sample.name: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.labels.get("topic", topics.TELEMETRY) == topics.TELEMETRY
    }
    begun = found.get(_COUNTED[stage], 0.0)
    # what was taken is dealt with once it is in Kafka, or in InfluxDB
    waiting = found.get(_WAITING.get(stage, ""), 0.0)
    return Reached(max(0.0, begun - waiting), found["process_cpu_seconds_total"], begun)
