"""How far the worker has come by its own word: whether what it told of devices still holds.

Every two seconds of its clock it writes for each partition how far that has come (a
`WorkerProgress` in ``qala.rollups.v1``). Where that is older than ten seconds, nothing that it
told of the partition's sites says anything about now.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from dashboards.signals.forms import AHEAD_S
from infra.topic_reader import OpenTopic, open_topic
from schemas.connections import KafkaConnection
from schemas.measurements import TICK_LIMIT_S
from schemas.records import WorkerProgress, decode_rollup
from schemas.topics import ROLLUPS, partition_of

LIVE_MS: Final = 1000 * TICK_LIMIT_S
AHEAD_MS: Final = 1000 * AHEAD_S
_LOOK_BACK_MS: Final = 15_000
_FIRST_STEP: Final = 1000
"""Records of each partition that are read first."""
_KEY: Final = b"progress/"


class SimulatedClock(NamedTuple):
    """A clock that showed ``shown_ms`` at ``wall_ms``, and runs ``speed`` times as fast."""

    shown_ms: int
    wall_ms: int
    speed: float


class WorkerClocks(NamedTuple):
    """The newest word of each partition, in ms of the wall clock, as far as there is a recent one.

    ``partitions`` are all that the telemetry has; 0 where nothing was said lately. ``simulated``
    is the bridges' clock where it is not the wall's.
    """

    partitions: int
    told_ms: dict[int, int]
    simulated: SimulatedClock | None = None

    def now_ms(self, wall_ms: int) -> int:
        """What the bridges' clock shows, by which devices were heard and alerts began."""
        if self.simulated is None:
            return wall_ms
        since_ms = wall_ms - self.simulated.wall_ms
        return self.simulated.shown_ms + round(since_ms * self.simulated.speed)

    @property
    def speed(self) -> float | None:
        """How many times as fast as the wall's clock the bridges' runs; None where it is that."""
        return None if self.simulated is None else self.simulated.speed

    def live(self, site: str, now_ms: int) -> bool:
        """Whether what was told of the site's devices holds now.

        A word from the future vouches for nothing: one of the clocks is wrong.
        """
        if not self.partitions:
            return False
        told_ms = self.told_ms.get(partition_of(site, self.partitions))
        return told_ms is not None and -AHEAD_MS <= now_ms - told_ms <= LIVE_MS


NO_CLOCKS: Final = WorkerClocks(0, {})
"""Nothing was said, or nobody was asked."""


async def worker_clocks(kafka: KafkaConnection, now_ms: int) -> WorkerClocks:
    """Read what the worker has said last, if that was within the last seconds.

    On a simulated clock its word counts from when it was written.

    Raises:
        LookupFailedError: Kafka doesn't answer, refuses, or has no such topic.
    """
    async with open_topic(kafka, ROLLUPS) as topic:
        return await _newest(topic, await topic.since(now_ms - _LOOK_BACK_MS))


async def _newest(topic: OpenTopic, begin: Mapping[int, int]) -> WorkerClocks:
    """Go backwards in growing steps: many rollups may lie between two words of the worker."""
    partitions, step = 0, _FIRST_STEP
    told_ms: dict[int, int] = {}
    simulated: SimulatedClock | None = None
    upper = await topic.end()
    waiting = {number for number in begin if begin[number] < upper[number]}
    while waiting:
        lower = {number: max(begin[number], upper[number] - step) for number in waiting}
        async for record in topic.between(lower, upper):
            if record.key is None or not record.key.startswith(_KEY):
                continue
            word = _word(record.value)
            if word is not None:
                partitions = word.partitions
                at_ms = word.clock if word.speed is None else record.timestamp
                if word.speed is not None:
                    simulated = _furthest(simulated, SimulatedClock(word.clock, at_ms, word.speed))
                told_ms[word.partition] = max(at_ms, told_ms.get(word.partition, at_ms))
        upper |= lower
        waiting = {
            number for number in waiting if number not in told_ms and lower[number] > begin[number]
        }
        step *= 4
    return WorkerClocks(partitions, told_ms, simulated)


def _furthest(one: SimulatedClock | None, other: SimulatedClock) -> SimulatedClock:
    """The clock that shows more at one moment: a partition may be behind."""
    if one is None or one.speed != other.speed:
        return other
    ahead_ms = other.shown_ms - one.shown_ms - (other.wall_ms - one.wall_ms) * one.speed
    return other if ahead_ms > 0 else one


def _word(value: bytes | None) -> WorkerProgress | None:
    try:
        found = decode_rollup(value or b"")
    except msgspec.DecodeError:
        return None  # a newer version's
    return found if isinstance(found, WorkerProgress) else None
