"""InfluxDB 1.8: where rows land."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path

import aiohttp

from infra.native.folder import NativeFolder
from infra.native.server import LOOPBACK, NativeServer, log_path, write_config

_PROBE_TIMEOUT = aiohttp.ClientTimeout(total=2.0)


def influxdb_server(data: Path, port: int, native: NativeFolder) -> NativeServer:
    """InfluxDB on ``port`` of loopback, everything it keeps in ``data/influxdb``."""
    folder = data / "influxdb"
    config = folder / "influxdb.conf"

    async def prepare() -> None:
        write_config("influxdb.conf", config, port=port)

    return NativeServer(
        name="influxdb",
        port=port,
        folder=folder,
        argv=(str(native.influxd), "run", "-config", str(config)),
        env={},
        log=log_path(data, "influxdb"),
        prepare=prepare,
        ready=lambda: answers_ping(f"http://{LOOPBACK}:{port}"),
    )


async def answers_ping(url: str) -> bool:
    """Whether an InfluxDB of any version answers ``/ping`` with 204."""
    try:
        async with (
            aiohttp.ClientSession(timeout=_PROBE_TIMEOUT) as session,
            session.get(f"{url}/ping") as answer,
        ):
            return answer.status == HTTPStatus.NO_CONTENT
    except (aiohttp.ClientError, TimeoutError, OSError):
        return False
