"""One supervisor per data folder, and nothing left of a former one that was killed."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from infra.errors import AlreadyRunningError
from infra.supervisor.identity import identify
from infra.supervisor.records import (
    SUPERVISOR,
    ProbeRecord,
    ProcessRecord,
    read_probes,
    read_processes,
    remove_record,
    run_folder,
)

_POLL_S: Final = 0.05


@contextmanager
def owned(data: Path) -> Iterator[Path]:
    """Own the data folder while the context lasts; gives its folder of records.

    The lock ends with this process, however it ends.

    Raises:
        AlreadyRunningError: another supervisor owns it; says its pid.
    """
    folder = run_folder(data)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "supervisor.lock").open("a", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise AlreadyRunningError(
                f"qala already runs on {data}{_owner(folder)}; see it with `qala ps --data "
                f"{data}`, stop it with Ctrl-C in its terminal, or name another folder with --data"
            ) from exc
        yield folder


def _owner(folder: Path) -> str:
    pids = [r.process.pid for r in read_processes(folder) if r.name == SUPERVISOR and r.process]
    return f" (pid {pids[0]})" if pids else ""


def supervisor_record(folder: Path) -> ProcessRecord | None:
    """The living supervisor of a folder of records, or None."""
    for record in read_processes(folder):
        if record.name == SUPERVISOR and record.alive():
            return record
    return None


def living_bridge(folder: Path, identity: str) -> ProbeRecord | None:
    """The living bridge of a folder of records that has this id at the broker, or None."""
    for probe in read_probes(folder):
        if probe.stage == "bridge" and probe.id == identity and probe.process.alive():
            return probe
    return None


def unwatched(folder: Path) -> bool:
    """Whether processes of a supervisor live without it: it was killed."""
    records = read_processes(folder)
    if any(record.name == SUPERVISOR and record.alive() for record in records):
        return False
    return any(record.alive() for record in records)


async def stop_leftovers(
    folder: Path, groups: Sequence[frozenset[str]], say: Callable[[str], None], *, patience_s: float
) -> int:
    """Stop what a killed supervisor left running, group by group; then forget all records.

    A process is one of ours only where its pid and its start both are as recorded. Each group
    is asked to end (SIGTERM) and has ``patience_s`` before it is killed. Gives how many there
    were. ``groups`` are base names; ``bridge`` also means ``bridge-2``.
    """
    left = [r for r in read_processes(folder) if r.name != SUPERVISOR and r.alive()]
    if left:
        names = ", ".join(record.name for record in left)
        say(f"a former run left processes behind; stopping them: {names}")
    for group in groups:
        await _stop([r for r in left if base_name(r.name) in group], patience_s)
    for record in read_processes(folder):
        remove_record(folder, record)
    for probe in read_probes(folder):
        if not probe.process.alive():
            remove_record(folder, probe)
    return len(left)


def base_name(name: str) -> str:
    """``bridge`` of ``bridge-2``; other names as they are (``sink-influx``)."""
    head, _, number = name.rpartition("-")
    return head if number.isdecimal() else name


async def _stop(records: list[ProcessRecord], patience_s: float) -> None:
    _signal(records, signal.SIGTERM)
    with suppress(TimeoutError):
        async with asyncio.timeout(patience_s):
            await _all_gone(records)
            return
    _signal(records, signal.SIGKILL)
    await _all_gone(records)


def _signal(records: list[ProcessRecord], number: signal.Signals) -> None:
    for record in records:
        # asked again right before: between the look and the signal only microseconds pass
        if record.process is not None and identify(record.process.pid) == record.process:
            with suppress(ProcessLookupError):
                os.kill(record.process.pid, number)


async def _all_gone(records: list[ProcessRecord]) -> None:
    while any(record.alive() for record in records):
        await asyncio.sleep(_POLL_S)
