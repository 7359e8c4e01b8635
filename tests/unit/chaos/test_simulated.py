"""Crashes, zombies and rebalances in simulated time: nothing lost, nothing counted twice.

A seed that fails is run again, with what happened in words, by
``python -m tests.chaos.simulated --seed K``.
"""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from tests.chaos.simulated.loop import Process, VirtualLoop
from tests.chaos.simulated.plants import HARMFUL, HARMLESS
from tests.chaos.simulated.runs import (
    RUNS_OF_A_LOG,
    TESTED_SEEDS,
    cut_everywhere,
    first_found,
    run_seed,
)

BATCH = 50
EVERY_STEP_OF = 3
SEEDS_OF_HARMLESS = 25


@pytest.fixture(autouse=True)
def quietly():
    """Thousands of takings over would hide what failed."""
    with capture_logs():
        yield


@pytest.mark.parametrize("first", range(0, TESTED_SEEDS, BATCH))
def test_whatever_befalls_the_workers_the_outcome_is_that_of_a_quiet_fold(first):
    troubles = 0
    for seed in range(first, first + BATCH):
        outcome = run_seed(seed)
        assert outcome.problems == [], f"python -m tests.chaos.simulated --seed {seed}"
        troubles += outcome.troubles
    assert troubles > BATCH


def test_a_worker_cut_off_at_any_step_changes_nothing():
    cut = list(cut_everywhere(every=EVERY_STEP_OF))
    assert [found for found in cut if found.outcome.problems] == []
    assert len(cut) > 200


@pytest.mark.parametrize("make_owner", HARMFUL)
def test_a_planted_fault_is_found(make_owner):
    found = first_found(make_owner, naming="qala.")
    assert found is not None
    assert first_found_again(make_owner, found.what) == found.outcome.problems


@pytest.mark.parametrize("make_owner", HARMLESS)
def test_what_the_fences_make_harmless_is_harmless(make_owner):
    assert first_found(make_owner, SEEDS_OF_HARMLESS) is None


def first_found_again(make_owner, what: str) -> list[str]:
    return run_seed(int(what.removeprefix("--seed ")), make_owner=make_owner).problems


def test_a_seed_gives_the_same_run_again():
    first, again = (run_seed(RUNS_OF_A_LOG, traced=True) for _ in range(2))
    assert first == again
    assert any("is killed" in line for line in first.trace)


def test_virtual_time_passes_without_real_time():
    loop = VirtualLoop()
    loop.run(asyncio.sleep(1_000_000))
    assert loop.time() == 1_000_000


def test_a_stopped_process_goes_on_when_it_is_woken_and_a_killed_one_never():
    loop = VirtualLoop()
    done = []

    async def tick(name: str) -> None:
        while True:
            await asyncio.sleep(1)
            done.append((name, loop.time()))

    async def main() -> None:
        stopped, killed = Process("stopped"), Process("killed")
        for process in (stopped, killed):
            loop.create_task(tick(process.name), context=process.context())
        await asyncio.sleep(1.5)
        stopped.stopped, killed.alive = True, False
        await asyncio.sleep(10)
        loop.wake(stopped)
        await asyncio.sleep(1.1)

    loop.run(main())
    assert done == [("stopped", 1), ("killed", 1), ("stopped", 11.5), ("stopped", 12.5)]


def test_a_run_in_which_everything_waits_for_ever_ends_with_an_error():
    async def wait() -> None:
        await asyncio.Event().wait()

    with pytest.raises(TimeoutError, match="nothing is on its way"):
        VirtualLoop().run(wait())
