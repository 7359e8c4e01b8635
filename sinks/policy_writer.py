"""Gathers the rows of one retention policy into batches and writes them, one at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from random import Random

from schemas.measurements import POLICIES
from sinks.backoff import Backoff
from sinks.contract import Rejected, Sink, Trouble, Written
from sinks.progress import Token
from sinks.settings import InfluxSinkSettings

_LINE_FEED = 1


@dataclass(slots=True)
class Chunk:
    """Rows of one record for one policy; ``token`` is None for rows of the sink's own.

    ``rx_us`` is when the bridge received the first of them, ``event_ms`` when its device
    measured it; None where that says nothing.
    ``size`` is their bytes as one text, for what is ASCII (nearly all is).
    """

    rows: list[str]
    topic: str
    token: Token | None = None
    rx_us: int | None = None
    event_ms: int | None = None
    size: int = field(init=False)

    def __post_init__(self) -> None:
        self.size = sum(map(len, self.rows)) + len(self.rows) * _LINE_FEED


Settled = Callable[[str, list[Chunk], Written], Awaitable[None]]
Troubled = Callable[[str, Trouble | None], None]


class PolicyWriter:
    """The queue of one policy, and the loop that empties it.

    ``settled`` is awaited for each batch that has nothing left to keep. ``troubled`` is told
    each trouble and, with None, its end.
    """

    def __init__(
        self,
        policy: str,
        sink: Sink,
        settings: InfluxSinkSettings,
        *,
        backoff: Backoff,
        settled: Settled,
        troubled: Troubled,
    ) -> None:
        self.policy = policy
        self.rows = 0
        self._sink = sink
        self._settings = settings
        self._backoff = backoff
        self._settled = settled
        self._troubled = troubled
        self._queue: deque[Chunk] = deque()
        self._queued_rows = 0
        self._queued_bytes = 0
        self._first = asyncio.Event()
        self._full = asyncio.Event()
        self._closing = False

    def add(self, chunk: Chunk) -> None:
        """Queue the rows of ``chunk``; its token is held until they are settled."""
        for part in _cut(chunk, self._settings):
            if part.token:
                part.token.more()
            self._queue.append(part)
            self.rows += len(part.rows)
            self._queued_rows += len(part.rows)
            self._queued_bytes += part.size
        self._first.set()
        if self._is_full():
            self._full.set()

    def close(self) -> None:
        """Write what is queued without waiting for more, then end `run`."""
        self._closing = True
        self._first.set()
        self._full.set()

    async def run(self) -> None:
        """Write batch after batch until closed and empty."""
        while await self._gathered():
            chunks = self._take()
            written = await self._write([row for chunk in chunks for row in chunk.rows])
            await self._settled(self.policy, chunks, written)
            for chunk in chunks:
                self.rows -= len(chunk.rows)
                if chunk.token:
                    chunk.token.done()

    async def _gathered(self) -> bool:
        """Wait for a batch to be full or its first row to have waited; False at the end."""
        if not self._queue:
            if self._closing:
                return False
            self._first.clear()
            await self._first.wait()
        if not self._is_full() and not self._closing:
            self._full.clear()
            try:
                async with asyncio.timeout(self._settings.linger_ms / 1000):
                    await self._full.wait()
            except TimeoutError:
                pass
        return bool(self._queue) or not self._closing

    def _is_full(self) -> bool:
        return (
            self._queued_rows >= self._settings.batch_lines
            or self._queued_bytes >= self._settings.batch_bytes
        )

    def _take(self) -> list[Chunk]:
        chunks: list[Chunk] = []
        rows = size = 0
        while self._queue:
            chunk = self._queue[0]
            rows += len(chunk.rows)
            size += chunk.size
            if chunks and (rows > self._settings.batch_lines or size > self._settings.batch_bytes):
                break
            chunks.append(self._queue.popleft())
            self._queued_rows -= len(chunk.rows)
            self._queued_bytes -= chunk.size
        return chunks

    async def _write(self, lines: list[str]) -> Written:
        """Write until nothing is left to keep; the sum of all attempts."""
        total = Written()
        while lines:
            written = await self._sink.write(self.policy, lines)
            total.accepted += written.accepted
            total.expired += written.expired
            total.rejected += written.rejected
            if len(written.keep) < len(lines):
                self._backoff.reset()
            lines = written.keep
            self._troubled(self.policy, written.trouble)
            if written.trouble:
                await asyncio.sleep(self._backoff.wait_s(written.trouble.retry_after_s))
        return total


def _cut(chunk: Chunk, settings: InfluxSinkSettings) -> Iterator[Chunk]:
    """The chunk in parts, each small enough for a batch (a single row may be larger)."""
    rows = chunk.rows
    if len(rows) <= settings.batch_lines and chunk.size <= settings.batch_bytes:
        yield chunk
        return
    part: list[str] = []
    size = 0
    for row in rows:
        if part and (len(part) >= settings.batch_lines or size + len(row) > settings.batch_bytes):
            yield Chunk(part, chunk.topic, chunk.token, chunk.rx_us, chunk.event_ms)
            part, size = [], 0
        part.append(row)
        size += len(row) + _LINE_FEED
    yield Chunk(part, chunk.topic, chunk.token, chunk.rx_us, chunk.event_ms)


def topic_of(rejected: Rejected, chunks: list[Chunk]) -> str:
    """The Kafka topic that a rejected line came from."""
    return next((chunk.topic for chunk in chunks if rejected.line in chunk.rows), "")


def policy_writers(
    sink: Sink,
    settings: InfluxSinkSettings,
    random: Random,
    *,
    settled: Settled,
    troubled: Troubled,
) -> dict[str, PolicyWriter]:
    """A writer for each retention policy; ``random`` spreads their retries."""
    return {
        policy: PolicyWriter(
            policy,
            sink,
            settings,
            backoff=Backoff(settings.backoff_first_s, settings.backoff_most_s, random),
            settled=settled,
            troubled=troubled,
        )
        for policy in POLICIES
    }
