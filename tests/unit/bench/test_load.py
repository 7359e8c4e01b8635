"""The bench's load: recorded once, sent with other dates, and known in every detail."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from infra.simulator import Faults
from tests.bench.load import BEGAN_MS, Load, Schedule, load, record
from tests.bench.truth import Window, Wrong, compare, truth, windows_of

NOW = Schedule(start_ms=BEGAN_MS + 86_400_000, rate=200.0)
FAULTS = Faults(duplicates=0.1, late=0.1, malformed=0.05, wrong_clock=0.05, quirks=0.05)


def sent(recorded: Load, schedule: Schedule) -> list[dict]:
    """All readings of a faultless load, as they would be sent."""
    return [json.loads(payload) for _, payload in schedule.sent(recorded)]


def test_a_load_is_the_same_every_time_and_after_being_saved(tmp_path):
    one = record(count=300, devices=12, rate=100, faults=FAULTS)
    one.save(tmp_path / "load")
    assert one == record(count=300, devices=12, rate=100, faults=FAULTS) == load(tmp_path / "load")
    assert one != record(count=300, devices=12, rate=100, faults=FAULTS, seed=2)


def test_a_replay_moves_dates_and_leaves_every_other_byte():
    recorded = record(count=300, devices=12, rate=100, faults=FAULTS)
    for message, payload in NOW.sent(recorded):
        assert len(payload) == len(message.payload)
        changed = [a for a, b in zip(message.payload, payload, strict=True) if a != b]
        assert all(chr(byte).isdigit() for byte in changed)


def test_readings_are_dated_by_the_rate_at_which_they_are_sent():
    readings = sent(record(count=400, devices=8, rate=100), NOW)
    assert [reading["ts"] - NOW.start_ms for reading in readings] == [
        5 * number for number in range(400)
    ]
    assert {reading["boot"] for reading in readings} == {NOW.start_ms // 1000}


def test_a_repeated_message_bears_the_date_of_the_first():
    recorded = record(count=600, devices=12, rate=100, faults=Faults(duplicates=0.2))
    payloads = Counter(payload for _, payload in NOW.sent(recorded))
    repeated = sum(message.meant == "duplicate" for message in recorded.messages)
    assert repeated > 50
    assert sum(count - 1 for count in payloads.values()) == repeated


def test_a_clock_that_is_wrong_stays_wrong_after_a_replay():
    recorded = record(count=600, devices=12, rate=100, faults=Faults(wrong_clock=0.3))
    for message, payload in NOW.sent(recorded):
        if message.meant == "wrong_clock":
            ts = json.loads(payload)["ts"]
            assert ts < 4_000_000_000 or ts > NOW.start_ms + 3_600_000


def test_twins_are_two_readings_of_one_device_in_one_millisecond():
    recorded = record(count=400, devices=8, rate=100, twins_every=20, site_suffix="-twin")
    instants = Counter(
        (message.topic, json.loads(payload)["ts"]) for message, payload in NOW.sent(recorded)
    )
    assert set(instants.values()) == {1, 2}
    assert all("-twin/" in topic for topic, _ in instants)


def test_the_truth_counts_each_valid_reading_once():
    recorded = record(count=600, devices=12, rate=100, faults=FAULTS)
    true = truth(recorded, NOW)
    meant = Counter(message.meant for message in recorded.messages)
    assert len(true.names) == 600
    assert 0 < true.repeated <= meant["duplicate"]
    assert true.rejected == meant["malformed"]
    assert true.unbelieved == meant["wrong_clock"]
    assert 0 < true.windows.total() < 600  # passages and tickets are left out


@pytest.mark.parametrize(
    "found, wrong",
    [
        ({0: 5, 10: 5}, Wrong(0, 0, 0)),
        ({0: 5, 10: 3}, Wrong(2, 0, 0)),
        ({0: 6, 10: 5}, Wrong(0, 1, 0)),
        ({0: 4, 10: 6}, Wrong(0, 0, 1)),
        ({10: 10}, Wrong(0, 0, 5)),
        ({}, Wrong(10, 0, 0)),
    ],
)  # fmt: skip
def test_windows_are_compared_reading_by_reading(found, wrong):
    def windows(counts: dict[int, int]) -> Counter[Window]:
        return Counter({Window("air", "stop-07-x", "i", s): n for s, n in counts.items()})

    assert compare(windows({0: 5, 10: 5}), windows(found)) == wrong


def test_only_windows_of_sites_with_the_ending_are_taken():
    one, other = Window("air", "a-late", "i", 0), Window("air", "a-plain", "i", 0)
    assert windows_of(Counter({one: 2, other: 3}), "-late") == {one: 2}
