"""The loop of the InfluxDB sink: consume, spread over the policies' writers, commit."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Collection
from random import Random

import structlog
from aiokafka import (
    AIOKafkaConsumer,
    ConsumerRebalanceListener,
    ConsumerRecord,
    TopicPartition,
)

from schemas.connections import KafkaConnection
from schemas.deadletters import Reason
from schemas.envelope import HEADER_BRIDGE, header
from schemas.measurements import DEFAULT_POLICY
from schemas.readiness import Readiness
from schemas.topics import DEAD_LETTERS, TELEMETRY
from sinks.backoff import Backoff
from sinks.chat_groups import ChatGroups
from sinks.commits import Commits
from sinks.contract import Sink, Trouble, Written
from sinks.deadletter import DeadLetters
from sinks.errors import plain_errors
from sinks.kafka import within_stop
from sinks.membership import Membership
from sinks.metrics import InfluxMetrics
from sinks.own_rows import OwnRows
from sinks.policy_writer import Chunk, policy_writers, topic_of
from sinks.progress import Progress
from sinks.recall import Recall, WrittenClocks
from sinks.rows import SOURCE_TOPICS, Letter, RowMaker
from sinks.settings import InfluxSinkSettings

_log = structlog.get_logger(__name__)
_PART = "influxdb"
_OWN = "pipeline"
_RECALL = "recall"
_PARTITIONS = "partitions"
_POLL_MS = 200
_TIDY_S = 10.0


class InfluxLoop(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka ships no types
    """The consumer's loop, a writer for each policy, and the rows about both."""

    def __init__(  # noqa: PLR0917  # called once, above
        self,
        settings: InfluxSinkSettings,
        consumer: AIOKafkaConsumer,
        chat: ChatGroups,
        sink: Sink,
        written: WrittenClocks,
        letters: DeadLetters,
        metrics: InfluxMetrics,
        readiness: Readiness,
        random: Random,
    ) -> None:
        self._settings = settings
        self._consumer = consumer
        self._letters = letters
        self._metrics = metrics
        self._readiness = readiness
        self._progress = Progress()
        self._commits = Commits(
            consumer, self._progress, every_ms=settings.commit_ms, readiness=readiness
        )
        self._membership = Membership(self._commits, readiness)
        self._maker = RowMaker(settings.remembered_clocks)
        self._counters = dict.fromkeys(("received", "accepted", "expired", "rejected"), 0)
        self._troubles: dict[str, str] = {}
        self._paused = False
        self._writers = policy_writers(
            sink, settings, random, settled=self._settled, troubled=self._troubled
        )
        self._recall = Recall(
            consumer,
            written,
            self._maker,
            self._progress,
            most=settings.remembered_clocks,
            backoff=Backoff(settings.backoff_first_s, settings.backoff_most_s, random),
            readiness=readiness,
            troubled=lambda trouble: self._waited_for(_RECALL, trouble),
        )
        self._own = OwnRows(
            settings,
            consumer,
            self._progress,
            chat,
            counters=self._counters,
            metrics=metrics,
            readiness=readiness,
            write=self._write_own,
            may_write=lambda: DEFAULT_POLICY not in self._troubles,
        )

    async def run(self, kafka: KafkaConnection, stop: asyncio.Event) -> None:
        """Consume until ``stop``; then drain for as long as the settings allow.

        Raises:
            StuckClientError: the consumer's client hangs; what is not committed comes again.
        """
        # dead letters are only counted
        self._consumer.subscribe(topics=[*SOURCE_TOPICS, DEAD_LETTERS], listener=self)
        with plain_errors():
            await self._work(kafka, stop)
        await self._commits.once()

    async def _work(self, kafka: KafkaConnection, stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as tasks:
            writing = [tasks.create_task(writer.run()) for writer in self._writers.values()]
            others = [
                tasks.create_task(work())
                for work in (
                    self._commits.for_ever,
                    self._own.vouch_for_ever,
                    self._own.report_for_ever,
                    _tidy_for_ever,
                )
            ]
            session_ms = self._settings.session_timeout_ms
            watching = self._membership.watch(kafka, self._settings.group, session_ms=session_ms)
            others.append(tasks.create_task(watching))
            await within_stop(self._consume_until(stop), stop)
            for writer in self._writers.values():
                writer.close()
            await asyncio.wait(writing, timeout=self._settings.drain_s)
            for task in (*writing, *others):
                task.cancel()

    async def _consume_until(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self._consume()

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Commit what is written, and forget the rest: its new owner reads it again."""
        self._membership.revoked()
        if revoked:
            self._readiness.waiting(_PARTITIONS, "the group assigns the partitions anew")
            await self._commits.once()
        self._progress.drop(revoked)
        self._own.drop(revoked)

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Begin where the group has committed; a pause begins anew, too."""
        self._membership.assigned()
        self._paused = False
        if assigned:
            self._readiness.waiting(_PARTITIONS, "what was written of wrong clocks is asked for")
        else:
            self._readiness.working(_PARTITIONS)
        _log.info("partitions assigned", count=len(assigned))

    async def _consume(self) -> None:
        """One turn: take what has come, or while too much waits only stay in the group."""
        self._pause_or_resume()
        if self._consumer.assignment():
            await self._recall.hour_before(time.time_ns() // 1_000_000)
            self._readiness.working(_PARTITIONS)
        fetched = await self._consumer.getmany(
            timeout_ms=_POLL_MS, max_records=self._settings.fetch_records
        )
        generation = self._progress.generation
        await self._recall.before(fetched)
        for partition, records in fetched.items():
            for record in records:
                if self._progress.generation != generation:
                    return
                await self._take(partition, record)

    async def _take(self, partition: TopicPartition, record: ConsumerRecord) -> None:
        topic = partition.topic
        token = self._progress.begin(partition, record.offset)
        self._metrics.records.labels(topic).inc()
        if topic == DEAD_LETTERS:
            self._own.letter(record)
            token.done()
            return
        made = self._maker.rows(topic, record.value, time.time_ns() // 1_000_000)
        if topic == TELEMETRY:
            if self._own.telemetry(partition, record):
                made.rx_us = made.event_ms = None
            if left := self._own.left(record):
                self._received(_OWN, len(left))
                self._writers[DEFAULT_POLICY].add(Chunk(left, _OWN, token))
        if made.progress is not None:
            self._own.worked(partition, record.offset, made.progress)
        self._received(topic, made.received)
        self._expired(made.expired)
        for policy, rows in made.by_policy.items():
            self._writers[policy].add(Chunk(rows, topic, token, made.rx_us, made.event_ms))
        if made.letters:
            bridge = header(record.headers, HEADER_BRIDGE)
            if not await self._letters.write(topic, made.letters, bridge):
                return  # stopped: the token stays open, and the record is read again
            self._rejected(made.letters)
        token.done()

    def _pause_or_resume(self) -> None:
        """Read nothing more above the limit of rows in memory, and again below half of it."""
        waiting = sum(writer.rows for writer in self._writers.values())
        self._metrics.waiting.set(waiting)
        limit = self._settings.waiting_lines
        if not self._paused and waiting > limit:
            self._consumer.pause(*self._consumer.assignment())
            self._paused = True
        elif self._paused and waiting <= limit // 2:
            self._consumer.resume(*self._consumer.assignment())
            self._paused = False

    async def _settled(self, policy: str, chunks: list[Chunk], written: Written) -> None:
        """A batch is written: its rejected lines become dead letters before its offsets go."""
        now_us = time.time_ns() // 1000
        for chunk in chunks:
            self._own.written(now_us, chunk.rx_us, chunk.event_ms)
        self._metrics.accepted.labels(policy).inc(written.accepted)
        self._counters["accepted"] += written.accepted
        self._expired(written.expired)
        for rejected in written.rejected:
            letter = Letter(rejected.line.encode(), Reason.REFUSED_BY_INFLUXDB, rejected.reason)
            if not await self._letters.write(topic_of(rejected, chunks), [letter]):
                for chunk in chunks:  # stopped: held open, so that they are read again
                    if chunk.token:
                        chunk.token.more()
                return
            self._rejected([letter])

    def _write_own(self, rows: list[str]) -> None:
        self._received(_OWN, len(rows))
        self._writers[DEFAULT_POLICY].add(Chunk(rows, _OWN))

    def _received(self, topic: str, rows: int) -> None:
        self._metrics.received.labels(topic).inc(rows)
        self._counters["received"] += rows

    def _expired(self, rows: int) -> None:
        if rows:
            self._metrics.expired.inc(rows)
            self._counters["expired"] += rows

    def _rejected(self, letters: list[Letter]) -> None:
        for letter in letters:
            self._metrics.rejected.labels(letter.reason.value).inc()
        self._counters["rejected"] += len(letters)

    def _troubled(self, policy: str, trouble: Trouble | None) -> None:
        if trouble:
            self._metrics.retries.labels(policy).inc()
        self._waited_for(policy, trouble)

    def _waited_for(self, what: str, trouble: Trouble | None) -> None:
        """Say once what InfluxDB is waited for; ready again when nothing has trouble."""
        if trouble is None:
            if self._troubles.pop(what, None) and not self._troubles:
                _log.info("influxdb takes rows again")
                self._readiness.working(_PART)
            return
        if trouble.reason not in self._troubles.values():
            _log.warning("influxdb does not take rows; they wait", reason=trouble.reason)
        self._troubles[what] = trouble.reason
        self._readiness.waiting(_PART, trouble.reason)


async def _tidy_for_ever() -> None:
    """Look for garbage every few seconds.

    aiokafka leaves what it has fetched behind in rings, up to 4 MiB each, which only the garbage
    collector finds; by itself it comes too rarely for that, as nothing else here needs it.
    """
    while True:
        await asyncio.sleep(_TIDY_S)
        gc.collect()
