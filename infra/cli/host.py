"""Running one stage in the foreground: event loop, signals, logs, probe."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, TypeVar

import msgspec
import structlog
import uvloop
from prometheus_client import CollectorRegistry

from infra.errors import InfraError, is_final, is_known, one_line
from infra.logs import set_up_logs
from infra.probe import free_name, serve_probe
from infra.settings_sources import PROCESS_NAME
from infra.supervisor.ownership import living_bridge
from infra.supervisor.records import (
    ProbeRecord,
    log_file,
    read_probe,
    read_probes,
    remove_record,
    run_folder,
    write_record,
)
from schemas.loops import StageLoop
from schemas.readiness import Readiness

ResultT = TypeVar("ResultT")
Work = Callable[[Readiness, CollectorRegistry, asyncio.Event], Awaitable[ResultT]]
"""A stage with its settings given: runs until the event is set, then ends in order."""

_FAILED: Final = 1
_START_S: Final = 30.0


class BridgeRunsError(InfraError):
    """A bridge with this id runs on the data folder already."""


_log = structlog.stdlib.get_logger()


def process_name(data: Path, stage: str) -> str:
    """The name that `qala ps` shows: the supervisor's choice, or the first that is free."""
    return os.environ.get(PROCESS_NAME) or free_name(run_folder(data), stage)


def refuse_second_bridge(data: Path, identity: str) -> None:
    """Let no bridge started by hand take the id of one that runs on the same data folder.

    A supervisor's bridge passes: what runs under its id is the supervisor's matter.

    Raises:
        BridgeRunsError: one with this id lives; says its pid, and what to do.
    """
    if os.environ.get(PROCESS_NAME):
        return
    other = living_bridge(run_folder(data), identity)
    if other is not None:
        raise BridgeRunsError(
            f"bridge '{identity}' runs on {data} already (pid {other.process.pid}), and a second "
            "one with its id would end it; give this one an id of its own, for example `--id "
            f"{'north' if identity != 'north' else 'south'}`"
        )


def refuse_adoption(data: Path, identity: str) -> None:
    """Let nobody adopt a bridge that runs on the same data folder.

    Raises:
        BridgeRunsError: one with this id lives; says its pid, and what to do.
    """
    other = living_bridge(run_folder(data), identity)
    if other is not None:
        raise BridgeRunsError(
            f"bridge '{identity}' runs on {data} (pid {other.process.pid}), so nothing of it is "
            "left to be adopted; stop it first"
        )


def run_stage(
    work: Work[ResultT], *, data: Path, stage: str, name: str, identity: str | None = None
) -> ResultT:
    """Run ``work`` until it ends or a signal (SIGINT, SIGTERM) asks it to; gives its result.

    ``identity`` is what ``/ready`` calls this copy (its name where None). A second signal ends
    the process at once. How a stage ended in an error is left in its record, for a supervisor.
    """
    set_up_logs(file=log_file(data, name), process=name)
    tune_collector()
    return uvloop.run(
        _run(work, data.resolve(), stage, name, identity or name), loop_factory=StageLoop
    )


def tune_collector() -> None:
    """Let Python look for garbage cycles rarely, as a program that handles readings may."""
    # Modules live for ever and readings die by reference count: looking at either again and
    # again for cycles cost a sixth of the worker's time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


async def _run(work: Work[ResultT], data: Path, stage: str, name: str, identity: str) -> ResultT:
    stop = asyncio.Event()
    _on_signals(stop)
    readiness = Readiness(stage)
    readiness.working(stage)  # the stage names its own parts
    registry = CollectorRegistry()
    folder = run_folder(data)
    async with serve_probe(
        folder=folder, name=name, stage=stage, id=identity, readiness=readiness, registry=registry
    ) as record:
        _log.info("a stage starts", metrics=f"http://127.0.0.1:{record.port}/metrics")
        started_s = time.monotonic()
        _forget_former(folder, record)
        try:
            result = await work(readiness, registry, stop)
        except Exception as exc:
            if not is_known(exc):
                _log.exception("a stage failed unexpectedly")
            if _is_ours(folder, record):
                ended = msgspec.structs.replace(
                    record,
                    ended=one_line(exc),
                    final=is_final(exc),
                    at_start=time.monotonic() - started_s < _START_S,
                )
                write_record(folder, ended)
            raise
    if _is_ours(folder, record):
        remove_record(folder, record)
    _log.info("a stage ended")
    return result


def _forget_former(folder: Path, record: ProbeRecord) -> None:
    """Forget how the same stage ended before under another name: it is tried again now."""
    for other in read_probes(folder):
        same = (other.stage, other.id) == (record.stage, record.id) and other.name != record.name
        if same and not other.process.alive():
            remove_record(folder, other)


def _is_ours(folder: Path, record: ProbeRecord) -> bool:
    """Whether no other process has taken this one's name meanwhile, and with it the record."""
    found = read_probe(folder, record.name)
    return found is None or found.process == record.process


def _on_signals(stop: asyncio.Event) -> None:
    def asked(number: signal.Signals) -> None:
        if stop.is_set():
            _log.warning("a second signal: ending at once", signal=number.name)
            os._exit(_FAILED)
        _log.info("asked to stop", signal=number.name)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked, number)
