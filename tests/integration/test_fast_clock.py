"""A simulated city on a fast clock while workers are killed: windows up to the hour."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from infra.ledger import Ledger
from tests.support.city_stack import CityStack, city_stack
from tests.support.recompute import compare_throughput, compare_windows
from tests.support.simulated import FAULTS, assert_all_is_there


@pytest.mark.timeout(400)
async def test_windows_of_a_fast_clock_survive_worker_kills_to_the_hour(tmp_path: Path) -> None:
    """60 times as fast: an hour's window ends within a minute or two of the test's time."""
    async with city_stack(tmp_path, clock="now,60") as city:
        run = asyncio.create_task(
            city.simulate(
                "--count", "60000", "--rate", "1500", "--devices", "200", "--sites", "12",
                "--faults", FAULTS, "--seed", "12",
            )
        )  # fmt: skip
        await kill_workers(city)
        ledger = await run
        assert_all_is_there(await city.verify(ledger), 60_000)
        influx = city.stack.influx_connection
        windows = ("10s", "1m", "1h")
        assert await compare_windows(ledger, influx, windows, timeout_s=150) == []
        assert await compare_throughput(ledger, influx) == []
        assert sum(1 for _ in Ledger(ledger).entries()) > 54_000


async def kill_workers(city: CityStack) -> None:
    """SIGKILL the only worker three times, then one of two."""
    workers = [stage for stage in city.stack.stages if stage.name.startswith("streams")]
    for _ in range(3):
        await asyncio.sleep(6)
        assert workers[-1].running, workers[-1].died()
        await workers[-1].kill()
        workers.append(await city.start("streams"))
    workers.append(await city.start("streams"))
    await asyncio.sleep(8)
    assert workers[-1].running
    assert workers[-2].running
    await workers[-2].kill()
