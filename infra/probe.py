"""What a stage tells about itself on a loopback port: ``/metrics`` and ``/ready``."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Final

import msgspec
from aiohttp import web
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from infra.supervisor.identity import Identity, identify
from infra.supervisor.records import ProbeRecord, read_probe, read_processes, write_record
from schemas.readiness import Readiness

LOOPBACK: Final = "127.0.0.1"


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What ``/ready`` says; ``reasons`` is what is waited for, by part.

    ``notes`` are what the stage has noticed of others, by subject; they leave it ready.
    """

    ready: bool
    reasons: dict[str, str]
    stage: str
    id: str
    pid: int
    notes: dict[str, str] = {}


def free_name(folder: Path, stage: str) -> str:
    """The first of ``stage``, ``stage-2``, … that no living process has in this data folder."""
    taken = {record.name for record in read_processes(folder) if record.alive()}
    number, name = 1, stage
    while name in taken or _lives(folder, name):
        number += 1
        name = f"{stage}-{number}"
    return name


def _lives(folder: Path, name: str) -> bool:
    probe = read_probe(folder, name)
    return probe is not None and probe.process.alive()


@asynccontextmanager
async def serve_probe(
    *,
    folder: Path,
    name: str,
    stage: str,
    id: str,  # noqa: A002 - the contract's word
    readiness: Readiness,
    registry: CollectorRegistry,
) -> AsyncIterator[ProbeRecord]:
    """Serve ``readiness`` and ``registry`` on a free loopback port while the context lasts.

    The port is recorded as ``<folder>/<name>.probe.json``; CPU seconds and memory of this
    process are among the metrics.
    """
    ProcessCollector(registry=registry)
    identity = identify(os.getpid()) or Identity(os.getpid(), 0, "")

    async def ready(_request: web.Request) -> web.Response:
        answer = Answer(
            ready=readiness.ready,
            reasons=readiness.reasons,
            stage=stage,
            id=id,
            pid=identity.pid,
            notes=readiness.notes,
        )
        return web.Response(
            status=HTTPStatus.OK if answer.ready else HTTPStatus.SERVICE_UNAVAILABLE,
            body=msgspec.json.encode(answer),
            content_type="application/json",
        )

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    app = web.Application()
    app.add_routes([web.get("/ready", ready), web.get("/metrics", metrics)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, LOOPBACK, 0)
        await site.start()
        port: int = runner.addresses[0][1]
        record = ProbeRecord(name=name, stage=stage, id=id, process=identity, port=port)
        write_record(folder, record)
        yield record
    finally:
        await runner.cleanup()
