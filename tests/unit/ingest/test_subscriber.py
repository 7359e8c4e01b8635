"""What a bridge says of its subscriptions, over connections to a broker that refuses some."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

from structlog.testing import capture_logs

from ingest.errors import MqttError, MqttRefusedError
from ingest.metrics import BridgeCounts
from ingest.mqtt import MqttLink
from ingest.subscriber import Subscriber
from ingest.subscriptions import ORDINARY_FILTER, SHARED_FILTER
from schemas.readiness import Readiness
from tests.support.waiting import eventually

OTHERS = frozenset({"qala-bridge-2"})


class Link:
    """The questions of one connection, answered at once: ``refuses`` says how."""

    def __init__(self, refuses: set[str]) -> None:
        self.refuses = refuses
        self.ended: set[str] = set()
        self.closed = asyncio.get_running_loop().create_future()

    async def subscribe(self, patterns: Sequence[str], **_: Any) -> None:
        if refused := set(patterns) & self.refuses:
            raise MqttRefusedError(f"refused '{refused.pop()}'", code=0x87, retryable=True)

    async def unsubscribe(self, patterns: Sequence[str]) -> None:
        self.ended.update(patterns)


class Said:
    """A subscriber, and what it has said."""

    def __init__(self) -> None:
        self._readiness = Readiness()
        self._counts = BridgeCounts()
        self.subscriber = Subscriber(self._readiness, self._counts)

    @asynccontextmanager
    async def connected(self, *refuses: str) -> AsyncIterator[Link]:
        link = Link(set(refuses))
        await self.subscriber.begin(cast("MqttLink", link))
        follow = asyncio.create_task(self.subscriber.follow(cast("MqttLink", link)))
        try:
            yield link
        finally:
            follow.cancel()
            self.subscriber.end()

    @property
    def note(self) -> str | None:
        return self._readiness.notes.get("subscription")

    def held(self) -> list[str]:
        return [how for how, number in self._counts.subscribed.items() if number]

    async def until(self, how: str, *, noted: bool) -> None:
        async def said() -> tuple[list[str], bool]:
            return self.held(), self.note is not None

        await eventually(said, lambda found: found == ([how], noted))


async def test_a_refusal_is_noted_on_each_connection_and_logged_once() -> None:
    said = Said()
    said.subscriber.members(OTHERS)
    with capture_logs() as logs:
        for _ in range(3):
            async with said.connected(SHARED_FILTER):
                await said.until("ordinary", noted=True)
            assert said.note is None
    assert len(logs) == 1
    assert "each message is taken twice" in logs[0]["why"]


async def test_a_refusal_that_comes_again_after_all_was_well_is_logged_again() -> None:
    said = Said()
    said.subscriber.members(frozenset())
    with capture_logs() as logs:
        for refuses in ([ORDINARY_FILTER], [], [ORDINARY_FILTER]):
            async with said.connected(*refuses) as link:
                await said.until("shared" if refuses else "ordinary", noted=bool(refuses))

                async def ended(link=link) -> set[str]:
                    return link.ended

                await eventually(ended)
    assert len(logs) == 2


async def test_when_the_others_leave_a_refused_share_is_noted_no_more() -> None:
    said = Said()
    said.subscriber.members(OTHERS)
    async with said.connected(SHARED_FILTER):
        await said.until("ordinary", noted=True)
        said.subscriber.members(frozenset())
        await said.until("ordinary", noted=False)
        said.subscriber.members(OTHERS)
        await said.until("ordinary", noted=True)


async def test_where_both_are_refused_nothing_is_said_of_what_comes_twice() -> None:
    said = Said()
    with capture_logs() as logs:
        for _ in range(3):
            try:
                async with said.connected(SHARED_FILTER, ORDINARY_FILTER):
                    raise AssertionError
            except MqttError:
                said.subscriber.end()
    assert logs == []
    assert said.note is None


async def test_without_a_connection_nothing_is_held() -> None:
    said = Said()
    async with said.connected():
        await said.until("shared", noted=False)
    assert said.held() == []
