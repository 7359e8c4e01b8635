"""Apache Kafka: the log between the bridges and everything that reads it."""

from __future__ import annotations

import asyncio
import base64
import os
import uuid
from pathlib import Path

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from infra.native.errors import ServerError
from infra.native.folder import NativeFolder
from infra.native.process import last_words
from infra.native.server import LOOPBACK, NativeServer, log_path, write_config

HEAP_MB = 512
# Java reads names of files by the locale: under a plain C one it finds none with an umlaut
_ENV = {"LC_ALL": "C.UTF-8"}
_PROBE_TIMEOUT_S = 5.0
_FORMAT_TIMEOUT_S = 60.0


def kafka_server(
    data: Path, port: int, native: NativeFolder, *, controller_port: int
) -> NativeServer:
    """One KRaft node on ``port`` of loopback, its log in ``data/kafka``.

    ``controller_port`` may be another one at each start; nobody outside the node uses it.
    """
    folder = data / "kafka"
    config = folder / "kafka.properties"
    log = log_path(data, "kafka")
    java = str(native.java)
    log4j = folder / "log4j2.xml"
    classes = class_options(native.kafka_lib)

    async def prepare() -> None:
        write_config("kafka.properties", config, port=port, controller_port=controller_port)
        write_config("log4j2.xml", log4j)
        await _format_once(folder, [java, *_tool_options(log4j), *classes], log)

    return NativeServer(
        name="kafka",
        port=port,
        folder=folder,
        argv=(java, *_server_options(log4j), *classes, "kafka.Kafka", str(config)),
        env=_ENV,
        log=log,
        prepare=prepare,
        ready=lambda: answers_metadata(LOOPBACK, port),
        stop_timeout_s=20.0,
    )


def class_archive(kafka_lib: Path) -> Path:
    """Where the archive of Kafka's classes is, if `infra.native.class_archive` has made it."""
    return kafka_lib.with_name("classes.jsa")


def class_options(kafka_lib: Path) -> tuple[str, ...]:
    """Java's options for Kafka's class path, and for the archive of its classes if it is there."""
    archive = class_archive(kafka_lib)
    # one that doesn't fit is left aside, and said nowhere: all is as it was without it
    shared = (f"-XX:SharedArchiveFile={archive}", "-Xlog:cds=off") if archive.exists() else ()
    return (*shared, "-cp", f"{kafka_lib}/*")


async def answers_metadata(host: str, port: int) -> bool:
    """Whether a broker answers a metadata request, naming itself."""
    try:
        async with asyncio.timeout(_PROBE_TIMEOUT_S):
            # a plain connect first: the client logs an error for every refused one
            _, writer = await asyncio.open_connection(host, port)
            writer.close()
            return await _metadata(f"{host}:{port}")
    except (OSError, TimeoutError, KafkaError):
        return False


async def _metadata(bootstrap: str) -> bool:
    client = AIOKafkaClient(bootstrap_servers=bootstrap, request_timeout_ms=3000)
    try:
        await client.bootstrap()
        return bool(client.cluster.brokers())
    finally:
        await client.close()


async def _format_once(folder: Path, java: list[str], log: Path) -> None:
    """Give the log folder its cluster id, the first time (``kafka-storage format``).

    Raises:
        ServerError: the storage tool failed; the message holds its last words.
    """
    if (folder / "log" / "meta.properties").exists():
        return
    id_file = folder / "cluster-id"
    if not id_file.exists():
        id_file.write_text(cluster_id() + "\n", encoding="ascii")
    own_id = id_file.read_text(encoding="ascii").strip()
    config = str(folder / "kafka.properties")
    tool = ["kafka.tools.StorageTool", "format", "-t", own_id, "-c", config]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        process = await asyncio.create_subprocess_exec(
            *java,
            *tool,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd=folder,
            env=os.environ | _ENV,
        )
    try:
        code = await asyncio.wait_for(process.wait(), _FORMAT_TIMEOUT_S)
    except BaseException:
        process.kill()
        await process.wait()
        raise
    if code != 0:
        raise ServerError(
            f"kafka: formatting {folder / 'log'} failed with exit code {code}: "
            f"{last_words(log)} (all of it: {log})"
        )


def cluster_id() -> str:
    """22 characters of URL-safe base64 over 16 random bytes, as Kafka makes them."""
    while True:
        made = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not made.startswith("-"):  # the storage tool would take it for an option
            return made


def _server_options(log4j: Path) -> tuple[str, ...]:
    return (
        f"-Xmx{HEAP_MB}m",
        "-Xms256m",
        "-XX:+UseSerialGC",  # a small heap on few cores: pauses of a few ms, and no GC threads
        "-XX:-UsePerfData",
        "-XX:+ExitOnOutOfMemoryError",
        "-Djava.awt.headless=true",
        f"-Dlog4j2.configurationFile={log4j}",
    )


def _tool_options(log4j: Path) -> tuple[str, ...]:
    return (
        "-Xmx128m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",  # a tool that runs for a second is not worth optimising
        "-XX:-UsePerfData",
        f"-Dlog4j2.configurationFile={log4j}",
    )
