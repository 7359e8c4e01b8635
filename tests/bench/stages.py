"""CPU microseconds per reading of bridge, worker and sink, at full speed over real servers.

Each stage is measured over a backlog, one after the other: worker and sink over what a bridge
wrote to Kafka at 18,000 readings a second from the simulator (simulated data), the bridge over
what the simulator left in the broker for its session while it was away. CPU time is user plus
system of the stage's process, from its first to its last reading.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from aiokafka import AIOKafkaConsumer, TopicPartition
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console
from rich.table import Table

from schemas import topics
from schemas.envelope import HEADER_LINES, header
from tests.support.stack import Stack
from tests.support.waiting import eventually

AIMS_US = {"bridge": 8.0, "streams": 6.0, "sink-influx": 4.0}
RATE = 18_000
"""Readings a second for worker and sink: many in an envelope, and still in time for their
windows, so that the common path is measured and not the one of late readings."""
_SETTLE_S = 4.0


@dataclass(frozen=True)
class Cost:
    """What one stage spent on ``readings``, between its first and its last sample."""

    stage: str
    readings: float
    cpu_s: float
    wall_s: float
    memory_mib: float

    @property
    def us(self) -> float:
        """CPU microseconds per reading."""
        return self.cpu_s / self.readings * 1e6


class Meter:
    """Samples a stage's own ``/metrics``: lines taken in, CPU seconds, memory."""

    def __init__(self, stack: Stack, stage: str, lines: str) -> None:
        self._record = stack.data / "run" / f"{stage}.probe.json"
        self._stage = stage
        self._lines = lines
        self._samples: list[tuple[float, float, float]] = []
        self._memory = 0.0

    async def sample(self, session: aiohttp.ClientSession) -> float:
        """Take a sample; returns the lines so far."""
        port = json.loads(self._record.read_text())["port"]
        async with session.get(f"http://127.0.0.1:{port}/metrics") as answer:
            text = await answer.text()
        found = {
            sample.name: sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.labels.get("topic", topics.TELEMETRY) == topics.TELEMETRY
        }
        lines = found.get(self._lines, 0.0)
        self._memory = found["process_resident_memory_bytes"] / 2**20
        now_s = asyncio.get_running_loop().time()
        if lines and (not self._samples or lines > self._samples[-1][0]):
            self._samples.append((lines, found["process_cpu_seconds_total"], now_s))
        return lines

    async def until(self, lines: int) -> Cost:
        """Sample until the stage has taken ``lines`` in; what it cost from the first sample on."""
        await eventually(_exists(self._record), timeout_s=20)
        async with aiohttp.ClientSession() as session:
            await eventually(
                lambda: self.sample(session), lambda n: n >= lines, timeout_s=180, every_s=0.1
            )
        first, last = self._samples[0], self._samples[-1]
        spent = [after - before for before, after in zip(first, last, strict=True)]
        return Cost(self._stage, *spent, self._memory)


def _exists(path: Path) -> Callable[[], Awaitable[bool]]:
    async def ask() -> bool:
        return path.exists()  # noqa: ASYNC240 -- a look that takes no time

    return ask


async def telemetry_size(stack: Stack) -> tuple[int, int]:
    """(envelopes that hold lines, lines) in the telemetry topic."""
    consumer = AIOKafkaConsumer(
        topics.TELEMETRY,
        **stack.kafka_connection.client_args(),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        numbers = consumer.partitions_for_topic(topics.TELEMETRY) or set()
        parts = [TopicPartition(topics.TELEMETRY, number) for number in numbers]
        ends = await consumer.end_offsets(parts)
        envelopes = lines = 0
        while any([await consumer.position(tp) < ends[tp] for tp in parts]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                for record in records:
                    held = int(header(record.headers, HEADER_LINES) or 0)
                    envelopes += held > 0
                    lines += held
        return envelopes, lines
    finally:
        await consumer.stop()


async def measure(stack: Stack, stage: str, metric: str, lines: int, *args: str) -> Cost:
    """Let a stage read what is there for it."""
    process = await stack.run(*args)
    cost = await Meter(stack, stage, metric).until(lines)
    await process.stop()
    return cost


async def run(count: int, devices: int) -> tuple[list[Cost], float]:
    """Measure the three stages; returns their costs and the mean lines of an envelope."""
    with tempfile.TemporaryDirectory(prefix="qala-bench-") as data:
        async with Stack.started(Path(data)) as stack:
            load = ("simulate", "--devices", str(devices), "--sites", "40")
            bridge = await stack.run("bridge")
            await eventually(_exists(stack.data / "run" / "bridge.probe.json"))
            await asyncio.sleep(_SETTLE_S)
            simulator = await stack.run(*load, "--rate", str(RATE), "--count", str(count))
            await simulator.process.wait()
            await asyncio.sleep(_SETTLE_S)
            await bridge.stop()  # the broker keeps its session, and what comes now, for it
            envelopes, lines = await telemetry_size(stack)
            worker = await measure(stack, "streams", "qala_streams_lines_total", lines, "streams")
            sink = await measure(
                stack, "sink-influx", "qala_sink_influx_received_total", count, "sink", "influx"
            )
            simulator = await stack.run(*load, "--rate", "0", "--count", str(count), "--seed", "2")
            await simulator.process.wait()
            cost = await measure(stack, "bridge", "qala_bridge_received_total", count, "bridge")
            return [cost, worker, sink], lines / max(envelopes, 1)


def main() -> None:
    """Measure and print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=300_000, help="readings (simulated)")
    parser.add_argument("--devices", type=int, default=1000)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    costs, per_envelope = asyncio.run(run(args.count, args.devices))
    if args.json:
        print(json.dumps({cost.stage: round(cost.us, 2) for cost in costs}))  # noqa: T201 -- its output
        return
    table = Table(title=f"{args.count:,} simulated readings, {per_envelope:.0f} in an envelope")
    for name in ("stage", "CPU µs per reading", "aim", "readings/s", "memory"):
        table.add_column(name, justify="left" if name == "stage" else "right")
    for cost in costs:
        table.add_row(
            cost.stage,
            f"{cost.us:.1f}",
            f"{AIMS_US[cost.stage]:.0f}",
            f"{cost.readings / cost.wall_s:,.0f}",
            f"{cost.memory_mib:.0f} MiB",
        )
    table.add_section()
    table.add_row("together", f"{sum(cost.us for cost in costs):.1f}", "18", "", "")
    Console().print(table)


if __name__ == "__main__":
    main()
