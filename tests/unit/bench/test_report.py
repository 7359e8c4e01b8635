"""What the bench says of what it measured."""

from __future__ import annotations

import asyncio
import math
import os

import pytest

from tests.bench.meter import BehindError, Cost, Meter, Reached
from tests.bench.mistakes import Mistakes, Share
from tests.bench.report import as_json, as_markdown, cost_rows, delay_rows, mistake_rows
from tests.bench.rounds import Figures, Median


def cost(us: float, memory: float = 10.0) -> Cost:
    return Cost(readings=1000, cpu_s=us / 1000, wall_s=1.0, peak_mib=memory)


def figures(full: dict[str, list[Cost | None]], paced: dict[str, list[Cost | None]]) -> Figures:
    made = Figures()
    made.full.update(full)
    made.paced.update(paced)
    return made


SLOW_PACE: dict[str, list[Cost | None]] = {"bridge": [None], "sink": [cost(9)]}
FOUND = {
    "Qala": figures(
        {"bridge": [cost(4), cost(2), cost(3)], "sink": [cost(1), cost(1), cost(2)]},
        {"bridge": [cost(6), cost(6)], "sink": [cost(2), cost(2)]},
    ),
    "slow": figures({"bridge": [cost(8)], "sink": [cost(8)]}, SLOW_PACE),
    "one": figures({"bridge": [cost(12)]}, {}),
}  # fmt: skip


def test_a_stage_is_shown_by_its_median_and_its_extremes():
    assert cost_rows(FOUND)[0] == ("Qala", "bridge", "3.0 (2.0 to 4.0)", "6.0 (6.0 to 6.0)",
                                   "2.0", "", "10")  # fmt: skip


def test_stages_together_are_the_sum_and_are_compared_with_ours():
    together = {row[1]: row for row in cost_rows(FOUND)[2:6]}["together"]
    assert together[2] == "16.0 (16.0 to 16.0)"
    assert together[5] == "3.2"  # of 5.0


def test_stages_together_are_added_up_within_each_round():
    # 4 + 1, 2 + 1 and 3 + 2: no run took the 3 that both stages' lowest would make
    assert cost_rows(FOUND)[2][2] == "5.0 (3.0 to 5.0)"
    uneven = {"Qala": figures({"bridge": [cost(4), cost(1)], "sink": [cost(1), cost(4)]}, {})}
    assert cost_rows(uneven)[2][2] == "5.0 (5.0 to 5.0)"


def test_what_could_not_keep_up_has_no_paced_cost():
    together = cost_rows(FOUND)[5]
    assert together[1] == "together"
    assert together[3] == "–"


def test_a_single_stage_is_compared_with_the_same_stage_of_ours():
    assert cost_rows(FOUND)[6][5] == "4.0"


def test_a_run_that_was_too_slow_leaves_no_median():
    assert Median.of([cost(1), None]) is None
    assert Median.of([]) is None


def test_delays_are_given_as_seen_and_what_never_came_as_never():
    found = {"Qala": Figures(delays_s=[number / 100 for number in range(1, 100)] + [math.inf])}
    assert delay_rows(found) == [("Qala", "0.50", "0.99", "100")]
    found["Qala"].delays_s.append(math.inf)
    assert delay_rows(found)[0][2] == "never"


def test_a_mistake_that_a_system_cannot_make_is_a_dash():
    found = {"Qala": Figures(), "other": Figures()}
    found["other"].mistakes = Mistakes({"sent twice: counted twice": Share(3, 10)})
    assert mistake_rows(found) == [("sent twice: counted twice", "–", "3 of 10")]


def test_markdown_and_json_hold_every_system():
    text, data = as_markdown(FOUND), as_json(FOUND)
    for name in FOUND:
        assert f"| {name} |" in text
        assert f'"{name}"'.encode() in data


async def test_a_meter_leaves_out_the_first_tenth():
    steps = iter([Reached(0, 1.0), Reached(50, 1.5), Reached(200, 2.0), Reached(1000, 6.0)])

    async def progress() -> Reached:
        return next(steps)

    spent = await Meter(os.getpid(), progress).until(1000, timeout_s=10)
    assert (spent.readings, spent.cpu_s) == (800, 4.0)
    assert spent.us == pytest.approx(5000)
    assert spent.peak_mib > 1


async def test_a_meter_leaves_out_the_first_reading_of_each_device():
    steps = iter([Reached(150, 1.0), Reached(400, 2.0), Reached(1000, 6.0)])

    async def progress() -> Reached:
        return next(steps)

    spent = await Meter(os.getpid(), progress).until(1000, timeout_s=10, devices=300)
    assert (spent.readings, spent.cpu_s) == (600, 4.0)


async def test_a_meter_does_not_count_what_was_begun_in_the_warm_up():
    # decoded in the warm-up, and only written afterwards
    steps = iter([Reached(200, 2.0, 700), Reached(1000, 6.0, 1000)])

    async def progress() -> Reached:
        return next(steps)

    spent = await Meter(os.getpid(), progress).until(1000, timeout_s=10)
    assert (spent.readings, spent.cpu_s) == (300, 4.0)


async def test_a_meter_does_not_guess_what_was_over_before_it_looked():
    async def progress() -> Reached:
        return Reached(1000, 1.0)

    with pytest.raises(BehindError, match="over at once"):
        await Meter(os.getpid(), progress).until(1000, timeout_s=10)


async def test_a_meter_takes_the_time_from_the_process_where_it_does_not_say_itself():
    async def progress() -> Reached:
        return Reached(7)

    meter = Meter(os.getpid(), progress)
    first = await meter.sample()
    end = first.cpu_s + 0.06
    while (await meter.sample()).cpu_s < end:
        await asyncio.to_thread(sum, range(200_000))
    assert meter.between(first, await meter.sample()).cpu_s >= 0.05


async def test_a_meter_says_how_far_a_stage_came_that_is_too_slow():
    async def progress() -> Reached:
        return Reached(3, 1.0)

    with pytest.raises(BehindError, match="3 of 1,000"):
        await Meter(os.getpid(), progress).until(1000, timeout_s=0)
