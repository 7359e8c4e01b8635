"""Offsets are committed up to the first record that is still in work."""

from __future__ import annotations

from aiokafka import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from sinks.progress import Progress

ONE = TopicPartition("t", 0)


@given(st.permutations(range(8)), st.integers(0, 8))
def test_only_a_contiguous_run_of_done_records_is_committable(order, done):
    progress = Progress()
    tokens = [progress.begin(ONE, 100 + number) for number in range(8)]
    for number in order[:done]:
        tokens[number].done()
    finished = set(order[:done])
    run = next((number for number in range(8) if number not in finished), 8)
    assert progress.committable() == ({ONE: 100 + run} if run else {})


def test_a_record_is_done_when_all_its_parts_are():
    progress = Progress()
    token = progress.begin(ONE, 5)
    token.more()
    token.done()
    assert progress.committable() == {}
    token.done()
    assert progress.committable() == {ONE: 6}


def test_what_was_committed_is_not_committed_again():
    progress = Progress()
    progress.begin(ONE, 5).done()
    progress.committed(progress.committable())
    assert progress.committable() == {}
    assert progress.next_offsets() == {ONE: 6}


def test_a_dropped_partition_commits_nothing_when_its_old_records_end():
    progress = Progress()
    token = progress.begin(ONE, 5)
    generation = progress.generation
    progress.drop([ONE])
    token.done()
    assert progress.committable() == {}
    assert progress.generation != generation


def test_what_was_done_before_a_partition_was_ours_counts_and_is_not_committed_again():
    progress = Progress()
    progress.start(ONE, 40, progress.generation)
    assert progress.next_offsets() == {ONE: 40}
    assert progress.committable() == {}
    progress.begin(ONE, 40).done()
    assert progress.committable() == {ONE: 41}


def test_what_kafka_said_before_a_partition_was_taken_away_counts_no_more():
    progress = Progress()
    generation = progress.generation
    progress.drop([ONE])
    progress.start(ONE, 40, generation)
    assert progress.next_offsets() == {}


def test_what_was_done_here_is_not_set_back_by_what_kafka_says():
    progress = Progress()
    progress.begin(ONE, 50).done()
    assert progress.next_offsets() == {ONE: 51}
    progress.start(ONE, 40, progress.generation)
    assert progress.next_offsets() == {ONE: 51}
