"""``qala sink influx``: what Kafka holds becomes rows in InfluxDB, and then is committed."""

from __future__ import annotations

import asyncio
from random import Random

import structlog
from prometheus_client import CollectorRegistry

from schemas.connections import InfluxConnection, KafkaConnection
from schemas.kafka_watch import watched_kafka
from schemas.readiness import Readiness
from schemas.topics import DEAD_LETTERS
from sinks.backoff import Backoff
from sinks.chat_groups import ChatGroups
from sinks.deadletter import DeadLetters
from sinks.errors import InfluxRefusedError
from sinks.influx import InfluxSink
from sinks.influx_clocks import InfluxClocks
from sinks.influx_loop import InfluxLoop
from sinks.kafka import close_within, group_consumer, producer, started, wait_or_stop
from sinks.metrics import InfluxMetrics
from sinks.rows import SOURCE_TOPICS
from sinks.settings import InfluxSinkSettings

_log = structlog.get_logger(__name__)
_PART = "influxdb"


async def run_influx_sink(
    settings: InfluxSinkSettings,
    *,
    kafka: KafkaConnection,
    influx: InfluxConnection,
    readiness: Readiness,
    registry: CollectorRegistry,
    stop: asyncio.Event,
) -> None:
    """Write rows until ``stop`` is set; then what was read is written, committed, and it ends.

    Raises:
        UnsupportedInfluxError: the server is older than InfluxDB 1.8, or not InfluxDB.
        InfluxRefusedError: InfluxDB does not let the sink in.
        ServerRefusedError: Kafka does not.
    """
    random = Random()  # noqa: S311  # jitter, no secret
    sink = InfluxSink(influx, timeout_s=settings.write_timeout_s)
    letters_producer = consumer = chat = None
    for part in (_PART, "kafka", "partitions"):
        readiness.waiting(part, "starting")
    try:
        if not await _influx_answers(sink, settings, readiness, random, stop):
            return
        letters_producer = await started(
            producer,
            kafka,
            topics=(DEAD_LETTERS,),
            readiness=readiness,
            random=random,
            stop=stop,
        )
        consumer = await started(
            lambda kafka: group_consumer(
                kafka,
                settings.group,
                session_timeout_ms=settings.session_timeout_ms,
                fetch_min_bytes=settings.fetch_min_bytes,
                fetch_wait_ms=settings.fetch_wait_ms,
            ),
            kafka,
            topics=SOURCE_TOPICS,
            group=settings.group,
            readiness=readiness,
            random=random,
            stop=stop,
        )
        if letters_producer is None or consumer is None:
            return
        letters = DeadLetters(
            letters_producer,
            writer=settings.instance,
            readiness=readiness,
            random=random,
            stop=stop,
        )
        metrics = InfluxMetrics(registry)
        chat = ChatGroups(kafka, consumer, settings.chat_group)
        written = InfluxClocks(influx, sink)
        loop = InfluxLoop(
            settings, consumer, chat, sink, written, letters, metrics, readiness, random
        )
        async with watched_kafka(kafka, readiness):
            await loop.run(stop)
    finally:
        await asyncio.gather(close_within(consumer), close_within(letters_producer))
        if chat is not None:
            await chat.close()
        await sink.close()


async def _influx_answers(
    sink: InfluxSink,
    settings: InfluxSinkSettings,
    readiness: Readiness,
    random: Random,
    stop: asyncio.Event,
) -> bool:
    """Wait for InfluxDB to say which version it is; False where ``stop`` was set first."""
    backoff = Backoff(settings.backoff_first_s, settings.backoff_most_s, random)
    told = None
    while not stop.is_set():
        answer = await sink.version()
        if isinstance(answer, str):
            trouble = await sink.refusal()
            if trouble is None:
                _log.info("influxdb answers", version=answer, tested=not answer.startswith("3."))
                readiness.working(_PART)
                return True
            answer = trouble
        if answer.final:
            raise InfluxRefusedError(answer.reason)
        if answer.reason != told:
            _log.warning("influxdb is waited for", reason=answer.reason)
            told = answer.reason
        readiness.waiting(_PART, answer.reason)
        await wait_or_stop(stop, backoff.wait_s(answer.retry_after_s))
    return False
