"""The clock that replays are written by: the log's own, which a simulated one may be."""

from __future__ import annotations

from infra.topic_reader import open_topic
from schemas.clock import Clock, RealClock
from schemas.connections import KafkaConnection
from schemas.envelope import speed_in
from schemas.topics import TELEMETRY


class HeldClock:
    """A simulated clock that stands where the log is: a replay doesn't move the log's time."""

    def __init__(self, speed: float, at_ms: int) -> None:
        """Take the bridges' speed, and the moment (ms since 1970)."""
        self.speed: float | None = speed
        self._at_us = at_ms * 1000

    def now_us(self) -> int:
        """µs since the Unix epoch."""
        return self._at_us


async def log_clock(kafka: KafkaConnection) -> Clock:
    """The real clock, or where bridges run on a simulated one, that one held at the log's end.

    Raises:
        LookupFailedError: Kafka can't be read.
    """
    speeds, moments = [], []
    async with open_topic(kafka, TELEMETRY) as topic:
        begin, end = await topic.begin(), await topic.end()
        last = {p: end[p] - 1 for p in end if end[p] > begin[p]}
        async for record in topic.between(last, end):
            speed = speed_in(record.headers)
            if speed is not None:
                speeds.append(speed)
                moments.append(record.timestamp)
    # the partition that is the furthest behind: none is moved, as the log's time never runs back
    return HeldClock(speeds[0], min(moments)) if moments else RealClock()
