"""Back-pressure in short: a server is away under load, memory is bounded, nothing is lost.

``python -m tests.chaos.pressure`` is the long form, of minutes.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.pressure_run import under_pressure


@pytest.mark.timeout(420)
async def test_while_kafka_is_away_memory_is_bounded_ready_says_why_and_nothing_is_lost(
    tmp_path: Path,
) -> None:
    outcome = await under_pressure(tmp_path, stopped="kafka", seconds=15, rate=300, warm_s=3)
    assert outcome.silent == [], "every stage that it touches names the server that is away"
    assert outcome.complaining == [], "the others are ready"
    assert outcome.over == [], {name: seen.most_mib for name, seen in outcome.stages.items()}
    assert outcome.verified["lost"] == outcome.verified["differing"] == 0, outcome.verified
    assert outcome.verified["valid_distinct"] > 15 * 300
    assert outcome.ok, outcome
