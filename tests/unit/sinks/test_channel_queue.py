"""A chat channel's queue while partitions go and all is stopped."""

from __future__ import annotations

import asyncio
from random import Random

from aiokafka import TopicPartition
from prometheus_client import CollectorRegistry

from schemas.readiness import Readiness
from sinks.backoff import Backoff
from sinks.channel_queue import ChannelQueue
from sinks.chat import Refusal
from sinks.messages import POSSIBLE_REPEAT, Message
from sinks.metrics import ChatMetrics
from sinks.progress import Token

OURS = TopicPartition("alerts", 0)
THEIRS = TopicPartition("alerts", 1)
AWAY = Refusal("is away")
NO_ANSWER = Refusal("did not answer", perhaps_taken=True)


class Chat:
    """A channel whose answers come when the test gives them."""

    name = "chat"

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.repeats: list[str] = []
        self.answers: asyncio.Queue[Refusal | None] = asyncio.Queue()

    async def send(self, message: Message) -> Refusal | None:
        self.asked.append(message.id)
        if POSSIBLE_REPEAT in message.body:
            self.repeats.append(message.id)
        return await self.answers.get()


class Desk:
    """A queue to `Chat`; its waits are so long that only a wake-up ends them."""

    def __init__(self, backoff_s: float = 3600) -> None:
        self.chat = Chat()
        self.registry = CollectorRegistry()
        self.readiness = Readiness("kafka")
        self.readiness.working("kafka")
        self.receipts: list[str] = []
        self.begun: list[str] = []
        self.queue = ChannelQueue(
            self.chat,
            backoff=Backoff(backoff_s, backoff_s, Random(1)),
            metrics=ChatMetrics(self.registry),
            readiness=self.readiness,
            note=self._note,
        )

    async def _note(self, _channel: str, message: Message, *, taken: bool) -> bool:
        (self.receipts if taken else self.begun).append(message.id)
        return True

    def add(self, name: str, partition: TopicPartition) -> Token:
        token = Token(0)
        self.queue.add(Message(name, name, "firing", name, name), token, partition)
        token.done()
        return token

    async def asked(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.chat.asked) < count:
                await asyncio.sleep(0)

    async def waits(self) -> None:
        async with asyncio.timeout(5):
            while "chat chat" not in self.readiness.reasons:
                await asyncio.sleep(0)


async def test_what_waits_of_a_revoked_partition_is_not_told():
    desk = Desk()
    sent, left, kept = desk.add("a", THEIRS), desk.add("b", THEIRS), desk.add("c", OURS)
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        tasks.create_task(desk.queue.run())
        await desk.asked(1)
        desk.queue.leave([THEIRS])
        assert len(desk.queue) == 2
        desk.chat.answers.put_nowait(None)
        await desk.asked(2)
        desk.queue.close()
        desk.chat.answers.put_nowait(None)
    assert desk.chat.asked == desk.receipts == ["a", "c"]
    assert (sent.left, left.left, kept.left) == (0, 1, 0)
    assert desk.registry.get_sample_value("qala_sink_chat_left_total", {"channel": "chat"}) == 1


async def test_a_message_of_a_revoked_partition_is_not_repeated_and_the_next_is_told():
    desk = Desk()
    left = desk.add("a", THEIRS)
    desk.add("b", OURS)
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        tasks.create_task(desk.queue.run())
        desk.chat.answers.put_nowait(AWAY)
        await desk.waits()
        desk.queue.leave([THEIRS])
        await desk.asked(2)
        assert desk.readiness.ready
        desk.queue.close()
        desk.chat.answers.put_nowait(None)
    assert desk.chat.asked == ["a", "b"]
    assert left.left == 1


async def test_a_stop_finishes_the_sending_in_progress_and_begins_no_other():
    desk = Desk()
    sent, unsent = desk.add("a", OURS), desk.add("b", OURS)
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        tasks.create_task(desk.queue.run())
        await desk.asked(1)
        desk.queue.close()
        desk.chat.answers.put_nowait(None)
    assert desk.receipts == ["a"]
    assert (sent.left, unsent.left) == (0, 1)


async def test_a_stop_ends_the_wait_of_a_channel_that_is_away():
    desk = Desk()
    unsent = desk.add("a", OURS)
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        tasks.create_task(desk.queue.run())
        desk.chat.answers.put_nowait(AWAY)
        await desk.waits()
        desk.queue.close()
    assert desk.chat.asked == ["a"]
    assert unsent.left == 1


async def until_taken(desk: Desk, *answers: Refusal | None) -> None:
    """Let the queue send one message, with these answers; waits between them are cut short."""
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        tasks.create_task(desk.queue.run())
        for number, answer in enumerate(answers, 1):
            await desk.asked(number)
            desk.chat.answers.put_nowait(answer)
        await desk.asked(len(answers))
        while desk.receipts == [] and answers[-1] is None:
            await asyncio.sleep(0)
        desk.queue.close()


async def test_before_a_message_is_sent_it_is_noted_that_it_will_be():
    desk = Desk()
    desk.add("a", OURS)
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        tasks.create_task(desk.queue.run())
        await desk.asked(1)
        assert (desk.begun, desk.receipts) == (["a"], [])
        desk.queue.close()
        desk.chat.answers.put_nowait(None)
    assert (desk.begun, desk.receipts, desk.chat.repeats) == (["a"], ["a"], [])


async def test_a_message_that_was_begun_in_an_earlier_life_says_that_it_may_be_a_repeat():
    desk = Desk()
    desk.queue.begun.add("a")
    desk.add("a", OURS)
    await until_taken(desk, None)
    assert (desk.begun, desk.receipts, desk.chat.repeats) == ([], ["a"], ["a"])


async def test_after_an_attempt_without_an_answer_the_next_says_that_it_may_be_a_repeat():
    desk = Desk(backoff_s=0.001)
    desk.add("a", OURS)
    await until_taken(desk, AWAY, NO_ANSWER, AWAY, None)
    assert desk.chat.asked == ["a"] * 4
    assert desk.chat.repeats == ["a", "a"]
    assert desk.receipts == ["a"]


async def test_after_clear_refusals_a_message_is_no_repeat():
    desk = Desk(backoff_s=0.001)
    desk.add("a", OURS)
    await until_taken(desk, AWAY, AWAY, None)
    assert (desk.chat.repeats, desk.receipts) == ([], ["a"])
