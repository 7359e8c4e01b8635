"""What a run left behind, where it is told why it differs."""

from __future__ import annotations

import msgspec

from schemas.envelope import line_bytes, line_head
from tests.chaos.evidence import counted_twice
from tests.chaos.recompute import LogRecord


def log(*readings: tuple[int, int]) -> list[LogRecord]:
    """One record for each reading (seq, ts) of one device."""
    head = line_head("hall-1", "thermometer", "t-1")
    bodies = [
        msgspec.json.encode({"type": "temperature", "ts": ts, "boot": 1, "seq": seq, "celsius": 20})
        for seq, ts in readings
    ]
    return [
        LogRecord(0, offset, 1000 + offset, line_bytes(head, 1, b"reading", body, None))
        for offset, body in enumerate(bodies)
    ]


BEFORE, AFTER = [(0, 10), (1, 20), (2, 30)], [(0, 40), (1, 50)]
ONCE_MORE = [(0, 60), (1, 70)]


def test_what_comes_again_is_a_duplicate_and_does_not_count_twice():
    assert counted_twice(log(*BEFORE, *BEFORE, *AFTER, *AFTER)) == []


def test_what_comes_again_from_before_a_reset_does_not_count_twice():
    assert counted_twice(log(*BEFORE, *AFTER, *BEFORE, *AFTER)) == []


def test_what_comes_again_from_before_two_resets_is_named():
    (told,) = counted_twice(log(*BEFORE, *AFTER, *ONCE_MORE, *BEFORE, *AFTER))
    assert told.startswith("1 readings of hall-1/t-1 came again")
