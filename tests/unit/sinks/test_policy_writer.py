"""Batches of one policy: how large, how long they wait, and what a sink that is away costs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from random import Random

import pytest

from sinks import InfluxSinkSettings, ListSink, Trouble, Written
from sinks.backoff import Backoff
from sinks.policy_writer import Chunk, PolicyWriter
from sinks.progress import Token

NOW_NS = 1_800_000_000_000_000_000


def rows(count: int, first: int = 0) -> list[str]:
    return [f"air,site=s f=1.0 {NOW_NS + first + number}" for number in range(count)]


class Counting(ListSink):
    """A twin that notes how many lines each write had."""

    def __init__(self) -> None:
        super().__init__(lambda: NOW_NS)
        self.sizes: list[int] = []

    async def write(self, policy: str, lines: Sequence[str]) -> Written:
        self.sizes.append(len(lines))
        return await super().write(policy, lines)


class Desk:
    """A writer with its sink, and what it reports."""

    def __init__(self, **settings: float) -> None:
        self.sink = Counting()
        self.troubles: list[Trouble | None] = []
        self.written: list[Written] = []
        chosen = InfluxSinkSettings(**({"linger_ms": 5} | settings))
        self.writer = PolicyWriter(
            "r1h",
            self.sink,
            chosen,
            backoff=Backoff(0.001, 0.002, Random(1)),
            settled=self._settled,
            troubled=lambda _policy, trouble: self.troubles.append(trouble),
        )

    async def _settled(self, _policy: str, _chunks: list[Chunk], written: Written) -> None:
        self.written.append(written)

    async def drained(self) -> None:
        self.writer.close()
        await self.writer.run()


async def test_a_batch_has_no_more_lines_than_the_settings_allow():
    desk = Desk(batch_lines=10)
    for first in range(0, 40, 4):
        desk.writer.add(Chunk(rows(4, first), "t"))
    desk.writer.add(Chunk(rows(25, 100), "t"))
    await desk.drained()
    assert sum(desk.sink.sizes) == 65
    assert max(desk.sink.sizes) <= 10


async def test_a_batch_has_no_more_bytes_than_the_settings_allow():
    desk = Desk(batch_bytes=1000)
    desk.writer.add(Chunk(rows(100), "t"))
    await desk.drained()
    assert max(desk.sink.sizes) * len(rows(1)[0]) <= 1000
    assert len(desk.sink.rows) == 100


async def test_a_full_batch_does_not_wait_for_the_linger():
    desk = Desk(linger_ms=60_000, batch_lines=10)
    running = asyncio.create_task(desk.writer.run())
    started = time.monotonic()
    desk.writer.add(Chunk(rows(10), "t"))
    while not desk.written:
        await asyncio.sleep(0)
        assert time.monotonic() - started < 20
    running.cancel()


async def test_a_lone_row_is_written_after_the_linger():
    desk = Desk(linger_ms=5)
    running = asyncio.create_task(desk.writer.run())
    desk.writer.add(Chunk(rows(1), "t"))
    async with asyncio.timeout(20):
        while not desk.written:
            await asyncio.sleep(0.001)
    running.cancel()
    assert desk.sink.sizes == [1]


async def test_a_token_is_done_only_when_its_rows_are_written():
    desk = Desk()
    desk.sink.away = Trouble("away")
    token = Token(1)
    desk.writer.add(Chunk(rows(1), "t", token))
    token.done()
    running = asyncio.create_task(desk.writer.run())
    async with asyncio.timeout(20):
        while len(desk.troubles) < 3:
            await asyncio.sleep(0.001)
        assert token.left == 1
        assert desk.writer.rows == 1
        desk.sink.away = None
        while token.left:
            await asyncio.sleep(0.001)
    running.cancel()
    assert desk.troubles[-1] is None
    assert len(desk.sink.rows) == 1


async def test_only_what_was_kept_is_written_again():
    class Half(Counting):
        async def write(self, policy: str, lines: Sequence[str]) -> Written:
            if len(self.sizes) >= 1:
                return await super().write(policy, lines)
            taken = await super().write(policy, lines[:3])
            return Written(taken.accepted, keep=list(lines[3:]), trouble=Trouble("half"))

    desk = Desk()
    half = desk.writer._sink = Half()
    desk.writer.add(Chunk(rows(10), "t"))
    await desk.drained()
    assert half.sizes == [3, 7]
    assert desk.written[0].accepted == 10


@pytest.mark.parametrize("asked", [None, 3.0])
def test_waits_double_to_their_limit_and_are_never_shorter_than_asked(asked):
    backoff = Backoff(1.0, 8.0, Random(7))
    waits = [backoff.wait_s(asked) - (asked or 0) for _ in range(40)]
    for number, wait in enumerate(waits):
        full = min(8.0, 2.0**number)
        assert full / 2 <= wait <= full
    backoff.reset()
    assert backoff.wait_s() <= 1.0
