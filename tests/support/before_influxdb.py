"""What may stand before InfluxDB: it lets writes through, and answers questions itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.test_utils import TestServer

from schemas.connections import InfluxConnection


@asynccontextmanager
async def answering(status: int, body: str) -> AsyncIterator[InfluxConnection]:
    """The address of something that answers every question with this."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=status, text=body)

    async def taken(_request: web.Request) -> web.Response:
        return web.Response(status=204)

    application = web.Application()
    application.router.add_get("/ping", taken)
    application.router.add_post("/api/v2/write", taken)
    application.router.add_post("/query", answer)
    async with TestServer(application) as server:
        yield InfluxConnection(url=str(server.make_url("")).rstrip("/"))
