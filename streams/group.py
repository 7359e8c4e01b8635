"""The consumer group of the workers: who is alive in it."""

from __future__ import annotations

import asyncio
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from schemas.connections import KafkaConnection
from schemas.kafka_groups import described
from streams.errors import StateError

COORDINATOR_S: Final = 15.0
_RETRY_S: Final = 0.5
_MARGIN_S: Final = 1.0


async def living_workers(kafka: KafkaConnection, group: str) -> list[str]:
    """The members of a consumer group: ``client at host`` each.

    Raises:
        aiokafka.errors.KafkaError: Kafka went away, or refuses.
    """
    admin = AIOKafkaAdminClient(**kafka.client_args(), request_timeout_ms=10_000)
    await admin.start()
    try:
        async with asyncio.timeout(COORDINATOR_S):
            while True:
                try:
                    members = (await described(admin, group)).members
                except KafkaError as exc:
                    # a Kafka that has never had a group makes a place for them now
                    if not exc.retriable:
                        raise
                    await asyncio.sleep(_RETRY_S)
                else:
                    break
    finally:
        await admin.close()
    return [f"{one.client} at {one.host.lstrip('/')}" for one in members]


async def refuse_while_alive(kafka: KafkaConnection, group: str, session_s: float) -> None:
    """See that no worker would write what is dropped again.

    One that has ended counts as a member for ``session_s`` more, so it is waited for that long.

    Raises:
        StateError: workers of the group are alive; it names them.
        aiokafka.errors.KafkaError: Kafka went away, or refuses.
    """
    loop = asyncio.get_running_loop()
    end_s = loop.time() + session_s + _MARGIN_S
    while alive := await living_workers(kafka, group):
        if loop.time() >= end_s:
            raise StateError(
                f"the group {group} has living workers ({', '.join(sorted(alive))}); stop "
                "`qala streams` everywhere, and repeat"
            )
        await asyncio.sleep(_RETRY_S)
