"""PUBACKs leave in receive order, when all of a message is in Kafka."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ingest.acks import AckQueue, settle


def queue() -> tuple[AckQueue, list[int]]:
    sent: list[int] = []
    acks = AckQueue()
    acks.open(sent.extend)
    return acks, sent


def test_a_message_waits_for_all_of_its_records() -> None:
    acks, sent = queue()
    message = acks.received(7)
    message.left = 2
    settle([message])
    assert sent == []
    settle([message])
    assert sent == [7]
    assert len(acks) == 0


def test_a_complete_message_waits_for_those_before_it() -> None:
    acks, sent = queue()
    first, second = acks.received(1), acks.received(2)
    first.left = second.left = 1
    settle([second])
    assert sent == []
    settle([first])
    assert sent == [1, 2]


def test_nothing_is_sent_before_the_queue_is_opened_nor_after_it_is_closed() -> None:
    acks = AckQueue()
    sent: list[int] = []
    acks.received(1)
    acks.advance()
    assert sent == []
    acks.open(sent.extend)
    assert sent == [1]
    late = acks.received(2)
    late.left = 1
    acks.close()
    settle([late])
    assert sent == [1]


@given(st.lists(st.integers(0, 3), max_size=20), st.randoms(use_true_random=False))
def test_the_acknowledged_are_always_the_longest_complete_prefix(counts, random) -> None:
    acks, sent = queue()
    messages = []
    for packet_id, left in enumerate(counts):
        message = acks.received(packet_id)
        message.left = left
        messages.append(message)
    records = [message for message in messages for _ in range(message.left)]
    random.shuffle(records)
    acks.advance()
    for record in records:
        settle([record])
        complete = [message.left == 0 for message in messages]
        prefix = complete.index(False) if False in complete else len(complete)
        assert sent == list(range(prefix))
    assert sent == list(range(len(counts)))
