"""A simulated consumer group: sessions, generations, static members, refused commits.

As in Kafka's eager protocol: when a member comes, goes or is silent for a session, the others
are told by their next heartbeat, and give up what they have; when all have joined, or the
rebalance takes too long, the next generation begins. Until then the old one may commit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from aiokafka.errors import KafkaError

from tests.chaos.simulated.loop import WORLD, Process, VirtualLoop
from tests.chaos.simulated.weather import Weather

SESSION_S: Final = 6.0
HEARTBEAT_S: Final = 1.5
REBALANCE_S: Final = 10.0


class Assignment(NamedTuple):
    """What a member has in one generation."""

    numbers: tuple[int, ...] = ()
    generation: int = -1


class Member:
    """One process' side of the group; a process that comes back is another member.

    ``rebalance`` is set when the process learns that it must join again.
    """

    def __init__(self, group: Group, name: str, process: Process) -> None:
        self.name = name
        self.process = process
        self.context = process.context()
        self.assigned = Assignment()
        self.rebalance = asyncio.Event()
        self._group = group

    async def join(self) -> None:
        """Wait for the next generation."""
        self.rebalance.clear()
        await asyncio.sleep(self._group.weather.delay_s())
        self.assigned = await self._group.join(self)

    async def commit(self, offsets: Mapping[int, int]) -> bool:
        if any(number not in self.assigned.numbers for number in offsets):
            return False
        if not await self._group.commit(self, offsets):
            self.rebalance.set()
            return False
        return True


class Group:
    """The coordinator."""

    def __init__(self, loop: VirtualLoop, weather: Weather, partitions: int) -> None:
        self.weather = weather
        self.generation = 0
        self.committed: dict[int, int] = dict.fromkeys(range(partitions), 0)
        self._loop = loop
        self._world = WORLD.context()
        self._members: dict[str, Member] = {}
        self._joining: dict[str, asyncio.Future[Assignment]] = {}
        self._assigned: dict[str, Assignment] = {}
        self._late: Any = None

    def join(self, member: Member) -> asyncio.Future[Assignment]:
        """A member asks for its part in the next generation."""
        answer: asyncio.Future[Assignment] = self._loop.create_future()
        known = self._members.get(member.name)
        self._members[member.name] = member
        if known not in {None, member} and self._late is None and member.name in self._assigned:
            # it comes back under its id: the group goes on, and the other one is fenced
            self._answer(member, answer, self._assigned[member.name])
            return answer
        self._joining[member.name] = answer
        self._prepare()
        return answer

    def leave(self, member: Member) -> None:
        """A member says goodbye, or has been silent for too long."""
        if self._members.get(member.name) is not member:
            return
        del self._members[member.name]
        self._joining.pop(member.name, None)
        self._tell(member)
        self._prepare()

    def silent(self, member: Member) -> None:
        """A member's process was stopped or killed: it is given up after a session."""

        def given_up() -> None:
            if member.process.stopped or not member.process.alive:
                self.leave(member)

        self._loop.call_later(SESSION_S, given_up, context=self._world)

    async def commit(self, member: Member, offsets: Mapping[int, int]) -> bool:
        """The coordinator's answer to a commit: whether the member is of this generation."""
        answer: asyncio.Future[bool] = self._loop.create_future()
        generation = member.assigned.generation
        delay_s = self.weather.delay_s()

        def arrives() -> None:
            ours = self._members.get(member.name) is member and generation == self.generation
            fails = self.weather.fails()
            if ours:
                self.committed.update(offsets)
            self._loop.call_later(
                self.weather.delay_s(), _answered, answer, ours, fails, context=member.context
            )

        self._loop.call_later(delay_s, arrives, context=self._world)
        return await answer

    def _prepare(self) -> None:
        if self._late is None:
            self._late = self._loop.call_later(REBALANCE_S, self._begin, context=self._world)
            for member in self._members.values():
                if member.name not in self._joining:
                    self._tell(member)
        if len(self._joining) == len(self._members):
            self._begin()

    def _tell(self, member: Member) -> None:
        # a process that is stopped hears it when it is woken, a little later
        self._loop.call_later(
            self.weather.random.random() * HEARTBEAT_S, member.rebalance.set, context=member.context
        )

    def _begin(self) -> None:
        self._late.cancel()
        self._late = None
        self._members = {name: self._members[name] for name in self._joining}
        self.generation += 1
        names = sorted(self._members)
        numbers = list(self.committed)
        self.weather.random.shuffle(numbers)
        self._assigned = {
            name: Assignment(tuple(sorted(numbers[place :: len(names)])), self.generation)
            for place, name in enumerate(names)
        }
        for name, answer in self._joining.items():
            self._answer(self._members[name], answer, self._assigned[name])
        self._joining = {}

    def _answer(self, member: Member, answer: asyncio.Future[Assignment], got: Assignment) -> None:
        self._loop.call_later(
            self.weather.delay_s(), _answered, answer, got, False, context=member.context
        )


def _answered(answer: asyncio.Future[Any], value: Any, fails: bool) -> None:
    if answer.done():
        return
    if fails:
        answer.set_exception(KafkaError("the simulated coordinator gave no answer"))
    else:
        answer.set_result(value)
