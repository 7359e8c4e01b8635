"""``qala sink chat``: firing and resolved alerts are told once in every channel."""

from __future__ import annotations

import asyncio
from random import Random

import structlog
from prometheus_client import CollectorRegistry

from schemas.connections import KafkaConnection
from schemas.kafka_watch import watched_kafka
from schemas.readiness import Readiness
from schemas.topics import CHAT, DEAD_LETTERS
from sinks.backoff import Backoff
from sinks.channel_queue import ChannelQueue
from sinks.channel_stage import ChannelStage
from sinks.chat import channels_of
from sinks.deadletter import DeadLetters
from sinks.errors import plain_errors
from sinks.kafka import (
    close_within,
    producer,
    started,
)
from sinks.metrics import ChatMetrics
from sinks.receipts import Receipts
from sinks.settings import ChatSinkSettings

_log = structlog.get_logger(__name__)


async def run_chat_sink(
    settings: ChatSinkSettings,
    *,
    kafka: KafkaConnection,
    readiness: Readiness,
    registry: CollectorRegistry,
    stop: asyncio.Event,
) -> None:
    """Tell alerts until ``stop`` is set; then what is being sent is finished, and it ends.

    Each channel reads the alerts by itself, in a consumer group of its own, so that one that is
    away for days holds back no other.

    Where a channel begins: at its group's committed offsets. On the sink's very first start there
    are none; then the alerts of the last ``settings.first_look_back_s`` are told and older ones are
    not, so that 90 days of a topic don't flood a chat; a further channel begins where the others
    are. From then on nothing is left out: after an outage of days, what fired and resolved
    meanwhile is told, in its order.

    Raises:
        ChatUrlError: a URL is not one of Apprise's.
        ServerRefusedError: Kafka does not let the sink in.
    """
    random = Random()  # noqa: S311  # jitter, no secret
    channels = channels_of(settings)
    metrics = ChatMetrics(registry)
    for channel in channels:
        metrics.serves(channel.name)
    readiness.waiting("kafka", "starting")
    sender = await started(
        producer,
        kafka,
        topics=(CHAT, DEAD_LETTERS),
        readiness=readiness,
        random=random,
        stop=stop,
    )
    if sender is None:
        return
    receipts = Receipts(kafka, sender, readiness=readiness, random=random, stop=stop)
    letters = DeadLetters(
        sender, writer=settings.instance, readiness=readiness, random=random, stop=stop
    )
    stages = [
        ChannelStage(
            settings,
            ChannelQueue(
                channel,
                backoff=Backoff(settings.backoff_first_s, settings.backoff_most_s, random),
                metrics=metrics,
                readiness=readiness,
                note=receipts.write,
            ),
            receipts,
            letters if channel is channels[0] else None,
            metrics,
            readiness,
        )
        for channel in channels
    ]
    _log.info("alerts are told", channels=[channel.name for channel in channels])
    try:
        with plain_errors():
            async with watched_kafka(kafka, readiness), asyncio.TaskGroup() as tasks:
                for stage in stages:
                    tasks.create_task(stage.run(kafka, random, stop))
    finally:
        await close_within(sender)
