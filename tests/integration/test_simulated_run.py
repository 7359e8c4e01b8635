"""A simulated city end to end: nothing lost, and every window as an independent sum has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.city_stack import city_stack
from tests.support.recompute import compare_throughput, compare_windows
from tests.support.simulated import FAULTS, assert_all_is_there


@pytest.mark.timeout(300)
async def test_100_000_faulty_readings_are_stored_once_and_windows_equal_a_recomputation(
    tmp_path: Path,
) -> None:
    async with city_stack(tmp_path) as city:
        ledger = await city.simulate(
            "--count", "100000", "--rate", "5000", "--devices", "300", "--sites", "12",
            "--faults", FAULTS, "--seed", "11",
        )  # fmt: skip
        assert_all_is_there(await city.verify(ledger), 100_000)
        influx = city.stack.influx_connection
        assert await compare_windows(ledger, influx, ("10s", "1m")) == []
        assert await compare_throughput(ledger, influx) == []
