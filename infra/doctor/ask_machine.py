"""Asking this machine: space, memory, limits, programs, clock, and our own broker's file."""

from __future__ import annotations

import asyncio
import os
import platform
import re
import resource
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import psutil
from msgspec import Struct

from infra.native import LOOPBACK, MissingProgramError, find_native
from schemas.connections import MqttConnection

_MB: Final = 1_000_000
_PROGRAM_S: Final = 4.0
_MEMORY: Final = frozenset({"tmpfs", "ramfs"})
SERVERS: Final = frozenset({"Mosquitto", "Kafka", "InfluxDB"})
"""Servers; the folder of each in the data folder is its name in small letters."""
_HERE: Final = frozenset({LOOPBACK, "localhost", "::1"})


class Disk(Struct, frozen=True):
    """Where a server writes, and the free space (MB) there."""

    folder: Path
    free_mb: int


class MachineSeen(Struct, frozen=True, kw_only=True):
    """What this machine is. ``writable`` is False where the data folder can't be written.

    ``free_mb`` is of the disk under the data folder, which is no disk where ``in_memory``.
    ``servers`` have a folder in the data folder. ``disks`` are those of servers that have one of
    their own: a folder of the data folder that is mounted, or what a server says and is here.
    ``java`` is None where there is none; ``native`` says what is missing of the native servers.
    ``synchronised`` is None where the system does not tell.
    """

    data: Path
    free_mb: int
    in_memory: bool = False
    servers: frozenset[str] = frozenset()
    disks: dict[str, Disk] = {}
    writable: bool
    memory_mb: int
    open_files: int
    python: str
    java: int | None
    native: str | None
    synchronised: bool | None


async def ask_machine(data: Path, environ: Mapping[str, str]) -> MachineSeen:
    """Look at what the data folder lies on, and at what the native servers need."""
    there = _existing(data)
    missing: str | None = None
    java: int | None = None
    try:
        native = find_native(environ)
    except MissingProgramError as exc:
        missing = str(exc)
    else:
        java = java_major(await _said(str(native.java), "-version"))
    return MachineSeen(
        data=data,
        free_mb=_free_mb(there),
        in_memory=_in_memory(there),
        servers=frozenset(server for server, folder in _folders(data) if folder.is_dir()),
        disks={
            server: Disk(folder, _free_mb(folder))
            for server, folder in _folders(data)
            if _own_disk(folder, data)
        },
        writable=os.access(there, os.W_OK | os.X_OK),
        memory_mb=psutil.virtual_memory().available // _MB,
        open_files=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        python=platform.python_version(),
        java=java,
        native=missing,
        synchronised=await _synchronised(),
    )


def broker_conf(data: Path, mqtt: MqttConnection) -> dict[str, str] | None:
    """The configuration of the Mosquitto that Qala runs over ``data``, where ``mqtt`` is it."""
    if mqtt.host not in _HERE:
        return None
    try:
        text = (data / "mosquitto" / "mosquitto.conf").read_text(encoding="utf-8")
    except OSError:
        return None
    conf = {
        key: value.strip()
        for key, _, value in (line.partition(" ") for line in text.splitlines())
        if key and not key.startswith("#")
    }
    return conf if conf.get("listener", "").split(" ")[0] == str(mqtt.port) else None


def is_here(host: str) -> bool:
    """Whether ``host`` is this machine, as far as its name tells."""
    return host in _HERE


def java_major(said: str) -> int | None:
    """17 of ``openjdk version "17.0.2" …``, 8 of ``"1.8.0_292"``; None where it says neither."""
    found = re.search(r'version "(?:1\.)?(\d+)', said)
    return int(found[1]) if found else None


def _existing(folder: Path) -> Path:
    """The folder, or the first above it that is there and may be seen."""
    there = folder.absolute()
    while not os.path.exists(there):  # noqa: PTH110 - Path's own fails where it may not look
        there = there.parent
    return there


def _free_mb(folder: Path) -> int:
    return shutil.disk_usage(folder).free // _MB


def _folders(data: Path) -> list[tuple[str, Path]]:
    return [(server, data / server.lower()) for server in sorted(SERVERS)]


def _own_disk(folder: Path, data: Path) -> bool:
    """Whether it is mounted there, or a link to another disk than that of the data folder."""
    try:
        return os.path.ismount(folder) or folder.stat().st_dev != data.stat().st_dev
    except OSError:  # not there, or we may not look
        return False


def _in_memory(folder: Path) -> bool:
    """Whether what is written there lies in memory, as in a container's scratch folder."""
    real = folder.resolve()
    above = [
        (len(Path(one.mountpoint).parts), one.fstype)
        for one in psutil.disk_partitions(all=True)
        if real.is_relative_to(one.mountpoint)
    ]
    # of those mounted on one place the last one counts
    return bool(above) and max(reversed(above), key=lambda one: one[0])[1] in _MEMORY


async def _synchronised() -> bool | None:
    """What systemd says of the clock; None where systemd does not run."""
    if shutil.which("timedatectl") is None:
        return None
    said = await _said("timedatectl", "show", "--property=NTPSynchronized", "--value")
    return {"yes": True, "no": False}.get(said.strip())


async def _said(*argv: str) -> str:
    """What a program prints, on both its outputs; nothing where it can't be run in time."""
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
    except OSError:
        return ""
    try:
        async with asyncio.timeout(_PROGRAM_S):
            out, _ = await process.communicate()
            return out.decode(errors="replace")
    except TimeoutError:
        process.kill()
        await process.wait()
        return ""
