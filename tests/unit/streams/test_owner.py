"""What the owner of partitions does, on a virtual clock and with a keeper and group in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from streams import state as states
from streams.errors import StateError, WorkerError
from streams.metrics import StreamsMetrics
from streams.outputs import Output
from streams.owner import GIVE_UP_FLUSH_S, MAX_SEEKS, SEEK_EVERY_S, Owner
from streams.settings import StreamsSettings
from streams.state import Mark, State
from streams.takeover import LogView
from tests.chaos.simulated.loop import VirtualLoop
from tests.support.cities import City, Record
from tests.support.folds import RULES

GENERATION = 4


def log_of(*steps: tuple[str, int, int]) -> list[Record]:
    city = City()
    city.play([("read", 0, 1), *steps])
    return city.log


TEN_SECONDS = log_of(*[("wait", 0, 3), ("read", 1, 4)] * 10)
"""A flush falls due after the first five."""


class Kept:
    """Keeps what it is given, and writes down in which order it came; waits where it is told to."""

    def __init__(self, log: Sequence[Record]) -> None:
        self.log = log
        self.events: list[str] = []
        self.state: dict[int, dict[bytes, bytes]] = {}
        self.may_send = asyncio.Event()
        self.may_write = asyncio.Event()
        self.may_send.set()
        self.may_write.set()
        self.error: Exception | None = None
        self.writing = 0

    async def send(self, _partition: int, _outputs: Sequence[Output]) -> None:
        await self.may_send.wait()
        if self.error is not None:
            raise self.error
        self.events.append("outputs")

    async def write(self, partition: int, state: State) -> None:
        self.writing += 1
        assert self.writing == 1, "two flushes at a time"
        await self.may_write.wait()
        self.writing -= 1
        kept = self.state.setdefault(partition, {})
        for site in state.sites:
            kept.update(states.site_records(site))
        kept.update([states.header_record(state)])
        self.events.append(f"state {state.last}")

    async def load(self, partitions: Iterable[int]) -> dict[int, dict[bytes, bytes]]:
        return {number: dict(self.state.get(number, {})) for number in partitions}

    async def look_at_log(self, offsets: Mapping[int, int | None]) -> dict[int, LogView]:
        return {number: self._view(at) for number, at in offsets.items()}

    def _view(self, at: int | None) -> LogView:
        if at is None or at >= len(self.log):
            return LogView(0, len(self.log))
        return LogView(0, len(self.log), Mark.of(at, *self.log[at][:2]))


class Members:
    """A group that says yes until it is told not to."""

    def __init__(self, events: list[str]) -> None:
        self.events = events
        self.ours = True
        self.sought: list[tuple[int, int]] = []

    async def commit(self, offsets: Mapping[int, int]) -> bool:
        if self.ours:
            self.events.append(f"commit {max(offsets.values())}")
        return self.ours

    async def seek(self, partition: int, offset: int) -> None:
        self.sought.append((partition, offset))


class Setting:
    """An owner of partition 0, and what it stands on."""

    def __init__(self, log: Sequence[Record]) -> None:
        self.log = log
        self.kept = Kept(log)
        self.group = Members(self.kept.events)
        self.metrics = StreamsMetrics(CollectorRegistry())
        self.owner = self.another()

    def another(self) -> Owner:
        settings = StreamsSettings(output_linger_ms=0)
        return Owner(self.kept, self.group, RULES, settings, self.metrics)

    async def take_over(self, owner: Owner | None = None) -> int:
        """Returns the next offset."""
        owner = owner or self.owner
        assert await owner.take_over([0], 1, GENERATION)
        return owner.owned[0].next

    async def take(self, offset: int, generation: int = GENERATION) -> None:
        await self.owner.take(0, generation, offset, *self.log[offset])

    async def take_all(self) -> None:
        for offset in range(self.owner.owned[0].next, len(self.log)):
            await self.take(offset)

    def next(self) -> int:
        return self.owner.owned[0].next


def run(test: Callable[[Setting], Coroutine[Any, Any, None]], log: Sequence[Record]) -> None:
    """Run a test's coroutine in virtual time."""

    async def within() -> None:
        await test(Setting(log))

    VirtualLoop().run(within())


def test_a_flush_is_outputs_then_state_then_the_commit():
    async def flush(here: Setting) -> None:
        await here.take_over()
        await here.take_all()
        await asyncio.sleep(1)
        assert here.kept.events == ["commit 0", "outputs", "state 20", "commit 21"]

    run(flush, TEN_SECONDS)


def test_state_waits_until_every_output_before_it_is_kept():
    async def wait(here: Setting) -> None:
        here.kept.may_send.clear()
        await here.take_over()
        await here.take_all()
        await asyncio.sleep(100)
        assert here.kept.events == ["commit 0"]
        here.kept.may_send.set()
        await asyncio.sleep(1)
        assert here.kept.events == ["commit 0", "outputs", "state 20", "commit 21"]

    run(wait, TEN_SECONDS)


def test_a_take_over_goes_on_behind_the_oldest_offset_whatever_is_committed():
    async def resume(here: Setting) -> None:
        assert await here.take_over() == 0
        await here.take_all()
        await here.owner.give_up()
        assert await here.take_over(here.another()) == len(here.log)
        older = dict(here.kept.state[0])
        here.kept.state[0] = {}
        assert await here.take_over(here.another()) == 0
        here.kept.state[0] = older
        assert here.kept.events[-1] == "commit 0"

    run(resume, TEN_SECONDS)


