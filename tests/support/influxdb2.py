"""InfluxDB 2.x for tests: Qala doesn't ship it, so its program comes from the environment."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path

import aiohttp
from pydantic import SecretStr

from infra.native import LOOPBACK, NativeServer, free_port, log_path
from infra.native.influxdb import answers_ping
from schemas.connections import InfluxConnection
from tests.support.servers import RunningServer

_TOKEN = "qala-test-token"


@asynccontextmanager
async def start_influxdb2(program: Path, data: Path) -> AsyncIterator[InfluxConnection]:
    """Start it on a free port over ``data`` and set it up: organisation ``qala``, one token."""
    port = free_port()
    url = f"http://{LOOPBACK}:{port}"
    folder = data / "influxdb2"

    async def prepare() -> None:
        folder.mkdir(parents=True, exist_ok=True)

    running = RunningServer(
        NativeServer(
            name="influxdb2",
            port=port,
            folder=folder,
            argv=(
                str(program),
                "run",
                f"--bolt-path={folder / 'bolt'}",
                f"--sqlite-path={folder / 'sqlite'}",
                f"--engine-path={folder / 'engine'}",
                f"--http-bind-address={LOOPBACK}:{port}",
                "--reporting-disabled",
                "--log-level=warn",
            ),
            env={},
            log=log_path(data, "influxdb2"),
            prepare=prepare,
            ready=lambda: answers_ping(url),
            stop_signal=signal.SIGTERM,
        )
    )
    await running.start()
    try:
        await _set_up(url)
        yield InfluxConnection(url=url, token=SecretStr(_TOKEN), org="qala")
    finally:
        await running.stop()


async def _set_up(url: str) -> None:
    onboarding = {
        "username": "qala",
        "password": "qala-tests-only",
        "org": "qala",
        "bucket": "unused",
        "token": _TOKEN,
    }
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/api/v2/setup", json=onboarding) as answer,
    ):
        assert answer.status == HTTPStatus.CREATED, await answer.text()
