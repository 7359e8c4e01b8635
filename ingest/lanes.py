"""One ordered queue of records towards one Kafka partition, and the envelopes packed for it.

Everything for a partition, ticks included, goes through its lane, so that Kafka's order is the
order of receiving.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import islice
from typing import Final

from ingest.acks import AckQueue, Pending, settle
from ingest.metrics import BridgeCounts
from ingest.refusals import is_refusal
from schemas.envelope import envelope_headers

Headers = list[tuple[str, bytes]]
Send = Callable[["Record"], Awaitable["asyncio.Future[object]"]]
_RECORD_BYTES: Final = 1000
"""About what a record takes in memory besides its value and headers, until it is in Kafka."""


class Record:
    """One Kafka record on its way: what it holds, and the first of the messages waiting for it.

    ``size`` is about what it takes in memory, in bytes: far more than its value for a small one.
    """

    __slots__ = ("headers", "members", "partition", "since", "size", "topic", "value")

    def __init__(
        self, topic: str, partition: int, value: bytes, headers: Headers, members: list[Pending]
    ) -> None:
        self.topic = topic
        self.partition = partition
        self.value = value
        self.headers = headers
        self.members = members
        self.since = 0.0
        headers_size = sum(len(name) + len(content) for name, content in headers)
        self.size = len(value) + headers_size + _RECORD_BYTES


class Backlog:
    """What has been handed over and is not in Kafka yet, of all lanes of a writer together.

    ``turned`` is called when `full` has changed: it is True beyond ``limit_bytes``, and False again
    when it has shrunk to half of that.
    """

    def __init__(self, limit_bytes: int, turned: Callable[[], None]) -> None:
        """Begin idle."""
        self._limit = limit_bytes
        self._turned = turned
        self._records = 0
        self._muted = False
        self.bytes = 0
        self.full = False
        self.idle = asyncio.Event()
        self.idle.set()

    def add(self, size: int) -> None:
        """A record of ``size`` bytes was handed over."""
        self._records += 1
        self.bytes += size
        self.idle.clear()
        if self.bytes > self._limit and not self.full:
            self._turn(full=True)

    def remove(self, size: int) -> None:
        """A record of ``size`` bytes is in Kafka."""
        self._records -= 1
        self.bytes -= size
        if not self._records:
            self.idle.set()
        if self.full and self.bytes <= self._limit // 2:
            self._turn(full=False)

    def mute(self) -> None:
        """Call ``turned`` no more: another writer's backlog is what counts."""
        self._muted = True

    def _turn(self, *, full: bool) -> None:
        self.full = full
        if not self._muted:
            self._turned()


