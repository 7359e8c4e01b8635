"""Simulated Kafka: the topics, a producer whose requests are on their way for a while, the store.

What is lost when a process is killed, and what of it still arrives, is drawn from the weather.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from aiokafka.errors import KafkaError

from schemas import topics
from schemas.connections import KafkaConnection
from streams.state import Mark
from streams.store import Store
from streams.takeover import LogView
from tests.chaos.simulated.loop import WORLD, Process, VirtualLoop
from tests.chaos.simulated.weather import Weather
from tests.support.cities import Record

Say = Callable[[str], None]
"""Adds a line to the trace of a run."""
Arrival = tuple[str, bytes | None, bytes]
"""(topic, key, value)."""


class Topics:
    """What Kafka holds: the log by partition, the state's last values, and all that came of it."""

    def __init__(self, partitions: int, say: Say) -> None:
        self.say = say
        self.log: list[list[Record]] = [[] for _ in range(partitions)]
        self.state: list[dict[bytes, bytes]] = [{} for _ in range(partitions)]
        self.arrived: list[Arrival] = []
        self.on_log: list[Callable[[], None]] = []

    def append_log(self, partition: int, record: Record) -> None:
        """A bridge's record: whoever reads is told."""
        self.log[partition].append(record)
        for wake in self.on_log:
            wake()

    def append(self, topic: str, partition: int, batch: Batch, sender: str) -> None:
        """A record batch is there whole, or not at all."""
        keys = ", ".join(str(key, "utf-8") if key else "a dead letter" for key, _ in batch.records)
        self.say(f"{topic}[{partition}] has from {sender}: {keys}")
        if topic == topics.STATE:
            self.state[partition].update(batch.records)
        else:
            self.arrived += [(topic, key, value) for key, value in batch.records]


class Batch:
    """The records of one batch; has what the store needs of aiokafka's builder."""

    def __init__(self) -> None:
        self.records: list[tuple[Any, bytes]] = []

    def append(self, *, key: Any, value: bytes, **_: Any) -> Batch:
        self.records.append((key, value))
        return self


class Request:
    """A batch on its way to Kafka."""

    __slots__ = ("answer", "batch", "lost", "partition", "timer", "topic")

    def __init__(self, batch: Batch, topic: str, partition: int, answer: Any) -> None:
        self.batch = batch
        self.topic = topic
        self.partition = partition
        self.answer = answer
        self.lost = False
        self.timer: Any = None


class Producer:
    """An idempotent producer: one request for each topic and partition at a time, in order."""

    def __init__(self, loop: VirtualLoop, held: Topics, weather: Weather, process: Process) -> None:
        self._loop = loop
        self._topics = held
        self._weather = weather
        self._sender = process.name
        self._context = process.context()
        self._world = WORLD.context()
        self._queues: dict[tuple[str, int], deque[Request]] = {}
        self._under_way: list[Request] = []

    def create_batch(self) -> Batch:
        return Batch()

    async def send_batch(self, batch: Batch, topic: str, *, partition: int) -> asyncio.Future[Any]:
        request = Request(batch, topic, partition, self._loop.create_future())
        queue = self._queues.setdefault((topic, partition), deque())
        queue.append(request)
        if len(queue) == 1:
            self._go(request)
        future: asyncio.Future[Any] = request.answer
        return future

    def cut(self, lost: float = 0.5) -> tuple[int, int]:
        """The process was killed: (how many requests were under way, how many are lost)."""
        for request in self._under_way:
            request.lost = self._weather.random.random() < lost
        return len(self._under_way), sum(request.lost for request in self._under_way)

    def stall(self) -> int:
        """The process was stopped: some requests had not left it yet. Returns how many."""
        stalled = [one for one in self._under_way if self._weather.random.random() < 0.5]
        for request in stalled:
            request.timer.cancel()
            self._leave(request, self._context)
        return len(stalled)

    def _go(self, request: Request) -> None:
        self._under_way.append(request)
        self._leave(request, self._world)

    def _leave(self, request: Request, context: Any) -> None:
        delay_s = self._weather.delay_s()
        request.timer = self._loop.call_later(delay_s, self._arrives, request, context=context)

    def _arrives(self, request: Request) -> None:
        self._under_way.remove(request)
        fails = self._weather.fails()
        if not request.lost and not (fails and self._weather.random.random() < 0.5):
            self._topics.append(request.topic, request.partition, request.batch, self._sender)
        self._loop.call_later(
            self._weather.delay_s(), self._answered, request, fails, context=self._context
        )

    def _answered(self, request: Request, fails: bool) -> None:
        if not request.answer.done():
            if fails:
                request.answer.set_exception(KafkaError("the simulated broker gave no answer"))
            else:
                request.answer.set_result(None)
        queue = self._queues[request.topic, request.partition]
        queue.popleft()
        if queue:
            self._go(queue[0])


class SimulatedStore(Store):
    """The real store, and with it the real order of batches, on the simulated producer."""

    def __init__(self, held: Topics, weather: Weather, producer: Producer) -> None:
        super().__init__(KafkaConnection())
        self._topics = held
        self._weather = weather
        self._producer = producer

    async def load(self, partitions: Iterable[int]) -> dict[int, dict[bytes, bytes]]:
        await asyncio.sleep(self._weather.delay_s())
        found = {number: dict(self._topics.state[number]) for number in partitions}
        await asyncio.sleep(self._weather.delay_s())
        return found

    async def look_at_log(self, offsets: Mapping[int, int | None]) -> dict[int, LogView]:
        await asyncio.sleep(self._weather.delay_s())
        return {number: _view(self._topics.log[number], at) for number, at in offsets.items()}


def _view(log: Sequence[Record], at: int | None) -> LogView:
    if at is None or at >= len(log):
        return LogView(0, len(log))
    record = log[at]
    return LogView(0, len(log), Mark.of(at, record.timestamp_ms, record.value))
