"""What Kafka's storage tool makes, made once for all the Kafkas of a process of tests."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from infra.native import NativeServer
from infra.native.kafka import cluster_id

_IDS = re.compile(rb"^(cluster|directory)\.id=\S+", re.MULTILINE)
_formatted: dict[Path, bytes] = {}
"""The files of a formatted log folder, by their place in it."""


def formatted_by_copy(kafka: NativeServer) -> NativeServer:
    """``kafka`` with a log folder like the first one's, where it has none yet.

    The tool is a Java program of more than a CPU second, and its folders differ in their ids
    only: the first is made by it, and the later ones are written as it was, with ids of their own.
    """
    log = kafka.folder / "log"

    async def prepare() -> None:
        new = not log.exists()
        if new and _formatted:
            _write(log)
        await kafka.prepare()
        if new and not _formatted:
            _formatted.update(_read(log))

    return replace(kafka, prepare=prepare)


def _read(log: Path) -> dict[Path, bytes]:
    made = (path for path in log.rglob("*") if path.is_file())
    return {path.relative_to(log): path.read_bytes() for path in made}


def _write(log: Path) -> None:
    for place, content in _formatted.items():
        file = log / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if place.suffix == ".checkpoint" else _with_own_ids(content))


def _with_own_ids(properties: bytes) -> bytes:
    return _IDS.sub(lambda found: found[1] + b".id=" + cluster_id().encode(), properties)
