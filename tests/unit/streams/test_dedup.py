from collections.abc import Iterator

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from streams.dedup import (
    COMPARABLE_MS,
    LEAP_MAX,
    MAX_BOOTS,
    MAX_INTERVALS,
    MISSING_AFTER_MS,
    SeenMemory,
    Verdict,
)

NEW, DUPLICATE, RESET = Verdict.NEW, Verdict.DUPLICATE, Verdict.RESET
UNPROVABLE = Verdict.UNPROVABLE

names = st.tuples(st.integers(0, 5), st.integers(0, 40))
times = st.integers(0, 60)
readings = st.lists(st.tuples(names, times), max_size=250)


def through_kafka(memory: SeenMemory) -> SeenMemory:
    return SeenMemory.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(memory.snapshot())))


def verdicts(readings: list[tuple[int, int, int]]) -> list[Verdict]:
    memory = SeenMemory()
    return [memory.see(boot, seq, ts, 0) for boot, seq, ts in readings]


def naive(readings: list[tuple[tuple[int, int], int]]) -> Iterator[Verdict]:
    """What sets of all names say, one for each generation; the last two are remembered."""
    seen: set[tuple[int, int]] = set()
    before: set[tuple[int, int]] = set()
    newest = reset_after = -1
    for name, ts in readings:
        if ts <= reset_after:
            yield DUPLICATE if name in before else NEW
            before.add(name)
            continue
        if name not in seen:
            yield NEW
        elif ts > newest:
            before, seen, reset_after = seen, set(), newest
            yield RESET
        else:
            yield DUPLICATE
        seen.add(name)
        newest = max(newest, ts)


@given(readings)
def test_verdicts_are_those_of_a_set_of_all_names(drawn):
    memory = SeenMemory()
    found = [memory.see(*name, ts, 0) for name, ts in drawn]
    assert found == list(naive(drawn))


@given(readings, st.sets(st.integers(0, 249)))
def test_a_restart_anywhere_changes_no_verdict(drawn, restarts):
    memory = SeenMemory()
    found = []
    for place, (name, ts) in enumerate(drawn):
        found.append(memory.see(*name, ts, place))
        if place in restarts:
            before = memory.snapshot()
            memory = through_kafka(memory)
            assert msgspec.to_builtins(memory.snapshot()) == msgspec.to_builtins(before)
    assert found == list(naive(drawn))


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 2000)), max_size=600))
def test_the_memory_is_bounded_and_nothing_within_it_is_unprovable(drawn):
    memory = SeenMemory()
    seen = set()
    for boot, seq in drawn:
        verdict = memory.see(boot, seq, 0, 0)
        if verdict is NEW:
            assert (boot, seq) not in seen
        if verdict is DUPLICATE:
            assert (boot, seq) in seen
        if verdict is UNPROVABLE:
            boots = {known for known, _ in seen}
            assert len(boots) > MAX_BOOTS or len(seen) >= MAX_INTERVALS
        seen.add((boot, seq))
        assert len(memory.boots) <= MAX_BOOTS
        assert sum(map(len, memory.boots.values())) <= MAX_INTERVALS


def test_the_ninth_boot_makes_the_first_one_unprovable_and_no_other():
    memory = SeenMemory()
    for boot in range(9):
        assert memory.see(boot, 0, boot, 0) is NEW
    assert memory.see(0, 0, 0, 0) is UNPROVABLE
    assert memory.see(0, 1, 0, 0) is UNPROVABLE
    assert [memory.see(boot, 0, 0, 0) for boot in range(1, 9)] == [DUPLICATE] * 8
    assert [memory.see(boot, 1, 0, 0) for boot in range(1, 9)] == [NEW] * 8


def test_names_below_256_intervals_are_unprovable_and_those_within_are_not():
    memory = SeenMemory()
    for seq in range(0, 2 * MAX_INTERVALS + 2, 2):
        assert memory.see(1, seq, seq, 0) is NEW
    assert memory.see(1, 0, 0, 0) is UNPROVABLE
    assert memory.see(1, 2, 0, 0) is DUPLICATE
    assert memory.see(1, 3, 0, 0) is NEW


def test_a_known_name_with_the_same_or_an_older_time_is_a_duplicate():
    assert (
        verdicts([(1, 0, 50), (1, 1, 60), (1, 0, 50), (1, 1, 60), (1, 1, 55)])[2:]
        == [DUPLICATE] * 3
    )


