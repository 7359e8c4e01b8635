"""Kafka's classes, loaded and checked once for all its starts: it is there in half the time.

Java keeps them in an archive of class data (JEP 350) beside Kafka's jars. One that does not fit,
as another Java or other jars have come, is left aside by Java, and Kafka starts as it would
without.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Final

from infra.native.errors import ServerError
from infra.native.folder import find_native, native_root
from infra.native.kafka import class_archive, kafka_server
from infra.native.ports import free_port
from infra.native.process import start, stop, wait_ready

_USES: Final = "-XX:SharedArchiveFile="
_MAKES: Final = "-XX:ArchiveClassesAtExit="


async def make_class_archive(environ: dict[str, str]) -> Path:
    """Run Kafka once over a folder of its own, and keep what it has loaded; gives the archive.

    Raises:
        ServerError: Kafka is not there, or does not start.
    """
    native = find_native(environ)
    archive = class_archive(native.kafka_lib)
    with tempfile.TemporaryDirectory(dir=native_root(environ), prefix=".new.") as folder:
        made = Path(folder) / archive.name
        server = kafka_server(Path(folder), free_port(), native, controller_port=free_port())
        java, *options = server.argv
        kept = [option for option in options if not option.startswith(_USES)]
        server = replace(server, argv=(java, f"{_MAKES}{made}", *kept))
        process = await start(server)
        try:
            await wait_ready(server, process)
        finally:
            await stop(server, process)
        made.replace(archive)
    return archive


if __name__ == "__main__":
    try:
        asyncio.run(make_class_archive(dict(os.environ)))
    except (ServerError, OSError) as exc:
        sys.exit(f"setup: {exc}")
