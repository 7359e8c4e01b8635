"""What Kafka knows of ``qala sink chat``: who serves each channel, and what waits for it.

The chat sink has no way to InfluxDB, and when it is dead it can't say so. Its consumer groups
can, one for each channel: how many members each has, and how far it has committed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping
from typing import NamedTuple

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from schemas.connections import KafkaConnection
from schemas.kafka_groups import described
from schemas.lineprotocol import pipeline_row
from schemas.topics import ALERTS
from sinks.settings import FILE_CHANNEL

_log = structlog.get_logger(__name__)
_ASK_S = 5.0
_LASTING = 3
"""Questions in a row without an answer from which on it is said; fewer are a restart of Kafka."""
_TAGS = {"stage": "sink-chat"}


class Channel(NamedTuple):
    """One chat channel: its name, copies that serve it, and alert records that wait for it."""

    name: str
    members: int
    lag: int


class ChatGroups:
    """Asks Kafka for the groups whose names begin with ``prefix`` and a dot."""

    def __init__(self, kafka: KafkaConnection, consumer: AIOKafkaConsumer, prefix: str) -> None:
        """``consumer`` is asked for the ends of the alerts."""
        self._kafka = kafka
        self._consumer = consumer
        self._prefix = f"{prefix}."
        self._admin: AIOKafkaAdminClient | None = None
        self._unanswered = 0
        self._trouble: str | None = None

    @property
    def trouble(self) -> str | None:
        """Why there have been no rows for a while; None where there are some."""
        return self._trouble

    async def rows(self) -> list[str]:
        """``pipeline`` rows of now; none where Kafka doesn't say it, so that nothing is claimed."""
        try:
            async with asyncio.timeout(_ASK_S):
                channels = await self._channels()
        except (KafkaError, TimeoutError, OSError) as exc:
            self._failed(type(exc).__name__)
            await self.close()
            return []
        self._unanswered, self._trouble = 0, None
        return rows_of(in_use(channels), time.time_ns())

    async def close(self) -> None:
        """Leave Kafka; asked again, it connects again."""
        admin, self._admin = self._admin, None
        if admin is not None:
            await admin.close()

    def _failed(self, error: str) -> None:
        self._unanswered += 1
        if self._unanswered < _LASTING:
            _log.debug("kafka does not say who serves the chats", error=error)
            return
        if self._trouble is None:
            _log.warning("kafka does not say who serves the chats", error=error)
        self._trouble = (
            f"Kafka does not say who serves the chats ({error}): `chat behind` can't be judged"
        )

    async def _channels(self) -> list[Channel]:
        admin = await self._connected()
        known = await admin.list_consumer_groups()
        groups = sorted(name for name, *_ in known if name.startswith(self._prefix))
        found = []
        for group in groups:
            committed = {
                partition: place.offset
                for partition, place in (await admin.list_consumer_group_offsets(group)).items()
                if partition.topic == ALERTS and place.offset >= 0
            }
            ends = await self._consumer.end_offsets(list(committed)) if committed else {}
            members = len((await described(admin, group)).members)
            found.append(
                Channel(group.removeprefix(self._prefix), members, lag_of(committed, ends))
            )
        return found

    async def _connected(self) -> AIOKafkaAdminClient:
        if self._admin is None:
            admin = AIOKafkaAdminClient(**self._kafka.client_args())
            try:
                await admin.start()
            except BaseException:
                await admin.close()
                raise
            self._admin = admin
        return self._admin


def in_use(channels: Collection[Channel]) -> list[Channel]:
    """All but the file that was written before there was a messenger.

    Kafka knows its group for days after that. Of any other channel that nobody serves it can't be
    told whether it was given up or is missed.
    """
    messenger = any(channel.name != FILE_CHANNEL for channel in channels)
    return [one for one in channels if one.members or one.name != FILE_CHANNEL or not messenger]


def lag_of(committed: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]) -> int:
    """Records of all partitions from what is committed to their ends."""
    return sum(max(0, ends[partition] - offset) for partition, offset in committed.items())


def rows_of(channels: Collection[Channel], now_ns: int) -> list[str]:
    """A row for each channel, and one that says how many there are, of which there may be none."""
    rows = [
        pipeline_row(
            _TAGS | {"channel": channel.name},
            {"members": channel.members, "lag": channel.lag},
            now_ns,
        )
        for channel in channels
    ]
    return [*rows, pipeline_row(_TAGS, {"channels": len(channels)}, now_ns)]
