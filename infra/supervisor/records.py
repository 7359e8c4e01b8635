"""What is recorded of running processes in ``<data>/run``, and telling whether they still live.

Two kinds of files, each with one writer: ``<name>.json`` by the supervisor for each of its
processes, and ``<name>.probe.json`` by a stage, which says where its ``/metrics`` are.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from infra.supervisor.identity import Identity

State = Literal["starting", "ready", "waiting", "backoff", "stopped", "failed"]

SUPERVISOR: Final = "supervisor"
NO_ANSWER: Final = "its /ready does not answer"
"""What the check of a stage says of one that gives no answer at all, be it 200 or 503."""
_PROBE: Final = ".probe.json"
_REMEMBERED_S: Final = 600.0
_MAX_LOG_BYTES: Final = 20 * 1024 * 1024


class ProcessRecord(Struct, frozen=True, kw_only=True):
    """One process of a supervisor. ``since`` is when ``state`` began, in s since 1970.

    ``displaced`` says that another one has its place, and that it comes back after that.
    """

    name: str
    state: State
    since: float
    restarts: int = 0
    process: Identity | None = None
    address: str | None = None
    reason: str | None = None
    displaced: bool = False

    def alive(self) -> bool:
        """Whether its process runs."""
        return self.process is not None and self.process.alive()


def stopping(supervisor: ProcessRecord) -> ProcessRecord:
    """The record of a supervisor that stops what it runs; one that lives on may take long."""
    return replace(supervisor, state="stopped", since=time.time())


class ProbeRecord(Struct, frozen=True, kw_only=True):
    """Where a stage serves ``/metrics`` and ``/ready``, and how it ended, once it has.

    ``ended`` is the sentence of the error that ended it; ``final`` says that starting it again
    can't help, ``at_start`` that it had hardly begun.
    """

    name: str
    stage: str
    id: str
    process: Identity
    port: int
    ended: str | None = None
    final: bool = False
    at_start: bool = False


def run_folder(data: Path) -> Path:
    """Folder of the records of a data folder."""
    return data / "run"


def log_file(data: Path, name: str) -> Path:
    """Log file of the process ``name``."""
    return data / "logs" / f"{name}.log"


def rotate(log: Path) -> None:
    """Before a start: a log that has grown over 20 MiB becomes ``<log>.1``, the older one goes."""
    if log.exists() and log.stat().st_size > _MAX_LOG_BYTES:
        log.replace(log.with_name(f"{log.name}.1"))


def write_record(folder: Path, record: ProcessRecord | ProbeRecord) -> None:
    """Write a record at once and whole: a reader sees the old one or the new one.

    Raises:
        OSError: it cannot be written (the disk is full); the old one stands, no draft is left.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = _file(folder, record)
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        draft.write_bytes(msgspec.json.encode(record))
        draft.replace(target)
    except OSError:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise


def remove_record(folder: Path, record: ProcessRecord | ProbeRecord) -> None:
    """Forget a process."""
    _file(folder, record).unlink(missing_ok=True)


def _file(folder: Path, record: ProcessRecord | ProbeRecord) -> Path:
    ending = _PROBE if isinstance(record, ProbeRecord) else ".json"
    return folder / f"{record.name}{ending}"


def read_processes(folder: Path) -> list[ProcessRecord]:
    """What a supervisor recorded, by name; its own record is among them.

    Of a folder that this user may not look into nothing is known.
    """
    found = [_process(file) for file in _files(folder) if not _is_probe(file)]
    return [record for record in found if record is not None]


def read_probes(folder: Path) -> list[ProbeRecord]:
    """What stages recorded of themselves, by name."""
    found = [_probe(file) for file in _files(folder) if _is_probe(file)]
    return [record for record in found if record is not None]


def remembered_probes(folder: Path, now_s: float) -> list[tuple[ProbeRecord, float]]:
    """What stages recorded, and when (s since 1970): of those that ended, at their end.

    One that failed at its start and was not tried again for ten minutes is forgotten: whoever
    started it has read why, and wants something else now.
    """
    found = []
    for record in read_probes(folder):
        try:
            at_s = _file(folder, record).stat().st_mtime
        except OSError:
            continue  # removed meanwhile
        if record.at_start and now_s - at_s > _REMEMBERED_S and not record.process.alive():
            continue
        found.append((record, at_s))
    return found


def read_probe(folder: Path, name: str) -> ProbeRecord | None:
    """What the stage ``name`` recorded of itself."""
    return _probe(folder / f"{name}{_PROBE}")


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(folder.glob("*.json"))
    except OSError:
        return []


def _is_probe(file: Path) -> bool:
    return file.name.endswith(_PROBE)


def _process(file: Path) -> ProcessRecord | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=ProcessRecord)
    except (OSError, msgspec.DecodeError):
        return None  # removed meanwhile, or not ours


def _probe(file: Path) -> ProbeRecord | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=ProbeRecord)
    except (OSError, msgspec.DecodeError):
        return None
