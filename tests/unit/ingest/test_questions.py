"""Questions to the broker, and what becomes of them when the connection ends."""

from __future__ import annotations

import asyncio

import mqtt5
import pytest

from ingest.errors import MqttError
from ingest.questions import FIRST_CONTROL_ID, Questions

ENDED = MqttError("the MQTT connection was closed by the broker")


async def test_an_answer_is_that_of_its_packet() -> None:
    sent: list[bytes] = []
    questions = Questions(sent.append, 10, before=int)
    asked = asyncio.create_task(questions.unsubscribe(["a"]))
    await asyncio.sleep(0)
    assert len(sent) == 1
    code = mqtt5.UnsubAckReasonCode.SUCCESS
    questions.answered(mqtt5.UnsubAckPacket(FIRST_CONTROL_ID + 1, [code]))
    await asyncio.sleep(0)
    assert not asked.done()
    questions.answered(mqtt5.UnsubAckPacket(FIRST_CONTROL_ID, [code]))
    await asked


async def test_what_waits_when_the_connection_ends_fails_with_its_error() -> None:
    questions = Questions(lambda _: None, 10, before=int)
    asked = asyncio.create_task(questions.unsubscribe(["a"]))
    await asyncio.sleep(0)
    questions.end(ENDED)
    with pytest.raises(MqttError, match="closed by the broker"):
        await asked


async def test_what_is_asked_of_an_ended_connection_fails_at_once_and_with_the_same_error() -> None:
    sent: list[bytes] = []
    questions = Questions(sent.append, 10, before=int)
    questions.end(ENDED)
    for question in (
        questions.subscribe([mqtt5.TopicFilter("a")], None),
        questions.unsubscribe("a"),
    ):
        with pytest.raises(MqttError, match="closed by the broker"):
            await asyncio.wait_for(question, 0.5)
    assert sent == []


async def test_without_an_answer_in_time_the_broker_is_asked_about() -> None:
    questions = Questions(lambda _: None, 0.01, before=int)
    with pytest.raises(MqttError, match="did not answer in time"):
        await questions.unsubscribe(["a"])


async def test_the_time_of_an_answer_begins_when_no_message_comes_before_it_any_more() -> None:
    left = iter(range(5))
    looked: list[int] = []

    def before() -> int:
        looked.append(next(left, 4))
        return looked[-1]

    questions = Questions(lambda _: None, 0.01, before=before)
    with pytest.raises(MqttError, match="did not answer in time"):
        await questions.unsubscribe(["a"])
    assert looked == [0, 1, 2, 3, 4, 4]


async def test_a_broker_that_sends_messages_and_never_answers_is_not_waited_for_for_ever() -> None:
    questions = Questions(lambda _: None, 0.01, before=object)
    with pytest.raises(MqttError, match="did not answer in time"):
        await asyncio.wait_for(questions.unsubscribe(["a"]), 20)
