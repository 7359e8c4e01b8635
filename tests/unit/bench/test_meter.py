"""What a stage cost, from what it says of itself."""

from __future__ import annotations

import os

import pytest

from tests.bench.meter import BehindError, Meter, Reached, around_now


def meter(*said: Reached) -> Meter:
    answers = iter(said)

    async def progress() -> Reached:
        return next(answers)

    return Meter(os.getpid(), progress)


async def test_what_was_begun_before_measuring_began_is_left_out_of_the_count() -> None:
    one = meter(Reached(50, 1.0), Reached(200, 2.0, 500), Reached(1000, 6.0))
    cost = await one.until(1000, timeout_s=5)
    assert (cost.readings, cost.cpu_s) == (500, 4.0)


async def test_a_stage_that_had_begun_all_of_it_by_then_is_not_measured() -> None:
    one = meter(Reached(50, 1.0), Reached(200, 2.0, 1000), Reached(1000, 2.5))
    with pytest.raises(BehindError, match="all was begun before it could be measured"):
        await one.until(1000, timeout_s=5)


async def test_what_is_over_before_the_first_look_is_not_measured() -> None:
    with pytest.raises(BehindError, match="over at once"):
        await meter(Reached(1000, 1.0)).until(1000, timeout_s=5)


async def test_a_moment_is_the_mean_of_a_second_for_each_process() -> None:
    steady = meter(*(Reached(1000 * place, place) for place in range(4)))
    jumping = meter(Reached(0, 0.0), Reached(0, 0.0), Reached(5000, 1.0), Reached(5000, 1.0))
    found = await around_now([steady, jumping])
    assert [(one.readings, one.cpu_s) for one in found] == [(1500, 1.5), (2500, 0.5)]
