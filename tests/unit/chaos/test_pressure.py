"""What a run under pressure is judged by: each thing that may go wrong makes it fail."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from tests.chaos.pressure import sentence, table
from tests.chaos.pressure_run import BOUNDS_MIB, Outcome
from tests.chaos.pressure_watch import Seen

VERIFIED = {"ok": True, "valid_distinct": 9, "stored": 9, "lost": 0, "differing": 0}


def outcome() -> Outcome:
    stages = {name: Seen(80.0, 90.0, 85.0, Counter({"kafka: away": 3})) for name in BOUNDS_MIB}
    return Outcome("kafka", 300.0, 2000.0, 1990.0, stages, 400.0, 30.0, VERIFIED)


def test_a_run_in_which_all_is_kept_told_and_stored_is_as_it_should_be():
    assert outcome().ok
    assert sentence(outcome()).endswith("as it should be")
    assert table(outcome()).row_count == len(BOUNDS_MIB) + 1


def test_one_process_above_its_bound_is_named_and_fails_the_run():
    run = outcome()
    run.stages["bridge"].most_mib = BOUNDS_MIB["bridge"] + 0.1
    assert run.over == ["bridge"]
    assert not run.ok
    assert "above their bound: bridge" in sentence(run)


def test_a_stage_that_does_not_say_what_it_waits_for_fails_the_run():
    run = replace(outcome(), silent=["sink-chat"])
    assert not run.ok
    assert "did not say what they wait for: sink-chat" in sentence(run)


def test_a_stage_that_is_not_ready_though_nothing_touches_it_fails_the_run():
    run = replace(outcome(), complaining=["bridge"])
    assert not run.ok
    assert "not ready without a reason: bridge" in sentence(run)


def test_one_lost_reading_fails_the_run():
    run = replace(outcome(), verified=VERIFIED | {"ok": False, "stored": 8, "lost": 1})
    assert not run.ok
    assert "1 lost" in sentence(run)
    assert sentence(run).endswith("NOT as it should be")
