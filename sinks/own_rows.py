"""The ``pipeline`` rows of the InfluxDB sink: its report, and how far each partition has come."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from schemas.deadletters import HEADER_REASON, REPLAY_BRIDGE, is_replay_mark
from schemas.envelope import HEADER_BRIDGE, HEADER_LEFT, header, speed_in
from schemas.readiness import Readiness
from schemas.records import WorkerProgress
from schemas.topics import TELEMETRY
from sinks.chat_groups import ChatGroups
from sinks.liveness import Liveness
from sinks.metrics import InfluxMetrics
from sinks.pipeline import PipelineReport
from sinks.places import Places
from sinks.progress import Progress
from sinks.rows import SOURCE_TOPICS
from sinks.settings import InfluxSinkSettings

_log = structlog.get_logger(__name__)
_ASK_S = 5.0


class OwnRows:
    """Listens to what the loop reads, and writes rows about it.

    ``write`` takes rows of the policy ``raw``; ``may_write`` says whether that makes sense now:
    while InfluxDB is away, only what was read from Kafka may wait for it. ``counters`` are the
    loop's own.
    """

    def __init__(
        self,
        settings: InfluxSinkSettings,
        consumer: AIOKafkaConsumer,
        progress: Progress,
        chat: ChatGroups,
        *,
        counters: Mapping[str, float],
        metrics: InfluxMetrics,
        readiness: Readiness,
        write: Callable[[list[str]], None],
        may_write: Callable[[], bool],
    ) -> None:
        self._settings = settings
        self._consumer = consumer
        self._progress = progress
        self._counters = counters
        self._metrics = metrics
        self._readiness = readiness
        self._write = write
        self._may_write = may_write
        self._chat = chat
        self._places = Places(consumer, progress)
        self._liveness = Liveness()
        self._report = PipelineReport(settings.instance, time.time_ns())

    def telemetry(self, partition: TopicPartition, record: ConsumerRecord) -> bool:
        """An envelope or a tick was read; whether its times say nothing of our pace.

        Those of a simulated clock don't, nor those of a replay, whose receive times are old, nor
        the last word of a bridge that is not there any more.
        """
        bridge = header(record.headers, HEADER_BRIDGE)
        speed = speed_in(record.headers)
        if record.value:
            self._report.envelope(bridge, record.value.count(b"\n"), len(record.value))
            return speed is not None or bridge == REPLAY_BRIDGE
        if header(record.headers, HEADER_LEFT) is not None:
            return True
        if speed is None:
            self._report.tick(bridge, record.timestamp)
        numbers = self._consumer.partitions_for_topic(TELEMETRY)
        if numbers:
            self._liveness.ticked(
                partition,
                record.offset,
                record.timestamp,
                partitions=len(numbers),
                speed=speed or 1.0,
            )
        return speed is not None

    def left(self, record: ConsumerRecord) -> list[str]:
        """The row of what may be a bridge's last tick; it is to be written before its offset goes.

        By the next report we may be gone, and who goes on does not read it again.
        """
        if record.value or header(record.headers, HEADER_LEFT) is None:
            return []
        bridge = header(record.headers, HEADER_BRIDGE)
        return [self._report.left(bridge, record.timestamp, time.time_ns())]

    def letter(self, record: ConsumerRecord) -> None:
        """A dead letter was read; its bytes are left alone. The mark of a replay is none."""
        headers = record.headers
        if is_replay_mark(headers):
            return
        self._report.letter(header(headers, HEADER_REASON), header(headers, HEADER_BRIDGE))

    def worked(self, partition: TopicPartition, offset: int, progress: WorkerProgress) -> None:
        """The worker's progress was read."""
        self._liveness.worked(partition, offset, progress)

    def written(self, now_us: int, rx_us: int | None, event_ms: int | None) -> None:
        """The rows of an envelope are in InfluxDB; times that say nothing are None."""
        if rx_us is not None:
            delay_s = (now_us - rx_us) / 1e6
            self._report.delay(delay_s)
            self._metrics.delay.observe(delay_s)
        if event_ms is not None:
            self._report.age(now_us / 1e6 - event_ms / 1e3)

    def drop(self, partitions: Collection[TopicPartition]) -> None:
        """The partitions are no longer ours."""
        self._liveness.drop(partitions)
        if any(partition.topic == TELEMETRY for partition in partitions):
            self._report.forget_ticks()

    async def vouch_for_ever(self) -> None:
        """Look as often as for commits how far partitions have come, and write it."""
        while True:
            await asyncio.sleep(self._settings.commit_ms / 1000)
            try:
                async with asyncio.timeout(_ASK_S):
                    await self._vouch()
            except (KafkaError, TimeoutError) as exc:
                # what is held stays held; that Kafka is away is said where the lag is asked for
                _log.debug("kafka does not say how far it is", error=type(exc).__name__)

    async def _vouch(self) -> None:
        asked = self._liveness.unanswered()
        ends = await self._places.ends({other for held in asked for other in held.others})
        for held in asked:
            held.ends = {other: ends[other] for other in held.others}
        wanted = self._liveness.wanted(self._progress.next_offsets())
        done = await self._places.done(wanted)
        if self._may_write():
            rows = self._liveness.released(done, time.time_ns() // 1_000_000)
            if rows:
                self._write(rows)

    async def report_for_ever(self) -> None:
        """Every few seconds ask for the lag, and write the report."""
        while True:
            await asyncio.sleep(self._settings.pipeline_s)
            lag = await self._lag()
            for topic, count in lag.items():
                self._metrics.lag.labels(topic).set(count)
            chat = await self._chat.rows()
            self._readiness.note("chat", self._chat.trouble)
            if self._may_write():
                self._write(self._report.rows(time.time_ns(), self._counters, lag) + chat)

    async def _lag(self) -> dict[str, int]:
        try:
            lag = await self._places.lag(SOURCE_TOPICS)
        except KafkaError as exc:
            self._readiness.waiting("kafka", f"Kafka does not answer ({type(exc).__name__})")
            return {}
        self._readiness.working("kafka")
        return lag
