"""What befalls which process when: the properties of every schedule."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.chaos.schedule import (
    AT_ONCE,
    CALM_S,
    FEWEST_SECONDS,
    LONGEST_DOWN_S,
    LONGEST_STOP_S,
    ONLY_RESTARTED,
    PROCESSES,
    SHORTEST_STOP_S,
    make_schedule,
)

SEEDS = st.integers(0, 2**32)
SECONDS = st.floats(FEWEST_SECONDS, 900)


@given(SEEDS, SECONDS)
def test_the_same_seed_gives_the_same_schedule(seed, seconds):
    assert make_schedule(seed, seconds) == make_schedule(seed, seconds)


def test_another_seed_gives_another_schedule():
    assert len({make_schedule(seed, 180).faults for seed in range(50)}) == 50


@given(SEEDS, SECONDS)
def test_at_most_two_faults_are_open_at_once_and_one_of_a_process(seed, seconds):
    faults = make_schedule(seed, seconds).faults
    for fault in faults:
        open_then = [one for one in faults if one.at_s <= fault.at_s < one.until_s or one is fault]
        assert len(open_then) <= AT_ONCE
        assert len({one.process for one in open_then}) == len(open_then)


@given(SEEDS, SECONDS)
def test_every_process_is_hit_and_the_end_is_calm(seed, seconds):
    faults = make_schedule(seed, seconds).faults
    assert {fault.process for fault in faults} == set(PROCESSES)
    assert all(fault.until_s <= seconds - CALM_S for fault in faults)
    assert list(faults) == sorted(faults)
    assert faults[0].at_s >= 0


@given(SEEDS, SECONDS)
def test_faults_last_as_long_as_their_kind_may_and_the_broker_is_only_restarted(seed, seconds):
    for fault in make_schedule(seed, seconds).faults:
        if fault.kind == "stop":
            assert SHORTEST_STOP_S <= fault.for_s <= LONGEST_STOP_S
        else:
            assert 0 <= fault.for_s <= LONGEST_DOWN_S
        assert fault.kind == "restart" or fault.process not in ONLY_RESTARTED


def test_ten_long_schedules_hold_every_kind_of_fault_of_every_process():
    seen = {
        (fault.process, fault.kind)
        for seed in range(10)
        for fault in make_schedule(seed, 180).faults
    }
    assert seen == {
        (process, kind)
        for process in PROCESSES
        for kind in ("kill", "stop", "restart")
        if kind == "restart" or process not in ONLY_RESTARTED
    }


def test_too_few_seconds_are_refused_with_what_to_give():
    with pytest.raises(ValueError, match=r"24 s are too few .* give 25 or more"):
        make_schedule(1, 24)
