"""Whether Kafka answers, asked all the time beside a stage's work.

aiokafka's clients wait for an absent Kafka without a word, and one that has nothing to send or to
commit does not notice: a stage that only reads would call itself ready while it hears nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import structlog

from schemas.connections import KafkaConnection
from schemas.errors import ServerAccessError
from schemas.kafka_access import knock
from schemas.readiness import Readiness

EVERY_S: Final = 3.0
ANSWER_S: Final = 5.0
PART: Final = "kafka server"

_log = structlog.get_logger(__name__)


@asynccontextmanager
async def watched_kafka(
    kafka: KafkaConnection, readiness: Readiness, *, every_s: float = EVERY_S
) -> AsyncIterator[None]:
    """While the context lasts, ``readiness`` says where Kafka gives no answer, and why."""
    watching = asyncio.create_task(_watch(kafka, readiness, every_s))
    try:
        yield
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def _watch(kafka: KafkaConnection, readiness: Readiness, every_s: float) -> None:
    told = None
    while True:
        await asyncio.sleep(every_s)
        try:
            await knock(kafka, timeout_s=ANSWER_S)
        except ServerAccessError as exc:
            reason = str(exc)
            if reason != told:
                _log.warning("kafka does not answer; it is waited for", reason=reason)
            told = reason
            readiness.waiting(PART, reason)
        else:
            if told is not None:
                _log.info("kafka answers again")
            told = None
            readiness.working(PART)
