"""Whether a member of a consumer group is served by its own client of Kafka, asked all the time.

After Kafka was killed, aiokafka's coordinator of a group can hang for ever (0.14: the member gets
no partitions, or its commits no answer, while everybody else is served). Its heartbeats may go on
all the same, so that the group gives its partitions to nobody else. Only a new client mends that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from typing import Final, NamedTuple

import structlog
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from schemas import kafka_watch
from schemas.connections import KafkaConnection
from schemas.errors import StuckClientError
from schemas.kafka_groups import described
from schemas.patience import Patience
from schemas.readiness import Readiness

EVERY_S: Final = 3.0
TOLD_S: Final = 10.0
"""What is waited for so long is told on ``/ready``."""
LIMIT_S: Final = 60.0
SESSIONS: Final = 4
"""A lost session, and a rebalance for as long, are no hanging; twice that may still be none."""
ANSWER_S: Final = 10.0

_log = structlog.get_logger(__name__)


class Wait(NamedTuple):
    """What a member waits for: the beginning of a sentence, and what differs when some has come.

    The sentence may become another one meanwhile; that is no end of the waiting.
    """

    what: str
    state: Hashable


def limit_s(session_s: float) -> float:
    """How long a member may wait for one thing, where a session lasts ``session_s``."""
    return max(LIMIT_S, SESSIONS * session_s)


async def watch_member(
    kafka: KafkaConnection,
    group: str,
    readiness: Readiness,
    awaited: Callable[[], Wait | None],
    *,
    part: str,
    session_s: float,
) -> None:
    """Return never; what is ``awaited`` for long is said of ``part``.

    Kafka is to be watched, too (`schemas.kafka_watch`): the time without it does not count.

    Raises:
        StuckClientError: it has not come for `limit_s`, while Kafka answers, and the group's
            coordinator answers another client.
    """
    clock = asyncio.get_running_loop().time
    patience = Patience(gap_s=2 * EVERY_S)
    forgiven_s = 0.0
    trouble: str | None = None
    while True:
        await asyncio.sleep(EVERY_S)
        wait = awaited() if kafka_watch.PART not in readiness.reasons else None
        waited_s = patience.look(clock(), None if wait is None else wait.state)
        if wait is None or waited_s < TOLD_S:
            forgiven_s, trouble = 0.0, None
            readiness.working(part)
            continue
        if trouble is not None or waited_s - forgiven_s > limit_s(session_s):
            found = await coordinator_trouble(kafka, group)
            if (now := awaited()) is None or now.state != wait.state:
                continue
            if found is None and trouble is None:
                raise StuckClientError(
                    f"{wait.what} for {waited_s:.0f} s, while Kafka answers other clients: this "
                    "one hangs, and a new one helps"
                )
            if found is not None and trouble is None:
                _log.warning("the coordinator of a group is waited for", group=group, why=found)
            # once the coordinator answers, the member has the whole limit
            forgiven_s, trouble = waited_s, found
        why = "while Kafka answers" if trouble is None else f"as {trouble}"
        readiness.waiting(part, f"{wait.what} for {waited_s:.0f} s, {why}")


async def coordinator_trouble(kafka: KafkaConnection, group: str) -> str | None:
    """Why the coordinator of ``group`` serves no client; None where it does."""
    try:
        async with asyncio.timeout(ANSWER_S):
            admin = AIOKafkaAdminClient(**kafka.client_args())
            try:
                await admin.start()
                await described(admin, group)
            finally:
                await admin.close()
    except (KafkaError, OSError, TimeoutError) as exc:
        return f"the group's coordinator does not serve ({type(exc).__name__})"
    return None
