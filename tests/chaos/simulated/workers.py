"""A simulated worker process: the real owner of partitions, and a shell in the place of Faust."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

from prometheus_client import CollectorRegistry

from streams.metrics import StreamsMetrics
from streams.owner import Owner
from streams.settings import StreamsSettings
from tests.chaos.simulated.group import Group, Member
from tests.chaos.simulated.kafka import Producer, SimulatedStore, Topics
from tests.chaos.simulated.loop import Process, VirtualLoop
from tests.chaos.simulated.weather import Weather
from tests.support.folds import RULES

FEW_WAITING: Final = 12
"""Outputs at which the fold waits: so few that it does."""
# not validated: the product's own limit begins at 1000
SETTINGS: Final = StreamsSettings.model_construct(
    output_linger_ms=50, outputs_waiting_max=FEW_WAITING, expected_devices=()
)
FETCHED_MAX: Final = 8

MakeOwner = Callable[..., Owner]


class Worker:
    """One process. ``ended`` is called when it has ended by itself, with the error or None."""

    def __init__(  # noqa: PLR0917 -- the parts of its world
        self,
        name: str,
        loop: VirtualLoop,
        held: Topics,
        group: Group,
        weather: Weather,
        make_owner: MakeOwner,
        ended: Callable[[Worker, BaseException | None], None],
    ) -> None:
        self.name = name
        self.process = Process(name)
        self.producer = Producer(loop, held, weather, self.process)
        self.owner: Owner | None = None
        self.member = Member(group, name, self.process)
        self._loop = loop
        self._topics = held
        self._group = group
        self._weather = weather
        self._make_owner = make_owner
        self._ended = ended
        self._positions: dict[int, int] = {}
        self._more = asyncio.Event()
        self._stop = asyncio.Event()
        self._context = self.process.context()
        held.on_log.append(self._more.set)
        loop.create_task(self._run(), context=self._context)

    def stop(self) -> None:
        """SIGTERM."""
        self._loop.call_soon(self._stop.set, context=self._context)

    async def commit(self, offsets: Mapping[int, int]) -> bool:
        """Of `streams.ports.Group`."""
        return await self.member.commit(offsets)

    async def seek(self, partition: int, offset: int) -> None:
        """Of `streams.ports.Group`."""
        await asyncio.sleep(self._weather.delay_s())
        self._move_to(partition, offset)

    def committed(self, number: int) -> int:
        """What the group has as committed; the real owner never asks."""
        return self._group.committed[number]

    async def _run(self) -> None:
        store = SimulatedStore(self._topics, self._weather, self.producer)
        owner = self.owner = self._make_owner(
            store, self, RULES, SETTINGS, StreamsMetrics(CollectorRegistry())
        )
        tasks = [
            asyncio.create_task(self._be_member(owner)),
            asyncio.create_task(self._read(owner)),
            asyncio.create_task(self._stop.wait()),
        ]
        await asyncio.wait([owner.failed, tasks[-1]], return_when=asyncio.FIRST_COMPLETED)
        if not owner.failed.done():
            await owner.give_up()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._group.leave(self.member)
        self._ended(self, owner.failed.exception() if owner.failed.done() else None)

    async def _be_member(self, owner: Owner) -> None:
        member = self.member
        while True:
            await member.join()
            numbers, generation = member.assigned
            if self._weather.random.random() < 0.3:
                # reading begins before the position is known: from wherever it stood
                for number in numbers:
                    self._move_to(number, self._group.committed[number])
            try:
                await owner.give_up()
                partitions = len(self._topics.log)
                if numbers and await owner.take_over(numbers, partitions, generation):
                    next_ones = {one.partition.number: one.next for one in owner.owned}
                    self._topics.say(f"{self.name} goes on at {next_ones}, {generation=}")
                    for number in numbers:
                        self._move_to(number, self._group.committed[number])
            except Exception as exc:  # noqa: BLE001 -- as in the shell on Faust
                owner.fail(exc)
            await member.rebalance.wait()
            if numbers:
                await owner.give_up()
            self._positions.clear()

    async def _read(self, owner: Owner) -> None:
        while True:
            found = self._fetched()
            if found is None:
                self._more.clear()
                await self._more.wait()
                continue
            number, first, records = found
            generation = self.member.assigned.generation
            await asyncio.sleep(self._weather.delay_s())
            for offset, record in enumerate(records, first):
                await owner.take(number, generation, offset, *record)

    def _fetched(self) -> tuple[int, int, list[Any]] | None:
        for number, position in self._positions.items():
            count = self._weather.random.randint(1, FETCHED_MAX)
            records = self._topics.log[number][position : position + count]
            if records:
                # the partitions take turns
                del self._positions[number]
                self._positions[number] = position + len(records)
                return number, position, records
        return None

    def _move_to(self, number: int, offset: int) -> None:
        self._positions[number] = offset
        self._more.set()
