"""What is well and what is not with this machine."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from infra.doctor.ask_machine import SERVERS, MachineSeen
from infra.doctor.finding import Finding, Findings
from infra.words import bytes_words, count_words

OLDEST_JAVA: Final = 17
FEW_FILES: Final = 4096
LITTLE_MEMORY_MB: Final = 300

_MB: Final = 1_000_000


def judge_machine(
    seen: MachineSeen, *, min_free_mb: int, elsewhere: Iterable[str]
) -> list[Finding]:
    """Findings of the part ``machine``.

    ``elsewhere`` are servers that write outside the data folder, or on other machines: where
    `MachineSeen` has no disk of theirs, their space is unknown.
    """
    found = Findings("machine")
    away = set(elsewhere)
    if seen.in_memory and away == SERVERS:
        found.unknown(
            "space",
            f"{seen.data} lies in memory, and no server writes there: no disk to look at",
            "run `df -h` where the servers have their disks",
        )
    else:
        _space(found, seen.data, seen.free_mb, min_free_mb)
    for server, disk in seen.disks.items():
        _space(found, disk.folder, disk.free_mb, min_free_mb, server=server)
    others = sorted(away - seen.disks.keys())
    if others:
        found.unknown(
            "space elsewhere",
            f"free space of {', '.join(others)} can't be seen from here",
            "run `df -h` where their folders are, on their machines; Kafka keeps 7 days of "
            "telemetry, InfluxDB 30 of rows",
        )
    if seen.writable:
        found.ok("data folder", f"{seen.data} can be written")
    else:
        found.problem(
            "data folder",
            f"{seen.data} can't be written by this user",
            "give it to the user that runs Qala (`chown`), or name another folder with --data",
        )
    _memory(found, seen)
    _files(found, seen)
    _programs(found, seen)
    return found.made


def _space(
    found: Findings, folder: Path, free_mb: int, min_free_mb: int, *, server: str | None = None
) -> None:
    free = f"{_size(free_mb)} free at {folder}{f' of {server}' if server else ''}"
    larger = (
        f"give {server} a larger one"
        if server
        else "move the folder to a larger one and name it with --data"
    )
    if free_mb < min_free_mb:
        found.problem(
            "space",
            f"{free}, and there should be {_size(min_free_mb)} (min_free_mb)",
            f"see what is large with `du -sh {folder}/*`, make room on that disk, or {larger}; "
            "a full disk stops every server",
        )
    elif free_mb < 2 * min_free_mb:
        found.warning(
            "space", f"{free}, less than twice min_free_mb", "make room before it is needed"
        )
    else:
        found.ok("space", free)


def _memory(found: Findings, seen: MachineSeen) -> None:
    if seen.memory_mb < LITTLE_MEMORY_MB:
        found.warning(
            "memory",
            f"{_size(seen.memory_mb)} of memory can be had",
            "stop what else runs here, or give the machine more memory",
        )
    else:
        found.ok("memory", f"{_size(seen.memory_mb)} of memory can be had")


def _files(found: Findings, seen: MachineSeen) -> None:
    files = f"a process may open {count_words(seen.open_files)} files"
    if 0 <= seen.open_files < FEW_FILES:
        found.warning(
            "open files",
            f"{files}: a broker started from here takes about as many devices",
            "raise it with `ulimit -n 65536`, or LimitNOFILE= in the unit",
        )
    else:
        found.ok("open files", "no limit" if seen.open_files < 0 else files)


def _programs(found: Findings, seen: MachineSeen) -> None:
    if seen.native is not None:
        found.unknown(
            "native servers",
            f"`qala up` has no servers to start here: {seen.native.partition(';')[0]}",
            "run `make setup` where Qala shall run its own servers; others need nothing",
        )
    elif seen.java is not None and seen.java < OLDEST_JAVA:
        found.problem(
            "programs",
            f"Java {seen.java} can't run Kafka",
            f"install Java {OLDEST_JAVA} or later, or set JAVA_HOME to one",
        )
    else:
        java = f"Java {seen.java}" if seen.java is not None else "a Java that tells no version"
        found.ok("programs", f"Python {seen.python}, {java}, the native servers")


def _size(megabytes: int) -> str:
    return bytes_words(megabytes * _MB)
