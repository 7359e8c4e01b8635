"""PUBACKs leave in receive order, when all of a message is in Kafka."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ingest.acks import AckQueue, Pending, settle


def queue() -> tuple[AckQueue, list[int]]:
    sent: list[int] = []
    acks = AckQueue()
    acks.open(sent.extend)
    return acks, sent


def test_a_message_waits_for_all_of_its_records() -> None:
    acks, sent = queue()
    acks.received(7)
    first, second = acks.pending(), acks.pending()
    settle([first])
    assert sent == []
    settle([second])
    assert sent == [7]
    assert len(acks) == 0


def test_a_complete_message_waits_for_those_before_it() -> None:
    acks, sent = queue()
    acks.received(1)
    first = acks.pending()
    acks.received(2)
    second = acks.pending()
    settle([second])
    assert sent == []
    settle([first])
    assert sent == [1, 2]


def test_a_record_holds_back_its_first_message_and_none_before_it() -> None:
    acks, sent = queue()
    acks.received(1)
    first = acks.pending()
    acks.received(2)
    second = acks.pending()
    acks.received(3)
    settle([first])
    assert sent == [1]
    settle([second])
    assert sent == [1, 2, 3]


def test_nothing_is_sent_before_the_queue_is_opened_nor_after_it_is_closed() -> None:
    acks = AckQueue()
    sent: list[int] = []
    acks.received(1)
    acks.advance()
    assert sent == []
    acks.open(sent.extend)
    assert sent == [1]
    acks.received(2)
    late = acks.pending()
    acks.close()
    settle([late])
    assert sent == [1]


@given(
    st.lists(st.lists(st.integers(0, 3), max_size=4), max_size=20),
    st.randoms(use_true_random=False),
)
def test_the_acknowledged_are_always_the_longest_complete_prefix(messages, random) -> None:
    """Each message has lines for some of four lanes, whose records are closed at any time."""
    acks, sent = queue()
    opened: dict[int, tuple[Pending, set[int]]] = {}
    flying: list[tuple[Pending, set[int]]] = []

    def expected() -> list[int]:
        incomplete = set().union(*(members for _, members in [*opened.values(), *flying]))
        return list(range(min(incomplete, default=received)))

    received = 0
    for packet_id, lanes in enumerate(messages):
        acks.received(packet_id)
        for lane in lanes:
            if lane not in opened:
                opened[lane] = (acks.pending(), set())
            opened[lane][1].add(packet_id)
            if random.random() < 0.3:
                flying.append(opened.pop(lane))
        received = packet_id + 1
        if not lanes:
            acks.advance()
        while flying and random.random() < 0.5:
            settle([flying.pop(random.randrange(len(flying)))[0]])
            assert sent == expected()
    flying += opened.values()
    opened.clear()
    random.shuffle(flying)
    while flying:
        settle([flying.pop()[0]])
        assert sent == expected()
    acks.advance()
    assert sent == list(range(len(messages)))


def test_the_queue_is_full_beyond_its_bound_and_until_half_of_it_is_gone() -> None:
    turns: list[bool] = []
    acks = AckQueue(4, lambda: turns.append(acks.full))
    acks.open(lambda _: None)
    pending = []
    for packet_id in range(1, 5):
        acks.received(packet_id)
        pending.append(acks.pending())
        acks.look()
    assert turns == []
    acks.received(5)
    acks.look()
    acks.look()
    assert turns == [True]
    settle(pending[:2])
    assert (turns, len(acks)) == ([True], 3)
    settle(pending[2:3])
    assert (turns, len(acks)) == ([True, False], 2)
