"""How far the worker has come by its own word: whether what it told of devices still holds.

Every two seconds of its clock it writes for each partition how far that has come (a
`WorkerProgress` in ``qala.rollups.v1``). Where that is older than ten seconds, nothing that it
told of the partition's sites says anything about now.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from dashboards.signals.liveness import TICK_LIMIT_S
from infra.topic_reader import open_topic
from schemas.connections import KafkaConnection
from schemas.records import WorkerProgress, decode_rollup
from schemas.topics import ROLLUPS, partition_of

LIVE_MS: Final = 1000 * TICK_LIMIT_S
_LOOK_BACK_MS: Final = 15_000
_KEY: Final = b"progress/"


class WorkerClocks(NamedTuple):
    """The newest word of each partition, in ms of the wall clock, as far as there is a recent one.

    ``partitions`` are all that the telemetry has; 0 where nothing was said lately.
    """

    partitions: int
    told_ms: dict[int, int]

    def live(self, site: str, now_ms: int) -> bool:
        """Whether what was told of the site's devices holds now."""
        if not self.partitions:
            return False
        told_ms = self.told_ms.get(partition_of(site, self.partitions))
        return told_ms is not None and now_ms - told_ms <= LIVE_MS

    def dead(self, now_ms: int) -> int:
        """Of how many partitions nothing is known now."""
        return self.partitions - sum(
            now_ms - told_ms <= LIVE_MS for told_ms in self.told_ms.values()
        )


async def worker_clocks(kafka: KafkaConnection, now_ms: int) -> WorkerClocks:
    """Read what the worker has said in the last seconds.

    On a simulated clock its word counts from when it was written.

    Raises:
        LookupFailedError: Kafka doesn't answer, refuses, or has no such topic.
    """
    partitions = 0
    told_ms: dict[int, int] = {}
    async with open_topic(kafka, ROLLUPS) as topic:
        begin, end = await topic.since(now_ms - _LOOK_BACK_MS), await topic.end()
        async for record in topic.between(begin, end):
            if record.key is None or not record.key.startswith(_KEY):
                continue
            word = _word(record.value)
            if word is not None:
                partitions = word.partitions
                at_ms = word.clock if word.speed is None else record.timestamp
                told_ms[word.partition] = max(at_ms, told_ms.get(word.partition, 0))
    return WorkerClocks(partitions, told_ms)


def _word(value: bytes | None) -> WorkerProgress | None:
    try:
        found = decode_rollup(value or b"")
    except msgspec.DecodeError:
        return None  # a newer version's
    return found if isinstance(found, WorkerProgress) else None
