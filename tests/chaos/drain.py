"""Letting a run come to rest: no reading under way, the log at its end, every stage through."""

from __future__ import annotations

from typing import Final

import aiohttp

from infra.supervisor.figures import scrape
from infra.supervisor.records import read_probe, run_folder
from schemas.topics import ALERTS, TELEMETRY
from sinks.rows import SOURCE_TOPICS
from tests.chaos.processes import Processes
from tests.support.offsets import behind
from tests.support.stack import Stack
from tests.support.waiting import eventually

PARTITIONS: Final = 8
_LAG: Final = "qala_streams_lag_records"
_UNFLUSHED: Final = 60
"""Records of one partition that a worker holds at most between two flushes, ticks mostly."""
_TIMEOUT_S: Final = 120.0
_ASK: Final = aiohttp.ClientTimeout(total=2.0)


async def all_ready(stack: Stack, processes: Processes) -> None:
    """Wait until every stage says that it works.

    Raises:
        AssertionError: one does not within two minutes; says what each waits for.
    """
    await eventually(
        lambda: not_ready(stack, processes),
        lambda waits: not waits,
        timeout_s=_TIMEOUT_S,
        every_s=0.2,
    )


async def not_ready(stack: Stack, processes: Processes) -> dict[str, str]:
    """Of each stage that does not work, what it waits for."""
    async with aiohttp.ClientSession() as session:
        waits = {
            name: await _waits_for(session, stack, name, stage.process.pid)
            for name, stage in processes.stages.items()
        }
    return {name: why for name, why in waits.items() if why}


async def _waits_for(session: aiohttp.ClientSession, stack: Stack, name: str, pid: int) -> str:
    probe = read_probe(run_folder(stack.data), name)
    if probe is None or probe.process.pid != pid:
        return "it is being loaded"
    try:
        async with session.get(f"http://127.0.0.1:{probe.port}/ready", timeout=_ASK) as answer:
            return "" if answer.ok else await answer.text()
    except (aiohttp.ClientError, TimeoutError, OSError) as exc:
        return f"no answer ({type(exc).__name__})"


async def at_rest(stack: Stack, processes: Processes) -> None:
    """End the bridge, then the workers, and wait until the sinks have all that they gave out.

    A worker flushes what it holds when it is stopped; one that had not read everything by then
    is started once more.
    """
    await processes.stages["bridge"].stop()
    kafka = stack.kafka_connection
    second = processes.stages["streams-2"]
    # all but what a worker has not flushed yet, as nothing moves the log's clock any more
    await eventually(
        lambda: behind(kafka, "qala-streams", (TELEMETRY,), PARTITIONS),
        lambda left: left <= PARTITIONS * _UNFLUSHED,
        timeout_s=_TIMEOUT_S,
        every_s=0.5,
    )
    await second.stop()
    first = processes.stages["streams"]
    for _ in range(3):
        await eventually(lambda: _lag(stack, "streams"), lambda lag: lag == 0, timeout_s=_TIMEOUT_S)
        await first.stop()
        left = await behind(kafka, "qala-streams", (TELEMETRY,), PARTITIONS)
        if not left:
            break
        await first.start()
    assert not left, f"the workers have left {left} records of {TELEMETRY}"
    for group, topics in (("qala-sink-influx", SOURCE_TOPICS), ("qala-sink-chat.file", (ALERTS,))):
        await eventually(
            lambda: behind(kafka, group, topics, PARTITIONS),  # noqa: B023 -- awaited in the loop
            lambda left: left == 0,
            timeout_s=_TIMEOUT_S,
            every_s=0.5,
        )


async def _lag(stack: Stack, name: str) -> float:
    """How many records a worker has before it; one that does not answer has some."""
    probe = read_probe(run_folder(stack.data), name)
    if probe is None:
        return 1
    async with aiohttp.ClientSession() as session:
        figures = await scrape(session, probe.port)
    return 1 if figures is None else figures.get(_LAG, 1)
