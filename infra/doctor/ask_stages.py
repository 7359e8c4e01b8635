"""Asking the stages that run on the data folder, and reading how others ended."""

from __future__ import annotations

import asyncio
import time
from http import HTTPStatus
from pathlib import Path
from typing import Final

import aiohttp
import msgspec
from msgspec import Struct
from prometheus_client.parser import text_string_to_metric_families

from infra.probe import Answer
from infra.supervisor.ownership import supervisor_record
from infra.supervisor.records import (
    SUPERVISOR,
    ProbeRecord,
    ProcessRecord,
    log_file,
    read_processes,
    remembered_probes,
    run_folder,
)

_TIMEOUT: Final = aiohttp.ClientTimeout(total=3.0)
_CHAT_SINK: Final = "sink-chat"
_TOLD: Final = "qala_sink_chat_accepted_total"
_ANSWERS: Final = frozenset({HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE})


class StageSeen(Struct, frozen=True, kw_only=True):
    """One stage, running or ended. ``reasons`` is None where it runs and does not answer.

    ``ended`` is the sentence of the error that ended it, None for one that was killed.
    ``keeper`` is what a living `qala up` has recorded of it, None where that does not run it.
    ``channels`` are what a chat sink that runs serves, None where it doesn't say.
    """

    name: str
    stage: str
    id: str
    pid: int
    keeper: ProcessRecord | None
    alive: bool
    reasons: dict[str, str] | None
    ended: str | None
    log: Path
    channels: frozenset[str] | None = None


class StagesSeen(Struct, frozen=True, kw_only=True):
    """What runs on a data folder; ``troubled`` are processes that a living `qala up` can't keep."""

    data: Path
    supervised: bool
    stages: tuple[StageSeen, ...]
    troubled: tuple[ProcessRecord, ...]

    @property
    def channels(self) -> frozenset[str] | None:
        """What the chat sinks that run here serve together; None where none runs and says so."""
        told = [stage.channels for stage in self.stages if stage.channels is not None]
        return frozenset().union(*told) if told else None


async def ask_stages(data: Path) -> StagesSeen:
    """Ask each stage of the data folder whether it is ready."""
    folder = run_folder(data)
    supervised = supervisor_record(folder) is not None
    processes = read_processes(folder)
    keepers = {record.name: record for record in processes} if supervised else {}
    async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
        stages = await asyncio.gather(
            *(
                _stage(session, data, probe, keepers.get(probe.name))
                for probe, _ in remembered_probes(folder, time.time())
            )
        )
    known = {stage.name for stage in stages}
    troubled = [
        record
        for record in processes
        if supervised
        and record.name not in {SUPERVISOR, *known}
        and (record.state in {"failed", "backoff"} or not record.alive())
    ]
    return StagesSeen(
        data=data, supervised=supervised, stages=tuple(stages), troubled=tuple(troubled)
    )


async def _stage(
    session: aiohttp.ClientSession, data: Path, probe: ProbeRecord, keeper: ProcessRecord | None
) -> StageSeen:
    alive = probe.process.alive()
    if keeper is not None and alive and keeper.process != probe.process:
        keeper = None  # this one was started by hand, under the name of one that failed
    serves = alive and probe.stage == _CHAT_SINK
    reasons, channels = await asyncio.gather(
        _reasons(session, probe.port) if alive else _unasked(),
        _channels(session, probe.port) if serves else _unasked(),
    )
    return StageSeen(
        name=probe.name,
        stage=probe.stage,
        id=probe.id,
        pid=probe.process.pid,
        keeper=keeper,
        alive=alive,
        reasons=reasons,
        ended=probe.ended,
        log=log_file(data, probe.name),
        channels=channels,
    )


async def _unasked() -> None:
    """What is not asked for."""


async def _reasons(session: aiohttp.ClientSession, port: int) -> dict[str, str] | None:
    """What the stage waits for, empty where it is ready; None where it does not answer."""
    try:
        async with session.get(f"http://127.0.0.1:{port}/ready") as answer:
            if answer.status not in _ANSWERS:
                return None
            said = msgspec.json.decode(await answer.read(), type=Answer)
    except (aiohttp.ClientError, TimeoutError, OSError, msgspec.DecodeError):
        return None
    return said.reasons


async def _channels(session: aiohttp.ClientSession, port: int) -> frozenset[str] | None:
    """The channels of the chat sink's counters; None where it does not answer, or names none."""
    try:
        async with session.get(f"http://127.0.0.1:{port}/metrics") as answer:
            families = list(text_string_to_metric_families(await answer.text()))
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        return None
    return (
        frozenset(
            sample.labels["channel"]
            for family in families
            for sample in family.samples
            if sample.name == _TOLD
        )
        or None
    )