def test_a_known_name_with_the_newest_time_begins_a_generation_in_which_all_is_new():
    assert verdicts([(1, 0, 50), (1, 1, 60), (1, 0, 61), (1, 1, 62), (1, 0, 61)])[2:] == [
        RESET,
        NEW,
        DUPLICATE,
    ]


def test_what_comes_again_from_before_a_reset_is_a_duplicate_and_what_never_came_is_new():
    before = [(1, 0, 50), (1, 1, 60), (1, 2, 70), (1, 4, 80)]
    after = [(1, 0, 90), (1, 1, 100), (1, 2, 110)]
    again = [(1, 4, 80), (1, 3, 75), (1, 3, 75), (1, 0, 50), (1, 2, 110), (1, 3, 120)]
    assert verdicts(before + after + again)[4:] == [
        *(RESET, NEW, NEW),
        *(DUPLICATE, NEW, DUPLICATE, DUPLICATE, DUPLICATE, NEW),
    ]


def test_what_is_remembered_of_before_a_reset_is_bounded_too():
    memory = SeenMemory()
    for generation in range(3):
        for seq in range(0, 2 * MAX_INTERVALS, 2):
            memory.see(1, seq, 10_000 * generation + seq, 0)
    assert memory.before is not None
    assert memory.before.before is None
    for seq in range(1, 2 * MAX_INTERVALS, 4):
        memory.see(9, seq, 10_000, 0)
    assert sum(map(len, memory.before.boots.values())) <= MAX_INTERVALS


def test_a_reading_of_before_a_reset_that_is_believed_only_now_is_a_duplicate():
    memory = SeenMemory()
    memory.see(1, 0, 1000, 0)
    memory.see(1, 1, 10_000, 2000, believed=False)
    assert memory.see(1, 0, 11_000, 11_000) is RESET
    assert memory.see(1, 1, 10_000, 12_000) is DUPLICATE
    assert memory.see(1, 1, 12_000, 12_000) is NEW


AHEAD_MS = 5 * 3_600_000


def reset_under_a_clock_ahead(since: int) -> tuple[SeenMemory, int]:
    """3600 readings of a clock five hours ahead, a reset and ``since`` more; and the time then."""
    memory = SeenMemory()
    for second, seq in enumerate([*range(3600), *range(since)]):
        verdict = memory.see(1, seq, 1000 * second + AHEAD_MS, 1000 * second, believed=False)
        assert verdict is (RESET if second == 3600 else NEW)
    return memory, 1000 * (3600 + since)


def test_after_a_clock_was_put_right_all_that_a_device_sends_is_new():
    memory, now_ms = reset_under_a_clock_ahead(60)
    times = {seq: now_ms + 1000 * (seq - 60) for seq in range(60, 20_000)}
    assert {memory.see(1, seq, ts, ts) for seq, ts in times.items()} == {NEW}
    assert {memory.see(1, seq, ts, now_ms + AHEAD_MS) for seq, ts in times.items()} == {DUPLICATE}


def test_what_was_lost_or_overtaken_when_the_clock_was_put_right_is_no_matter():
    memory, now_ms = reset_under_a_clock_ahead(60)
    seqs = [60 + LEAP_MAX - 1, 61, 60, 1000, 999, 1001, 62]
    assert {memory.see(1, seq, now_ms + 1000 * seq, now_ms) for seq in seqs} == {NEW}
    assert memory.see(2, 0, now_ms + 2_000_000, now_ms) is NEW
    assert memory.see(2, 1, now_ms + 2_001_000, now_ms) is NEW
    assert memory.before is not None
    assert 2 not in memory.before.boots


def test_readings_of_before_a_reset_under_a_clock_ahead_are_duplicates_also_when_believed():
    memory, now_ms = reset_under_a_clock_ahead(60)
    again = range(60 + LEAP_MAX, 3600)
    for believed in (False, True):
        found = {memory.see(1, seq, 1000 * seq + AHEAD_MS, 0, believed=believed) for seq in again}
        assert found == {DUPLICATE}
    assert memory.see(1, 60, now_ms, now_ms) is NEW  # put right
    assert memory.see(1, 61, now_ms + AHEAD_MS, now_ms + AHEAD_MS) is NEW
    for seq in (60, 59, 3599, 3000):
        assert memory.see(1, seq, 1000 * seq + AHEAD_MS, now_ms + AHEAD_MS) is DUPLICATE


