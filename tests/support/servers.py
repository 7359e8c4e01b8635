"""Real servers for tests: started on free ports over a temporary folder, stopped by pid."""

from __future__ import annotations

import signal
from asyncio.subprocess import Process
from collections.abc import Iterable
from typing import Any

import aiohttp

from infra.native import NativeServer, start, stop, wait_ready
from schemas.connections import InfluxConnection
from schemas.influxql import influx_session


class RunningServer:
    """A native server with the process that runs it; every start has the same port and data."""

    def __init__(self, server: NativeServer) -> None:
        self.server = server
        self._process: Process | None = None

    @property
    def name(self) -> str:
        return self.server.name

    @property
    def port(self) -> int:
        return self.server.port

    @property
    def process(self) -> Process:
        assert self._process is not None, f"{self.name} was never started"
        return self._process

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start it and return when it answers."""
        assert not self.running, f"{self.name} runs already"
        self._process = await start(self.server)
        try:
            await wait_ready(self.server, self._process)
        except BaseException:
            await self.kill()
            raise

    async def stop(self) -> None:
        """Stop it in order; nothing where it doesn't run."""
        if self.running:
            self.resume()
            await stop(self.server, self.process)

    async def kill(self) -> None:
        """SIGKILL it; nothing where it doesn't run."""
        if self.running:
            self.process.kill()
            await self.process.wait()

    async def restart(self, *, kill: bool = False) -> None:
        """Stop (or kill) it and start it again on the same port and data."""
        await (self.kill() if kill else self.stop())
        await self.start()

    def pause(self) -> None:
        """Stop its process in its tracks: it holds its port and answers nothing."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused process go on."""
        self.process.send_signal(signal.SIGCONT)


_TIMEOUT = aiohttp.ClientTimeout(total=120)


class InfluxQueryError(AssertionError):
    """InfluxDB refused a test's query."""


async def query(influx: InfluxConnection, q: str, db: str = "qala") -> list[dict[str, Any]]:
    """Ask an InfluxQL question; one dict per row, tags of GROUP BY in it, ``time`` in ns."""
    params = {"db": db, "q": q, "epoch": "ns"}
    async with (
        influx_session(influx, _TIMEOUT) as session,
        session.post(f"{influx.url}/query", data=params) as answer,
    ):
        body = await answer.json(content_type=None)
    if "results" not in body:
        raise InfluxQueryError(f"{q}: {body}")
    rows: list[dict[str, Any]] = []
    for result in body["results"]:
        if "error" in result:
            raise InfluxQueryError(f"{q}: {result['error']}")
        for series in result.get("series", []):
            tags = series.get("tags", {})
            rows += [
                dict(zip(series["columns"], row, strict=True)) | tags for row in series["values"]
            ]
    return rows


async def write_rows(
    influx: InfluxConnection, policy: str, rows: Iterable[str], *, precision: str = "ns"
) -> None:
    """Write lines of line protocol, past the sink."""
    params = {"org": influx.org, "bucket": influx.bucket(policy), "precision": precision}
    url = f"{influx.url}/api/v2/write"
    async with (
        influx_session(influx, _TIMEOUT) as session,
        session.post(url, params=params, data="\n".join(rows).encode()) as answer,
    ):
        assert answer.status == 204, await answer.text()
