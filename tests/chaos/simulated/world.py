"""One run: workers fold a log while they are killed, stopped, woken, joined and left.

Afterwards a last healthy worker takes everything over, and what has come of the log must be
what a quiet fold gives.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from heapq import merge
from random import Random
from typing import Final, NamedTuple

from streams.owner import Owner
from tests.chaos.simulated.compare import differences
from tests.chaos.simulated.group import Group
from tests.chaos.simulated.kafka import Topics
from tests.chaos.simulated.logs import Expected
from tests.chaos.simulated.loop import WORLD, VirtualLoop
from tests.chaos.simulated.weather import Weather
from tests.chaos.simulated.workers import MakeOwner, Worker
from tests.support.cities import Record
from tests.support.folds import device_records, written

NAMES: Final = ("worker-1", "worker-2", "worker-3")
PACES_S: Final = (0.003, 0.03, 0.3)
"""Seconds between two records of the log: all at once, or with pauses to flush and rebalance."""
GAPS: Final = (3, 20, 60, 150, 400)
"""Steps between two troubles are up to one of these."""
STOPPED_S: Final = (0.5, 5.0, 12.0, 40.0)
MOST_TROUBLES: Final = 10
LAST_WORKER_S: Final = 600.0


class Outcome(NamedTuple):
    """What a run came to. ``problems`` is empty where nothing differs from the quiet fold."""

    problems: list[str]
    steps: int
    troubles: int
    trace: list[str]


class World:
    """The processes of one run, and what befalls them."""

    def __init__(
        self,
        seed: str,
        logs: list[list[Record]],
        *,
        make_owner: MakeOwner = Owner,
        traced: bool = False,
    ) -> None:
        self.random = Random(seed)
        self.loop = VirtualLoop()
        self.weather = Weather(self.random)
        self.trace: list[str] | None = [] if traced else None
        self.topics = Topics(len(logs), self.say)
        self.group = Group(self.loop, self.weather, len(logs))
        self.workers: dict[str, Worker] = {}
        self.troubles = 0
        self.restarts = True
        self._logs = logs
        self._make_owner = make_owner
        self._next_trouble = self.random.randint(1, self.random.choice(GAPS))

    def run(self, expected: Expected) -> Outcome:
        """The whole of it. An error of ours is a problem like any other."""
        self.loop.before_step = self.befall
        try:
            problems = self.loop.run(self._live(expected))
        except Exception as exc:  # noqa: BLE001 -- found by a simulation, told with its seed
            problems = [f"the run ended with {exc!r}"]
        return Outcome(problems, self.loop.steps, self.troubles, self.trace or [])

    def start(self, name: str) -> None:
        """Start a worker, if none of that name is alive."""
        known = self.workers.get(name)
        if known is not None and known.process.alive:
            return
        self.say(f"{name} is started")
        self.workers[name] = self._worker(name, self.weather)

    def kill(self, worker: Worker, lost: float = 0.5) -> None:
        """SIGKILL; of what it had under way a part is ``lost``, the rest still arrives."""
        worker.process.alive = False
        under_way, gone = worker.producer.cut(lost)
        self.say(f"{worker.name} is killed; {gone} of its {under_way} requests are lost")
        self.group.silent(worker.member)
        self._again(worker.name, self.random.choice((0.5, 2.0, 9.0, 20.0)))

    def freeze(self, worker: Worker, for_s: float) -> None:
        """SIGSTOP, and SIGCONT after a while."""
        worker.process.stopped = True
        stalled = worker.producer.stall()
        self.say(f"{worker.name} is stopped for {for_s:.1f} s; {stalled} requests stay in it")
        self.group.silent(worker.member)
        self.loop.call_later(for_s, self.wake, worker, context=WORLD.context())

    def wake(self, worker: Worker) -> None:
        """SIGCONT."""
        if worker.process.alive and worker.process.stopped:
            self.say(f"{worker.name} is woken")
            self.loop.wake(worker.process)

    def first_workers(self) -> tuple[str, ...]:
        """Those that are there from the beginning."""
        return NAMES[: self.random.randint(1, len(NAMES))]

    def befall(self, step: int) -> None:
        """Let something happen before a step, or nothing."""
        if step < self._next_trouble or not self.restarts or self.troubles >= MOST_TROUBLES:
            return
        self.troubles += 1
        self._next_trouble = step + self.random.randint(1, self.random.choice(GAPS))
        running = [
            worker
            for worker in self.workers.values()
            if worker.process.alive and not worker.process.stopped
        ]
        draw = self.random.random()
        if not running or draw < 0.15:
            self.start(self.random.choice(NAMES))
        elif draw < 0.55:
            self.kill(self.random.choice(running))
        elif draw < 0.9:
            for_s = self.random.choice(STOPPED_S) * self.random.random()
            self.freeze(self.random.choice(running), for_s)
        else:
            leaver = self.random.choice(running)
            self.say(f"{leaver.name} is asked to stop")
            leaver.stop()

    def say(self, text: str) -> None:
        """Add a line to the trace."""
        if self.trace is not None:
            self.trace.append(f"step {self.loop.steps:5}, {self.loop.now_s:8.3f} s: {text}")

    def _worker(self, name: str, weather: Weather) -> Worker:
        return Worker(
            name, self.loop, self.topics, self.group, weather, self._make_owner, self._ended
        )

    def _ended(self, worker: Worker, error: BaseException | None) -> None:
        self.say(f"{worker.name} has ended" + (f" with {error!r}" if error else ""))
        worker.process.alive = False
        worker.producer.cut()
        self._again(worker.name, 1.0)

    def _again(self, name: str, after_s: float) -> None:
        def again() -> None:
            if self.restarts:
                self.start(name)

        self.loop.call_later(after_s, again, context=WORLD.context())

    async def _live(self, expected: Expected) -> list[str]:
        for name in self.first_workers():
            self.start(name)
        await self._pour(self.random.choice(PACES_S))
        self.say("the log is complete")
        await asyncio.sleep(self.random.random() * 15)
        await self._calm()
        last = self._worker("last", Weather(self.random, calm=True))
        await self._until(lambda: self._has_read_all(last))
        owner = last.owner
        parts = [] if owner is None else [owned.partition for owned in owner.owned]
        parts.sort(key=lambda part: part.number)
        last.stop()
        await self._until(lambda: not last.process.alive)
        self.say("the last worker has read everything")
        known = {name: found for part in parts for name, found in device_records(part).items()}
        states = [written(part) for part in parts]
        problems = differences(self.topics.arrived, known, states, expected)
        ends = {number: len(log) for number, log in enumerate(self._logs)}
        if self.group.committed != ends:
            problems.append(f"committed is {self.group.committed}, the log ends at {ends}")
        return problems

    async def _pour(self, pace_s: float) -> None:
        for number, record in _in_order(self._logs):
            self.topics.append_log(number, record)
            await asyncio.sleep(pace_s)

    async def _calm(self) -> None:
        """No more trouble; who is stopped is woken, and in the end all are gone."""
        self.restarts = False
        self.weather.calm = True
        for worker in self.workers.values():
            self.wake(worker)
        await asyncio.sleep(self.random.random() * 5)
        for worker in self.workers.values():
            if not worker.process.alive:
                continue
            if self.random.random() < 0.5:
                worker.stop()
            else:
                self.kill(worker)
        await self._until(lambda: not any(one.process.alive for one in self.workers.values()))

    def _has_read_all(self, last: Worker) -> bool:
        owned = last.owner.owned if last.owner else ()
        if last.owner and last.owner.failed.done():
            raise RuntimeError("the last worker failed") from last.owner.failed.exception()
        return len(owned) == len(self._logs) and all(
            one.next == len(self._logs[one.partition.number]) for one in owned
        )

    async def _until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(LAST_WORKER_S):
            while not true():
                await asyncio.sleep(0.5)


def _in_order(logs: list[list[Record]]) -> Iterator[tuple[int, Record]]:
    """The records of all partitions about as they were written."""
    numbered = [
        [(record.timestamp_ms, number, offset) for offset, record in enumerate(log)]
        for number, log in enumerate(logs)
    ]
    for _, number, offset in merge(*numbered):
        yield number, logs[number][offset]
