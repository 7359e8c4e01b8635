"""Writes what cannot become a row to ``qala.dead-letters.v1``."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Sequence
from random import Random
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from schemas import deadletters
from schemas.readiness import Readiness
from schemas.topics import DEAD_LETTERS
from sinks.backoff import Backoff
from sinks.kafka import wait_or_stop, within_stop
from sinks.rows import Letter

_log = structlog.get_logger(__name__)
_PART = "dead letters"


class DeadLetters:
    """Appends dead letters with acks=all; waits for Kafka until ``stop`` is set.

    ``writer`` is the header ``bridge`` of a letter whose record named no bridge.
    """

    def __init__(
        self,
        producer: AIOKafkaProducer,
        *,
        writer: str,
        readiness: Readiness,
        random: Random,
        stop: asyncio.Event,
    ) -> None:
        self._producer = producer
        self._writer = writer
        self._readiness = readiness
        self._random = random
        self._stop = stop

    async def write(self, topic: str, letters: Sequence[Letter], bridge: str | None = None) -> bool:
        """Whether all ``letters`` of the record's ``topic`` are durable in Kafka.

        False only once ``stop`` is set: the record must not be committed then, so that it is
        read again.
        """
        waiting = [
            (_cut(letter.value), _headers(topic, letter, bridge or self._writer))
            for letter in letters
        ]
        backoff = Backoff(0.2, 10.0, self._random)
        for value, headers in waiting:
            while not await self._sent(value, headers):
                await wait_or_stop(self._stop, backoff.wait_s())
                if self._stop.is_set():
                    return False
            backoff.reset()
        return True

    async def _sent(self, value: bytes, headers: list[tuple[str, bytes]]) -> bool:
        try:
            sending = self._producer.send_and_wait(DEAD_LETTERS, value, headers=headers)
            if await within_stop(sending, self._stop) is None:
                return False
        except KafkaError as exc:
            _log.warning("kafka does not take a dead letter", error=type(exc).__name__)
            self._readiness.waiting(
                _PART, f"Kafka does not take dead letters ({type(exc).__name__})"
            )
            return False
        self._readiness.working(_PART)
        return True


def _cut(value: bytes) -> bytes:
    return value[: deadletters.MAX_LETTER_BYTES]


def _headers(topic: str, letter: Letter, bridge: str) -> list[tuple[str, bytes]]:
    told: dict[str, Any] = {
        deadletters.HEADER_TOPIC: topic,
        deadletters.HEADER_RX: time.time_ns() // 1000,
        deadletters.HEADER_REASON: letter.reason.value,
        deadletters.HEADER_DETAIL: letter.detail,
        deadletters.HEADER_BRIDGE: bridge,
    }
    if len(letter.value) > deadletters.MAX_LETTER_BYTES:
        told[deadletters.HEADER_SIZE] = len(letter.value)
        told[deadletters.HEADER_SHA256] = hashlib.sha256(letter.value).hexdigest()
    return [(name, str(value).encode()) for name, value in told.items()]