def test_a_clock_days_ahead_drags_nothing_back_when_its_time_comes_near():
    memory = SeenMemory()
    for seq in range(10):
        memory.see(1, seq, 1000 * seq, 0)
        memory.see(2, seq, 1000 * seq + 2 * COMPARABLE_MS, 0, believed=False)
    assert memory.see(1, 0, 10_000, 0) is RESET
    assert memory.see(1, 1, 10_000 + COMPARABLE_MS, 0) is NEW
    assert memory.see(2, 0, 11_000 + COMPARABLE_MS, 0) is NEW


def test_a_reading_that_is_believed_only_when_it_is_sent_again_is_a_duplicate():
    # a clock that is 8 s ahead: at first not believed; when it comes again 10 s later, it is
    memory = SeenMemory()
    memory.see(1, 0, 1000, 0)
    assert memory.see(1, 1, 10_000, 2000, believed=False) is NEW
    assert memory.see(1, 1, 10_000, 12_000, believed=True) is DUPLICATE


def test_a_reading_that_another_bridge_does_not_believe_is_a_duplicate():
    memory = SeenMemory()
    assert memory.see(1, 1, 10_000, 6000, believed=True) is NEW
    assert memory.see(1, 1, 10_000, 6000, believed=False) is DUPLICATE


def test_one_time_in_the_far_future_hides_no_later_reset():
    memory = SeenMemory()
    memory.see(1, 0, 1000, 0)
    memory.see(1, 1, 10 * COMPARABLE_MS, 0, believed=False)
    assert memory.see(1, 0, 2000, 0) is RESET


def test_counters_reset_under_a_clock_that_stands_in_1970_are_noticed():
    memory = SeenMemory()
    now = 50 * COMPARABLE_MS
    memory.see(1, 0, now, now)
    assert memory.see(1, 0, 500, now + 1000, believed=False) is RESET


def test_a_gap_is_missing_once_it_is_older_than_ten_minutes():
    memory = SeenMemory()
    memory.see(1, 0, 0, 0)
    memory.see(1, 4, 0, 1000)
    assert memory.missing(1000 + MISSING_AFTER_MS) == 0
    assert memory.missing(1001 + MISSING_AFTER_MS) == 3


def test_what_fills_a_gap_is_missing_no_more_and_both_parts_of_the_gap_stay_as_old():
    memory = SeenMemory()
    memory.see(1, 0, 0, 0)
    memory.see(1, 9, 0, 1000)
    memory.see(1, 5, 0, 300_000)
    assert memory.missing(1001 + MISSING_AFTER_MS) == 7
    for seq in (1, 2, 3, 4):
        memory.see(1, seq, 0, 300_000)
    assert memory.missing(1001 + MISSING_AFTER_MS) == 3
    for seq in (8, 6, 7):
        memory.see(1, seq, 0, 300_000)
    assert memory.missing(10 * MISSING_AFTER_MS) == 0


def test_a_later_boot_lacks_what_it_did_not_begin_with_and_the_first_known_one_does_not():
    memory = SeenMemory()
    memory.see(5, 7, 0, 0)
    assert memory.missing(2 * MISSING_AFTER_MS) == 0
    memory.see(6, 2, 0, 0)
    assert memory.missing(2 * MISSING_AFTER_MS) == 2
    memory.see(4, 3, 0, 0)  # uploaded late; what it sent before we were there is not missing
    assert memory.missing(2 * MISSING_AFTER_MS) == 2


@given(st.lists(st.integers(0, 60), min_size=1, max_size=60))
def test_missing_is_what_lacks_between_the_lowest_and_the_highest(seqs):
    memory = SeenMemory()
    for seq in seqs:
        memory.see(1, seq, 0, 0)
    expected = max(seqs) - min(seqs) + 1 - len(set(seqs))
    assert memory.missing(2 * MISSING_AFTER_MS) == expected


@given(st.lists(names, max_size=60), st.integers(1, 30))
def test_a_run_noted_by_the_fold_is_as_good_as_each_reading_told(drawn, length):
    told, noted = SeenMemory(), SeenMemory()
    for boot, seq in drawn:
        assert told.see(boot, seq, 0, 0) == noted.see(boot, seq, 0, 0)
        if noted.current_boot < 0:
            continue
        start = noted.next_seq
        for run in range(start, start + length):
            assert told.see(noted.current_boot, run, 0, 0) is NEW
        noted.run_to(start + length, noted.newest_ms)
        assert noted.snapshot() == told.snapshot()
