"""One chat channel's queue: messages in their order, each until the channel has taken it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

import structlog

from schemas.readiness import Readiness
from sinks.backoff import Backoff
from sinks.chat import Channel
from sinks.messages import Message
from sinks.metrics import ChatMetrics
from sinks.progress import Token

_log = structlog.get_logger(__name__)

Took = Callable[[str, Message], Awaitable[None]]


class ChannelQueue:
    """Sends to one channel, at its own pace; ``taken`` are the ids that it already has.

    ``took`` is awaited with the channel's name after each message, and writes the receipt. A
    crash between the channel's answer and that receipt sends the message once more, with the
    same id in it: no messenger offers a way to exclude that.
    """

    def __init__(
        self,
        channel: Channel,
        *,
        backoff: Backoff,
        metrics: ChatMetrics,
        readiness: Readiness,
        took: Took,
    ) -> None:
        self.name = channel.name
        self.taken: set[str] = set()
        self._channel = channel
        self._backoff = backoff
        self._metrics = metrics
        self._readiness = readiness
        self._took = took
        self._queue: deque[tuple[Message, Token]] = deque()
        self._some = asyncio.Event()
        self._closing = False

    def __len__(self) -> int:
        return len(self._queue)

    def add(self, message: Message, token: Token) -> None:
        """Queue ``message``; ``token`` is held until the channel has it."""
        token.more()
        self._queue.append((message, token))
        self._some.set()

    def close(self) -> None:
        """Send what is queued, then end `run`."""
        self._closing = True
        self._some.set()

    async def run(self) -> None:
        """Send one after the other until closed and empty."""
        while True:
            while not self._queue:
                if self._closing:
                    return
                self._some.clear()
                await self._some.wait()
            message, token = self._queue[0]
            if message.id in self.taken:
                self._metrics.duplicates.labels(self.name).inc()
            else:
                await self._send(message)
            self._queue.popleft()
            token.done()

    async def _send(self, message: Message) -> None:
        part = f"chat {self.name}"
        while reason := await self._channel.send(message):
            if part not in self._readiness.reasons:
                _log.warning("a chat channel does not take messages; they wait", reason=reason)
            self._readiness.waiting(part, reason)
            self._metrics.retries.labels(self.name).inc()
            await asyncio.sleep(self._backoff.wait_s())
        self._backoff.reset()
        self._readiness.working(part)
        await self._took(self.name, message)
        self.taken.add(message.id)
        self._metrics.accepted.labels(self.name).inc()