class Lane:
    """Records in order, sent one after another, until each is acknowledged by Kafka.

    After a record that Kafka refused the lane is ``held``: whatever becomes of those sent behind
    it, they go again behind it (see `again`), so that the order stays.
    """

    def __init__(self, send: Send, failed: Callable[[Exception], None], backlog: Backlog) -> None:
        """Take how a record is sent, who hears when Kafka has not taken one, and the count."""
        self._backlog = backlog
        self._loop = asyncio.get_running_loop()
        self._send = send
        self._failed = failed
        self.held = False
        self._paused = False
        self._flying = 0
        self._landed = asyncio.Event()
        self._queue: deque[Record] = deque()
        self._unwritten: dict[Record, None] = {}
        self._wake = asyncio.Event()
        self._task = self._loop.create_task(self._run())

    @property
    def oldest(self) -> float | None:
        """Loop time at which the oldest record that is not in Kafka was put in."""
        return next((record.since for record in self._unwritten), None)

    def holds(self, record: Record) -> bool:
        """Whether ``record`` is not in Kafka yet."""
        return record in self._unwritten

    def put(self, record: Record) -> None:
        """Send ``record`` after those before it."""
        record.since = self._loop.time()
        self._unwritten[record] = None
        self._backlog.add(record.size)
        self._queue.append(record)
        self._wake.set()

    async def close(self) -> None:
        """Send nothing more."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def pause(self) -> None:
        """Send no further record, and wait until it is known what became of those sent."""
        self._paused = True
        while self._flying:
            self._landed.clear()
            await self._landed.wait()

    def resume(self) -> None:
        """Send again."""
        self._paused = self.held = False
        self._wake.set()

    async def again(self, place: Callable[[Record], Awaitable[object]]) -> None:
        """While paused: `place` what was sent and is not in Kafka, one after another, in order."""
        sent = len(self._unwritten) - len(self._queue)
        for record in list(islice(self._unwritten, sent)):
            await place(record)
            self._written(record)

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue and not self._paused:
                record = self._queue.popleft()
                self._flying += 1
                try:
                    written = await self._send(record)
                except Exception as exc:  # noqa: BLE001 - whatever it is, the record is not in Kafka
                    self._land(record, exc)
                else:
                    written.add_done_callback(partial(self._done, record))

    def _done(self, record: Record, future: asyncio.Future[object]) -> None:
        error = asyncio.CancelledError() if future.cancelled() else future.exception()
        if error is not None and not isinstance(error, Exception):
            error = RuntimeError("cancelled")
        self._land(record, error)

    def _land(self, record: Record, error: Exception | None) -> None:
        self._flying -= 1
        if not self._flying:
            self._landed.set()
        if self.held:
            return
        if error is None:
            self._written(record)
            return
        self._paused = True
        self.held = is_refusal(error)
        self._failed(error)

    def _written(self, record: Record) -> None:
        del self._unwritten[record]
        self._backlog.remove(record.size)
        settle(record.members)


class Packer:
    """Packs the lines of one partition into envelopes and puts them into its lane."""

    def __init__(
        self,
        lane: Lane,
        *,
        topic: str,
        partition: int,
        bridge: str,
        speed: float | None,
        linger_s: float,
        envelope_bytes: int,
        counts: BridgeCounts,
    ) -> None:
        """Begin without an open envelope."""
        self._loop = asyncio.get_running_loop()
        self._lane = lane
        self._topic = topic
        self._partition = partition
        self._bridge = bridge
        self._speed = speed
        self._linger_s = linger_s
        self.envelope_bytes = envelope_bytes
        self._lines: list[bytes] = []
        self._members: list[Pending] = []
        self._size = 0
        self._timer: asyncio.TimerHandle | None = None
        self._tick: Record | None = None
        self._counts = counts

    def add(self, line: bytes, acks: AckQueue | None) -> None:
        """Put a line in; the newest message of ``acks`` waits for the envelope that takes it."""
        lines = self._lines
        if not lines:
            self._timer = self._loop.call_later(self._linger_s, self.seal)
        lines.append(line)
        if not self._members and acks is not None:
            self._members.append(acks.pending())
        self._size += len(line)
        if self._size >= self.envelope_bytes:
            self.seal()

    def seal(self) -> None:
        """Put the open envelope into the lane, if there is one."""
        if not self._lines:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        headers = envelope_headers(self._bridge, len(self._lines), self._speed)
        value = b"".join(self._lines)
        self._lane.put(Record(self._topic, self._partition, value, headers, self._members))
        self._lines, self._members, self._size = [], [], 0
        self._counts.envelopes += 1

    def tick(self) -> bool:
        """Put a tick in, behind the readings so far; not while one is still on its way."""
        if self._tick is not None and self._lane.holds(self._tick):
            return False
        self._tick = self._put_tick()
        return True

    def farewell(self) -> None:
        """Put the last tick in, which says that the bridge has left for good."""
        self._put_tick(left=True)

    def _put_tick(self, *, left: bool = False) -> Record:
        self.seal()
        headers = envelope_headers(self._bridge, 0, self._speed, left=left)
        tick = Record(self._topic, self._partition, b"", headers, [])
        self._lane.put(tick)
        return tick
