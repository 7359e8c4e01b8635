"""A TCP proxy before a real InfluxDB that misbehaves when it is spoken to."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Literal

from schemas.connections import InfluxConnection

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_WRITE: Final = b"POST /api/v2/write"
_ASK: Final = b"POST /query"


@dataclass(frozen=True)
class Instead:
    """An answer that is given in InfluxDB's place: it never hears of the write."""

    status: HTTPStatus
    body: str = ""
    header: str = "Content-Type: text/html"

    def encode(self) -> bytes:
        head = f"HTTP/1.1 {self.status.value} {self.status.phrase}\r\n{self.header}\r\n"
        length = len(self.body.encode())
        return f"{head}Content-Length: {length}\r\nConnection: close\r\n\r\n{self.body}".encode()


Fault = Instead | Literal["cut"]
"""``cut``: InfluxDB writes, and its answer is cut off."""


class InfluxProxy:
    """Hands requests to InfluxDB, one a connection; ``faults`` are met by the next writes.

    Where ``about`` is set, only writes that hold it: the sink's rows of its own are none of them.
    While ``open`` is not set, InfluxDB writes, and its answers wait; ``held`` counts these.
    ``told`` is the answer to each question, where it is set.
    ``slow_s`` passes before each answer to a write. ``passed`` counts writes that InfluxDB got.
    """

    def __init__(self, influx: InfluxConnection) -> None:
        self.faults: deque[Fault] = deque()
        self.told: Instead | None = None
        self.about = b""
        self.open = asyncio.Event()
        self.open.set()
        self.slow_s = 0.0
        self.held = self.passed = 0
        self._influx = influx
        self._port = 0

    @property
    def connection(self) -> InfluxConnection:
        """How InfluxDB is reached through the proxy."""
        return self._influx.model_copy(update={"url": f"http://127.0.0.1:{self._port}"})

    @classmethod
    @asynccontextmanager
    async def started(cls, influx: InfluxConnection) -> AsyncIterator[InfluxProxy]:
        """A proxy that listens as long as the context lasts."""
        proxy = cls(influx)
        server = await asyncio.start_server(proxy._serve, "127.0.0.1", 0, limit=2**20)
        proxy._port = server.sockets[0].getsockname()[1]
        try:
            yield proxy
        finally:
            proxy.open.set()
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = _LENGTH.search(head)
            body = await reader.readexactly(int(length[1])) if length else b""
            answer = await self._answer(head, body)
            if answer is not None:
                writer.write(answer)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            return  # the sink gave up, or InfluxDB is not there
        finally:
            writer.close()

    async def _answer(self, head: bytes, body: bytes) -> bytes | None:
        if head.startswith(_ASK) and self.told:
            return self.told.encode()
        if not head.startswith(_WRITE):
            return await self._forward(head, body)
        fault = self.faults.popleft() if self.faults and self.about in body else None
        if isinstance(fault, Instead):
            return fault.encode()
        answer = await self._forward(head, body)
        self.passed += 1
        if fault == "cut":
            return None
        if not self.open.is_set():
            self.held += 1
            await self.open.wait()
        await asyncio.sleep(self.slow_s)
        return answer

    async def _forward(self, head: bytes, body: bytes) -> bytes:
        port = int(self._influx.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        line, _, fields = head.partition(b"\r\n")
        writer.write(line + b"\r\nConnection: close\r\n" + fields + body)
        try:
            return await reader.read(-1)
        finally:
            writer.close()
