"""A chat that is away for an hour, in virtual time, beside one that works."""

from __future__ import annotations

import asyncio
from random import Random

from aiokafka import TopicPartition
from prometheus_client import CollectorRegistry

from schemas.readiness import Readiness
from sinks import ChatSinkSettings
from sinks.backoff import Backoff
from sinks.channel_queue import ChannelQueue
from sinks.chat import Refusal
from sinks.messages import POSSIBLE_REPEAT, Message
from sinks.metrics import ChatMetrics
from sinks.progress import Token
from tests.chaos.simulated.loop import VirtualLoop

HOUR_S = 3600.0
MINUTE_S = 60.0
ALERTS = 60


class Chat:
    """A channel that refuses everything before ``back_s``; knows when it was asked and told."""

    def __init__(self, name: str, loop: VirtualLoop, back_s: float) -> None:
        self.name = name
        self.asked_s: list[float] = []
        self.told: list[tuple[str, float]] = []
        self.repeats = 0
        self._loop = loop
        self._back_s = back_s

    async def send(self, message: Message) -> Refusal | None:
        now_s = self._loop.time()
        self.asked_s.append(now_s)
        if now_s < self._back_s:
            return Refusal(f"{self.name} is away")
        self.told.append((message.id, now_s))
        self.repeats += POSSIBLE_REPEAT in message.body
        return None


class Desk:
    """A channel's queue with the waits of the settings, and the offsets that it holds open."""

    def __init__(self, chat: Chat, readiness: Readiness) -> None:
        settings = ChatSinkSettings()
        self.chat = chat
        self.tokens: list[Token] = []
        self.queue = ChannelQueue(
            chat,
            backoff=Backoff(settings.backoff_first_s, settings.backoff_most_s, Random(1)),
            metrics=ChatMetrics(CollectorRegistry()),
            readiness=readiness,
            note=self._noted,
        )

    async def _noted(self, _channel: str, message: Message, *, taken: bool) -> bool:
        assert message.id not in {name for name, _ in self.chat.told} or taken
        return True

    def add(self, name: str) -> None:
        token = Token(len(self.tokens))
        self.tokens.append(token)
        self.queue.add(Message(name, name, "firing", name, name), token, TopicPartition("a", 0))
        token.done()

    @property
    def open(self) -> int:
        return sum(token.left > 0 for token in self.tokens)


def test_a_chat_that_is_away_for_an_hour_is_told_all_in_order_and_holds_back_no_other():
    loop = VirtualLoop()
    readiness = Readiness()
    ill = Desk(Chat("ill", loop, HOUR_S), readiness)
    well = Desk(Chat("well", loop, 0.0), readiness)
    names = [f"alert-{number}" for number in range(ALERTS)]

    async def an_hour_and_a_bit() -> None:
        running = [asyncio.create_task(desk.queue.run()) for desk in (ill, well)]
        for name in names:
            for desk in (ill, well):
                desk.add(name)
            await asyncio.sleep(MINUTE_S)
            if loop.time() < HOUR_S:
                assert well.open == 0
                assert ill.open == len(ill.tokens)
                assert readiness.reasons == {"chat ill": "ill is away"}
        await asyncio.sleep(ChatSinkSettings().backoff_most_s)
        for desk in (ill, well):
            desk.queue.close()
        await asyncio.gather(*running)

    loop.run(an_hour_and_a_bit())
    assert well.chat.told == [(name, number * MINUTE_S) for number, name in enumerate(names)]
    assert [name for name, _ in ill.chat.told] == names
    assert ill.chat.told[-1][1] <= HOUR_S + ChatSinkSettings().backoff_most_s
    assert ill.open == well.open == ill.chat.repeats == 0
    assert readiness.ready
    # one attempt in 30 to 60 s, after the first few that come sooner
    assert HOUR_S / 60 <= len(ill.chat.asked_s) - ALERTS <= HOUR_S / 30 + 6
