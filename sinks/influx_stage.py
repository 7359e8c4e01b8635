"""``qala sink influx``: what Kafka holds becomes rows in InfluxDB, and then is committed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random

import structlog
from aiokafka import AIOKafkaConsumer
from prometheus_client import CollectorRegistry

from schemas.connections import InfluxConnection, KafkaConnection
from schemas.errors import StuckClientError
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

    Where the client of Kafka hangs, another takes its place, and reads again what was not
    committed.

    Raises:
        UnsupportedInfluxError: the server is older than InfluxDB 1.8, or not InfluxDB.
        InfluxRefusedError: InfluxDB does not let the sink in.
        ServerRefusedError: Kafka does not.
    """
    random = Random()  # noqa: S311  # jitter, no secret
    sink = InfluxSink(influx, timeout_s=settings.write_timeout_s)
    letters_producer = None
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
        if letters_producer is None:
            return
        letters = DeadLetters(
            letters_producer,
            writer=settings.instance,
            readiness=readiness,
            random=random,
            stop=stop,
        )
        metrics = InfluxMetrics(registry)
        written = InfluxClocks(influx, sink)

        def new_loop(consumer: AIOKafkaConsumer, chat: ChatGroups) -> InfluxLoop:
            return InfluxLoop(
                settings, consumer, chat, sink, written, letters, metrics, readiness, random
            )

        async with watched_kafka(kafka, readiness):
            while not await _served(new_loop, settings, kafka, readiness, random, stop):
                readiness.waiting("partitions", "a client of Kafka is made anew")
    finally:
        await close_within(letters_producer)
        await sink.close()


async def _served(  # noqa: PLR0917 -- what a loop is made of, by one caller
    new_loop: Callable[[AIOKafkaConsumer, ChatGroups], InfluxLoop],
    settings: InfluxSinkSettings,
    kafka: KafkaConnection,
    readiness: Readiness,
    random: Random,
    stop: asyncio.Event,
) -> bool:
    """Consume with one client until ``stop``; False where it hangs before."""
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
    if consumer is None:
        return True
    chat = ChatGroups(kafka, consumer, settings.chat_group)
    readiness.working(_PART)  # a loop takes back only what it has said itself
    try:
        await new_loop(consumer, chat).run(kafka, stop)
    except StuckClientError as exc:
        _log.warning("a client of kafka is made anew", why=str(exc))
        return False
    finally:
        await close_within(consumer)
        await chat.close()
    return True


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
