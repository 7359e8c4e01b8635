"""``qala.chat.v1``: which messages each chat channel has taken, kept in Kafka."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from random import Random

import msgspec
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from schemas.connections import KafkaConnection
from schemas.readiness import Readiness
from schemas.records import ChatReceipt, decode_receipt, encode
from schemas.topics import CHAT
from sinks.backoff import Backoff
from sinks.errors import SinkError
from sinks.kafka import read_compacted, wait_or_stop, within_stop
from sinks.messages import Message

_log = structlog.get_logger(__name__)
_PART = "receipts"


@dataclass(slots=True)
class Noted:
    """Ids of messages that a channel has taken, and of those that it may have taken.

    ``newest_ms`` is when the last of them was, by the sink's clock; None where there is none.
    """

    taken: set[str] = field(default_factory=set)
    begun: set[str] = field(default_factory=set)
    newest_ms: int | None = None


class Receipts:
    """Reads and writes the receipts; waits for Kafka until ``stop`` is set."""

    def __init__(
        self,
        kafka: KafkaConnection,
        sender: AIOKafkaProducer,
        *,
        readiness: Readiness,
        random: Random,
        stop: asyncio.Event,
    ) -> None:
        self._kafka = kafka
        self._sender = sender
        self._readiness = readiness
        self._stop = stop
        self._backoff = Backoff(0.2, 5.0, random)

    async def read(self) -> dict[str, Noted] | None:
        """What is noted of each channel; None, after a wait, where it can't be read now."""
        try:
            records = await read_compacted(self._kafka, CHAT)
        except (KafkaError, SinkError) as exc:
            reason = str(exc) if isinstance(exc, SinkError) else type(exc).__name__
            self._readiness.waiting(_PART, f"receipts of chats cannot be read: {reason}")
            await wait_or_stop(self._stop, self._backoff.wait_s())
            return None
        self._backoff.reset()
        self._readiness.working(_PART)
        noted: dict[str, Noted] = {}
        for record in records.values():
            try:
                receipt = decode_receipt(record.value)
            except msgspec.DecodeError:
                _log.warning("a chat receipt cannot be read", offset=record.offset)
                continue
            one = noted.setdefault(receipt.channel, Noted())
            (one.taken if receipt.taken else one.begun).add(receipt.message)
            one.newest_ms = max(one.newest_ms or 0, receipt.at)
        return noted

    async def write(self, channel: str, message: Message, *, taken: bool) -> bool:
        """Record that ``channel`` has ``taken`` a message, or that it is sent to it now.

        False where it was stopped before.
        """
        receipt = ChatReceipt(
            channel=channel,
            message=message.id,
            alert=message.alert,
            state=message.state,
            at=time.time_ns() // 1_000_000,
            taken=taken,
        )
        key = f"{channel}/{message.id}".encode()
        while True:
            try:
                sending = self._sender.send_and_wait(CHAT, encode(receipt), key=key)
                written = await within_stop(sending, self._stop)
            except KafkaError as exc:
                reason = f"Kafka does not take receipts of chats ({type(exc).__name__})"
                self._readiness.waiting(_PART, reason)
                await wait_or_stop(self._stop, self._backoff.wait_s())
                if self._stop.is_set():
                    return False
            else:
                if written is None:
                    return False
                self._backoff.reset()
                self._readiness.working(_PART)
                return True
