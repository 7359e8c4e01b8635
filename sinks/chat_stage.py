"""``qala sink chat``: firing and resolved alerts are told once in every channel."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from random import Random

import msgspec
import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError
from prometheus_client import CollectorRegistry

from schemas.connections import KafkaConnection
from schemas.deadletters import EXPLAINED, Reason
from schemas.readiness import Readiness
from schemas.records import decode_alert
from schemas.topics import ALERTS, CHAT, DEAD_LETTERS
from sinks.backoff import Backoff
from sinks.channel_queue import ChannelQueue
from sinks.chat import channels_of
from sinks.deadletter import DeadLetters
from sinks.errors import plain_errors
from sinks.kafka import (
    close_within,
    committed,
    group_consumer,
    producer,
    started,
    within_stop,
)
from sinks.messages import message_of
from sinks.metrics import ChatMetrics
from sinks.progress import Progress
from sinks.receipts import Receipts
from sinks.rows import Letter
from sinks.settings import ChatSinkSettings

_log = structlog.get_logger(__name__)
_POLL_MS = 200
_RECORDS = 100


async def run_chat_sink(
    settings: ChatSinkSettings,
    *,
    kafka: KafkaConnection,
    readiness: Readiness,
    registry: CollectorRegistry,
    stop: asyncio.Event,
) -> None:
    """Tell alerts until ``stop`` is set; then what is being sent is finished, and it ends.

    Where it begins: at the group's committed offsets. On the very first start there are none;
    then the alerts of the last ``settings.first_look_back_s`` are told and older ones are not,
    so that 90 days of a topic don't flood a chat. From then on nothing is left out: after an
    outage of days, what fired and resolved meanwhile is told, in its order.

    Raises:
        ChatUrlError: a URL is not one of Apprise's.
        ServerRefusedError: Kafka does not let the sink in.
    """
    random = Random()  # noqa: S311  # jitter, no secret
    channels = channels_of(settings)
    metrics = ChatMetrics(registry)
    for part in ("kafka", "partitions", "receipts"):
        readiness.waiting(part, "starting")
    sender = consumer = None
    try:
        sender = await started(
            producer,
            kafka,
            topics=(CHAT, DEAD_LETTERS),
            readiness=readiness,
            random=random,
            stop=stop,
        )
        consumer = await started(
            lambda kafka: group_consumer(
                kafka, settings.group, session_timeout_ms=settings.session_timeout_ms
            ),
            kafka,
            topics=(ALERTS, CHAT),
            group=settings.group,
            readiness=readiness,
            random=random,
            stop=stop,
        )
        if sender is None or consumer is None:
            return
        receipts = Receipts(kafka, sender, readiness=readiness, random=random, stop=stop)
        queues = [
            ChannelQueue(
                channel,
                backoff=Backoff(settings.backoff_first_s, settings.backoff_most_s, random),
                metrics=metrics,
                readiness=readiness,
                took=receipts.write,
            )
            for channel in channels
        ]
        letters = DeadLetters(
            sender, writer=settings.instance, readiness=readiness, random=random, stop=stop
        )
        stage = _ChatStage(settings, consumer, queues, receipts, letters, metrics, readiness)
        _log.info("alerts are told", channels=[queue.name for queue in queues])
        await stage.run(stop)
    finally:
        await asyncio.gather(close_within(consumer), close_within(sender))


class _ChatStage(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka ships no types
    """The consumer's loop, and a queue for each channel."""

    def __init__(  # noqa: PLR0917  # called once, above
        self,
        settings: ChatSinkSettings,
        consumer: AIOKafkaConsumer,
        queues: list[ChannelQueue],
        receipts: Receipts,
        letters: DeadLetters,
        metrics: ChatMetrics,
        readiness: Readiness,
    ) -> None:
        self._settings = settings
        self._consumer = consumer
        self._queues = queues
        self._receipts = receipts
        self._letters = letters
        self._metrics = metrics
        self._readiness = readiness
        self._progress = Progress()
        self._prepared = False
        self._paused = False

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until ``stop``; then finish what is being sent, if the settings' time allows."""
        self._consumer.subscribe(topics=[ALERTS], listener=self)
        with plain_errors():
            await self._work(stop)
        await self._commit()

    async def _work(self, stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as tasks:
            sending = [tasks.create_task(queue.run()) for queue in self._queues]
            committing = tasks.create_task(self._commit_for_ever())
            consuming = tasks.create_task(within_stop(self._consume_until(stop), stop))
            await stop.wait()
            for queue in self._queues:
                queue.close()
            await asyncio.wait(sending, timeout=self._settings.drain_s)
            for task in (*sending, committing):
                task.cancel()
            await consuming

    async def _consume_until(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self._consume()

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Commit what is told, and forget the rest: its new owner reads and tells it."""
        if revoked:
            self._leave(revoked)
            await self._commit()
        self._progress.drop(revoked)
        self._leave(revoked)  # what was taken during the commit

    def _leave(self, partitions: Collection[TopicPartition]) -> None:
        for queue in self._queues:
            queue.leave(partitions)

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Receipts are read again first: another copy may have written some."""
        self._prepared = False
        self._paused = False
        self._readiness.working("partitions")
        if not assigned:  # more copies than partitions: nothing to read receipts for
            self._readiness.working("receipts")
        _log.info("partitions assigned", count=len(assigned))

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
        taken = await self._receipts.read()
        if taken is None:
            self._prepared = False
            return
        for queue in self._queues:
            queue.taken |= taken.get(queue.name, set())
        try:
            await self._go_to_start()
        except KafkaError as exc:
            _log.warning("the place in the alerts cannot be asked", error=type(exc).__name__)
            self._prepared = False

    async def _go_to_start(self) -> None:
        since_ms = time.time_ns() // 1_000_000 - round(self._settings.first_look_back_s * 1000)
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
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                reason = Reason.NOT_A_RECORD
                letter = Letter(value, reason, EXPLAINED[reason])
                if not await self._letters.write(ALERTS, [letter]):
                    return  # stopped: the token stays open, and the record is read again
                self._metrics.received.inc()
                self._metrics.rejected.inc()
        if message is not None:
            for queue in self._queues:
                self._metrics.received.inc()
                queue.add(message, token, partition)
        token.done()

    def _pause_or_resume(self) -> None:
        """Read nothing more while a channel's backlog is at its limit."""
        longest = max(len(queue) for queue in self._queues)
        limit = self._settings.waiting_messages
        if not self._paused and longest >= limit:
            self._consumer.pause(*self._consumer.assignment())
            self._paused = True
        elif self._paused and longest <= limit // 2:
            self._consumer.resume(*self._consumer.assignment())
            self._paused = False

    async def _commit_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._settings.commit_ms / 1000)
            await self._commit()

    async def _commit(self) -> None:
        ours = self._consumer.assignment()
        ready = {p: offset for p, offset in self._progress.committable().items() if p in ours}
        if ready and await committed(
            lambda: self._consumer.commit(ready), readiness=self._readiness
        ):
            self._progress.committed(ready)
