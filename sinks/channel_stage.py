"""One chat channel of ``qala sink chat``: its consumer of the alerts, and its queue."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping
from random import Random

import msgspec
import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from schemas.connections import KafkaConnection
from schemas.deadletters import EXPLAINED, Reason
from schemas.errors import StuckClientError
from schemas.readiness import Readiness
from schemas.records import decode_alert
from schemas.topics import ALERTS, CHAT
from sinks.channel_queue import ChannelQueue
from sinks.commits import Commits
from sinks.deadletter import DeadLetters
from sinks.errors import plain_errors
from sinks.kafka import (
    close_within,
    group_consumer,
    started,
    within_stop,
)
from sinks.membership import Membership
from sinks.messages import message_of
from sinks.metrics import ChatMetrics
from sinks.progress import Progress
from sinks.receipts import Noted, Receipts
from sinks.rows import Letter
from sinks.settings import ChatSinkSettings

_log = structlog.get_logger(__name__)
_POLL_MS = 200
_RECORDS = 100


def group_of(settings: ChatSinkSettings, channel: str) -> str:
    """The consumer group of one channel."""
    return f"{settings.group}.{channel}"


class ChannelStage(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka ships no types
    """One channel: its consumer's loop, and its queue.

    ``letters`` is given to one of the channels only, which writes of what is no alert.
    """

    _consumer: AIOKafkaConsumer

    def __init__(  # noqa: PLR0917 -- the parts of one channel, made by one caller
        self,
        settings: ChatSinkSettings,
        queue: ChannelQueue,
        receipts: Receipts,
        letters: DeadLetters | None,
        metrics: ChatMetrics,
        readiness: Readiness,
    ) -> None:
        self._settings = settings
        self._queue = queue
        self._receipts = receipts
        self._letters = letters
        self._metrics = metrics
        self._readiness = readiness
        self._part = f"partitions {queue.name}"
        self._progress = Progress()
        self._held: frozenset[TopicPartition] = frozenset()
        self._prepared = False
        self._paused = False
        self._drained = False
        readiness.waiting(self._part, "starting")

    async def run(self, kafka: KafkaConnection, random: Random, stop: asyncio.Event) -> None:
        """Consume until ``stop``; then finish what is being sent, if the settings' time allows.

        Where the client of Kafka hangs, another takes its place. What is being sent goes on, and
        so do the other channels.
        """
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(self._queue.run())
            while not await self._served(kafka, random, stop, sending):
                self._readiness.waiting(self._part, "a client of Kafka is made anew")
                self._progress.drop(self._held)
                self._queue.leave(self._held)
                # a group that ends its tasks while another one does hides it from this one
                if sending.done() or _is_cancelled():
                    break
            await self._drain(sending)
            sending.cancel()

    async def _served(
        self,
        kafka: KafkaConnection,
        random: Random,
        stop: asyncio.Event,
        sending: asyncio.Task[None],
    ) -> bool:
        """Consume with one client until ``stop``; False where it hangs before."""
        group = group_of(self._settings, self._queue.name)
        consumer = await started(
            lambda kafka: group_consumer(
                kafka, group, session_timeout_ms=self._settings.session_timeout_ms
            ),
            kafka,
            topics=(ALERTS, CHAT),
            group=group,
            readiness=self._readiness,
            random=random,
            stop=stop,
        )
        if consumer is None:
            return True
        self._consumer = consumer
        self._commits = Commits(
            consumer,
            self._progress,
            every_ms=self._settings.commit_ms,
            readiness=self._readiness,
            part=f"commits {self._queue.name}",
        )
        self._membership = Membership(self._commits, self._readiness, channel=self._queue.name)
        try:
            consumer.subscribe(topics=[ALERTS], listener=self)
            with plain_errors():
                await self._work(kafka, group, stop, sending)
            await self._commits.once()
        except StuckClientError as exc:
            _log.warning("a client of kafka is made anew", channel=self._queue.name, why=str(exc))
            return False
        finally:
            await close_within(consumer)
        return True

    async def _work(
        self, kafka: KafkaConnection, group: str, stop: asyncio.Event, sending: asyncio.Task[None]
    ) -> None:
        session_ms = self._settings.session_timeout_ms
        async with asyncio.TaskGroup() as tasks:
            beside = [
                tasks.create_task(self._commits.for_ever()),
                tasks.create_task(self._membership.watch(kafka, group, session_ms=session_ms)),
            ]
            consuming = tasks.create_task(within_stop(self._consume_until(stop), stop))
            await stop.wait()
            await self._drain(sending)
            for task in beside:
                task.cancel()
            await consuming

    async def _drain(self, sending: asyncio.Task[None]) -> None:
        """Once, let what is being sent be finished, if the settings' time allows."""
        if not self._drained:
            self._drained = True
            self._queue.close()
            await asyncio.wait((sending,), timeout=self._settings.drain_s)

    async def _consume_until(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self._consume()

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Commit what is told, and forget the rest: its new owner reads and tells it."""
        self._membership.revoked()
        if revoked:
            self._readiness.waiting(self._part, "the group assigns the partitions anew")
            self._queue.leave(revoked)
            await self._commits.once()
        self._progress.drop(revoked)
        self._queue.leave(revoked)  # what was taken during the commit

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Receipts are read again first: another copy may have written some."""
        self._membership.assigned()
        self._held = frozenset(assigned)
        self._prepared = False
        self._paused = False
        self._readiness.working(self._part)
        _log.info("partitions assigned", channel=self._queue.name, count=len(assigned))

    async def _consume(self) -> None:
        """One turn: take what has come, or while too much waits only stay in the group."""
        if self._consumer.assignment() and not self._prepared:
            await self._prepare()
            return
        self._pause_or_resume()
        fetched = await self._consumer.getmany(timeout_ms=_POLL_MS, max_records=_RECORDS)
        generation = self._progress.generation
        for partition, records in fetched.items():
            for record in records:
                # What was fetched before the receipts were read comes again: `_prepare` seeks.
                if not self._prepared or self._progress.generation != generation:
                    return
                await self._take(partition, record.offset, record.value)

    async def _prepare(self) -> None:
        """Read the receipts and go to where the group stands, or on a first start to recently."""
        self._prepared = True  # a rebalance meanwhile takes it back
        noted = await self._receipts.read()
        if noted is None:
            self._prepared = False
            return
        ours = noted.get(self._queue.name, Noted())
        self._queue.taken |= ours.taken
        self._queue.begun |= ours.begun
        try:
            look_back_ms = round(self._settings.first_look_back_s * 1000)
            now_ms = time.time_ns() // 1_000_000
            await self._go_to_start(first_moment_ms(noted, self._queue.name, now_ms, look_back_ms))
        except KafkaError as exc:
            _log.warning("the place in the alerts cannot be asked", error=type(exc).__name__)
            self._prepared = False

    async def _go_to_start(self, since_ms: int) -> None:
        """Go to where the group stands, or where it has no place yet, to ``since_ms``."""
        partitions = self._consumer.assignment()
        # The ends first: an alert that comes between the two questions must not fall between them.
        ends = await self._consumer.end_offsets(partitions)
        recent = await self._consumer.offsets_for_times(dict.fromkeys(partitions, since_ms))
        first: dict[TopicPartition, int] = {}
        for partition in partitions:
            offset = await self._consumer.committed(partition)
            if offset is None:
                found = recent.get(partition)
                offset = first[partition] = found.offset if found else ends[partition]
            self._consumer.seek(partition, offset)
        if first:  # or else a crash now would make the next start the first one
            await self._consumer.commit(first)

    async def _take(self, partition: TopicPartition, offset: int, value: bytes | None) -> None:
        token = self._progress.begin(partition, offset)
        self._metrics.records.inc()
        message = None
        if value:
            try:
                message = message_of(decode_alert(value))
            except msgspec.DecodeError:
                if not await self._rejected(value):
                    return  # stopped: the token stays open, and the record is read again
        if message is not None:
            self._metrics.received.inc()
            self._queue.add(message, token, partition)
        token.done()

    async def _rejected(self, value: bytes) -> bool:
        if self._letters is None:
            return True  # another channel writes of it
        reason = Reason.NOT_A_RECORD
        if not await self._letters.write(ALERTS, [Letter(value, reason, EXPLAINED[reason])]):
            return False
        self._metrics.received.inc()
        self._metrics.rejected.inc()
        return True

    def _pause_or_resume(self) -> None:
        """Read nothing more while the channel's backlog is at its limit."""
        limit = self._settings.waiting_messages
        if not self._paused and len(self._queue) >= limit:
            self._consumer.pause(*self._consumer.assignment())
            self._paused = True
        elif self._paused and len(self._queue) <= limit // 2:
            self._consumer.resume(*self._consumer.assignment())
            self._paused = False


def first_moment_ms(
    noted: Mapping[str, Noted], channel: str, now_ms: int, look_back_ms: int
) -> int:
    """From when on alerts are told to a channel that has no place in them yet.

    One that has receipts: from before its last one on, as they tell what it has. A new one
    beside others (another token of the same chat): from the last message of any of them on.
    The very first one: ``look_back_ms`` before now.
    """
    ours = noted.get(channel, Noted()).newest_ms
    if ours is not None:
        return ours - look_back_ms
    newest = [one.newest_ms for one in noted.values() if one.newest_ms is not None]
    return max(newest) if newest else now_ms - look_back_ms


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
