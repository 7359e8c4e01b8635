"""A real InfluxDB on a disk of a few MB of its own, which a test can fill and free."""

from __future__ import annotations

import asyncio
import os
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from infra.provision import provision_influx
from infra.servers import ServerPorts, native_servers
from schemas.connections import InfluxConnection
from tests.support.servers import RunningServer

_MOUNT: Final = 'mount -t tmpfs -o size="$2" tmpfs "$1" && echo mounted && exec cat'
_RUN: Final = 'cd "$0" && exec "$@"'


class SmallDisk:
    """The disk as we see it from outside: a tmpfs in a namespace that ``holder`` keeps."""

    def __init__(self, holder: int, folder: Path) -> None:
        self._filler = Path(f"/proc/{holder}/root") / folder.relative_to("/") / "filler"

    def fill(self) -> None:
        """Leave no room on it."""
        with self._filler.open("wb", buffering=0) as filler:
            free = os.statvfs(filler.fileno())
            filler.write(bytes(free.f_bavail * free.f_frsize))

    def free(self) -> None:
        """Give the room back."""
        self._filler.unlink()


@asynccontextmanager
async def influxdb_on_small_disk(
    data: Path, *, size: str = "24m"
) -> AsyncIterator[tuple[RunningServer, InfluxConnection, SmallDisk]]:
    """InfluxDB 1.8, provisioned, with everything it keeps on a disk of ``size``.

    Needs user namespaces (``unshare --user``), so that no rights are needed to mount.
    """
    disk = data / "disk"
    disk.mkdir(parents=True)
    holder = await asyncio.create_subprocess_exec(
        "unshare", "--user", "--map-root-user", "--mount", "sh", "-c", _MOUNT, "sh",
        str(disk), size, stdin=PIPE, stdout=PIPE, stderr=PIPE,
    )  # fmt: skip
    assert holder.stdout is not None
    assert holder.stderr is not None
    if await holder.stdout.readline() != b"mounted\n":
        raise AssertionError(f"no small disk: {(await holder.stderr.read()).decode()}")
    ports = ServerPorts.free()
    described = next(one for one in native_servers(data, ports) if one.name == "influxdb")
    enter = (
        "nsenter", f"--target={holder.pid}", "--user", "--mount", "--preserve-credentials",
        "sh", "-c", _RUN, str(disk),
    )  # fmt: skip
    server = RunningServer(replace(described, argv=enter + described.argv))
    try:
        await server.start()
        await provision_influx(ports.influx_connection())
        yield server, ports.influx_connection(), SmallDisk(holder.pid, disk)
    finally:
        await server.stop()
        holder.kill()
        await holder.wait()