def test_a_take_over_that_the_group_refuses_owns_nothing():
    async def refused(here: Setting) -> None:
        here.group.ours = False
        assert not await here.owner.take_over([0], 1, GENERATION)
        assert here.owner.owned == ()

    run(refused, TEN_SECONDS)


def test_a_state_of_another_log_is_not_taken_over():
    async def foreign(here: Setting) -> None:
        await here.take_over()
        await here.take_all()
        await here.owner.give_up()
        here.kept.log = here.log[:3]
        with pytest.raises(StateError, match="the topic was deleted and made again"):
            await here.owner.take_over([0], 1, GENERATION)
        assert here.owner.owned == ()

    run(foreign, TEN_SECONDS)


def test_only_the_next_record_of_our_generation_is_folded():
    async def fold(here: Setting) -> None:
        await here.take_over()
        await here.take(0, generation=GENERATION - 1)
        assert here.next() == 0
        await here.take(0)
        await here.take(0)
        assert here.next() == 1
        await here.owner.take(1, GENERATION, 1, *here.log[1])  # a partition that is not ours
        assert (here.next(), here.group.sought) == (1, [(0, 0)])  # that of the taking over

    run(fold, TEN_SECONDS)


def test_a_later_record_is_answered_with_a_seek_once_a_second():
    async def seek(here: Setting) -> None:
        await here.take_over()
        for offset in (3, 4, 5):
            await here.take(offset)
        taking_over = [(0, 0)]
        assert (here.next(), here.group.sought) == (0, [*taking_over, (0, 0)])
        await asyncio.sleep(SEEK_EVERY_S)
        await here.take(6)
        assert here.group.sought == [*taking_over, (0, 0), (0, 0)]

    run(seek, TEN_SECONDS)


def test_seeks_that_lead_nowhere_end_the_worker():
    async def seek(here: Setting) -> None:
        await here.take_over()
        for _ in range(MAX_SEEKS + 1):
            assert not here.owner.failed.done()
            await here.take(3)
            await asyncio.sleep(SEEK_EVERY_S)
        with pytest.raises(WorkerError, match="gives offset 3 where 0 is expected"):
            here.owner.failed.result()

    run(seek, TEN_SECONDS)


def test_a_refused_commit_ends_the_partition_and_not_the_worker():
    async def refused(here: Setting) -> None:
        await here.take_over()
        here.group.ours = False
        await here.take_all()
        await asyncio.sleep(1)
        assert not here.owner.owned[0].alive
        assert not here.owner.failed.done()
        before = here.next()
        await here.take(before) if before < len(here.log) else None
        assert here.next() == before

    run(refused, TEN_SECONDS)


def test_outputs_that_cannot_be_kept_end_the_worker_before_any_state_is_written():
    async def refused(here: Setting) -> None:
        here.kept.error = ConnectionError("Kafka is gone")
        await here.take_over()
        await here.take_all()
        await asyncio.sleep(1)
        with pytest.raises(ConnectionError, match="gone"):
            here.owner.failed.result()
        assert not here.owner.owned[0].alive
        await here.owner.give_up()
        assert here.kept.events == ["commit 0"]

    run(refused, TEN_SECONDS)


def test_giving_up_flushes_what_was_folded_and_counts_it_once():
    async def give_up(here: Setting) -> None:
        await here.take_over()
        await here.take(0)
        await asyncio.gather(here.owner.give_up(), here.owner.give_up())
        assert here.kept.events[-2:] == ["state 0", "commit 1"]
        assert here.metrics.totals().records == 1
        assert here.owner.owned == ()

    run(give_up, TEN_SECONDS)


def test_giving_up_waits_two_seconds_and_no_longer():
    async def give_up(here: Setting) -> None:
        here.kept.may_write.clear()
        await here.take_over()
        await here.take(0)
        begun_s = asyncio.get_running_loop().time()
        await here.owner.give_up()
        assert asyncio.get_running_loop().time() - begun_s == pytest.approx(GIVE_UP_FLUSH_S)
        assert here.owner.owned == ()
        assert here.kept.state == {}

    run(give_up, TEN_SECONDS)


def test_no_flush_follows_one_that_was_cut_short():
    """A second one would vouch for sites that only the first had: they would be lost."""

    async def cut_short(here: Setting) -> None:
        here.kept.may_send.clear()
        await here.take_over()
        await here.take_all()
        await asyncio.sleep(1)
        flush = here.owner.owned[0].flush
        assert flush is not None
        flush.cancel()
        await asyncio.gather(flush, return_exceptions=True)
        here.kept.may_send.set()
        await here.owner.give_up()
        assert here.kept.state == {}
        assert await here.take_over() == 0

    run(cut_short, TEN_SECONDS)


def test_a_flush_that_falls_due_while_giving_up_waits_for_the_one_before():
    async def both(here: Setting) -> None:
        await here.take_over()
        await here.take(0)  # the first record of all lets a flush fall due
        await asyncio.sleep(1)
        here.kept.may_write.clear()
        await here.take(1)
        giving_up = asyncio.create_task(here.owner.give_up())
        await asyncio.sleep(0.1)
        await here.take_all()  # what was fetched before goes on to be folded
        await asyncio.sleep(0.1)
        here.kept.may_write.set()
        await giving_up
        written = [event for event in here.kept.events if event.startswith("state")]
        assert written == ["state 0", "state 1", "state 20"]
        assert not here.owner.failed.done()
        assert await here.take_over() > 0

    run(both, TEN_SECONDS)
