"""One chat channel's queue: messages in their order, each until the channel has taken it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Collection
from dataclasses import dataclass
from typing import Protocol

import structlog
from aiokafka import TopicPartition

from schemas.readiness import Readiness
from sinks.backoff import Backoff
from sinks.chat import Channel
from sinks.kafka import wait_or_stop
from sinks.messages import Message
from sinks.metrics import ChatMetrics
from sinks.progress import Token

_log = structlog.get_logger(__name__)


class Note(Protocol):
    """Writes down that a channel has ``taken`` a message, or that it is about to be sent to it.

    False says that it could not, as all is being stopped.
    """

    def __call__(self, channel: str, message: Message, *, taken: bool) -> Awaitable[bool]:
        """Write it."""


@dataclass(slots=True, eq=False)
class _Waiting:
    """One message of a record; ``ours`` until its partition is taken from us."""

    message: Message
    token: Token
    partition: TopicPartition
    ours: bool = True


class ChannelQueue:
    """Sends to one channel, at its own pace; ``taken`` are the ids that it already has.

    ``note`` is awaited before the first attempt and after the channel has taken it. A crash
    between the two, or an attempt without an answer, may mean that the channel has it: it is
    then sent once more, with the same id, and says that it may be a repeat (``begun`` are the
    ids of which this is so). No messenger offers a way to exclude that.
    """

    def __init__(
        self,
        channel: Channel,
        *,
        backoff: Backoff,
        metrics: ChatMetrics,
        readiness: Readiness,
        note: Note,
    ) -> None:
        self.name = channel.name
        self._part = f"chat {channel.name}"
        self.taken: set[str] = set()
        self.begun: set[str] = set()
        self._channel = channel
        self._backoff = backoff
        self._metrics = metrics
        self._readiness = readiness
        self._note = note
        self._queue: deque[_Waiting] = deque()
        self._current: _Waiting | None = None
        self._changed = asyncio.Event()
        self._closing = False

    def __len__(self) -> int:
        return len(self._queue) + (self._current is not None)

    def add(self, message: Message, token: Token, partition: TopicPartition) -> None:
        """Queue ``message``; ``token`` is held until the channel has it."""
        token.more()
        self._queue.append(_Waiting(message, token, partition))
        if self._current is None:
            self._changed.set()

    def leave(self, partitions: Collection[TopicPartition]) -> None:
        """Forget what waits of these partitions: another copy tells it.

        A sending in progress goes on, but is not repeated where the channel does not take it.
        """
        kept = deque(one for one in self._queue if one.partition not in partitions)
        self._metrics.left.labels(self.name).inc(len(self._queue) - len(kept))
        self._queue = kept
        if self._current is not None and self._current.partition in partitions:
            self._current.ours = False
            self._changed.set()

    def close(self) -> None:
        """End `run` after the sending in progress; what waits stays uncommitted in Kafka."""
        self._closing = True
        self._changed.set()

    async def run(self) -> None:
        """Send one after the other until closed."""
        while not self._closing:
            self._changed.clear()
            if not self._queue:
                await self._changed.wait()
                continue
            one = self._current = self._queue.popleft()
            if one.message.id in self.taken:
                self._metrics.duplicates.labels(self.name).inc()
                one.token.done()
            elif await self._told(one):
                one.token.done()
            self._current = None

    async def _told(self, one: _Waiting) -> bool:
        """Whether the channel has it and its receipt is written; else it stays uncommitted."""
        message = one.message
        if message.id in self.begun:
            message = message.possible_repeat()
        elif not await self._note(self.name, message, taken=False):
            return False
        if not await self._sent(one, message):
            return False
        self._backoff.reset()
        self._readiness.working(self._part)
        self.begun.add(message.id)  # until the receipt is written
        if not await self._note(self.name, message, taken=True):
            return False
        self.begun.discard(message.id)
        self.taken.add(message.id)
        self._metrics.accepted.labels(self.name).inc()
        return True

    async def _sent(self, one: _Waiting, message: Message) -> bool:
        """Send until the channel takes it; False where it is left to another copy or a start."""
        while refusal := await self._channel.send(message):
            if self._part not in self._readiness.reasons:
                _log.warning(
                    "a chat channel does not take messages; they wait", reason=refusal.reason
                )
            self._readiness.waiting(self._part, refusal.reason)
            if refusal.perhaps_taken and message is one.message:
                self.begun.add(message.id)
                message = message.possible_repeat()
            self._metrics.retries.labels(self.name).inc()
            if one.ours and not self._closing:
                await wait_or_stop(self._changed, self._backoff.wait_s())
            if not one.ours:
                self._metrics.left.labels(self.name).inc()
                self._readiness.working(self._part)  # nothing of ours waits for it
                return False
            if self._closing:
                return False
        return True
