"""A short run of every fault on real processes, and that the comparison would notice."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.chaos.evidence import judge
from tests.chaos.load import Load
from tests.chaos.measure import Measures
from tests.chaos.recompute import LogRecord
from tests.chaos.run import RULES, run
from tests.chaos.schedule import PROCESSES, make_schedule


def most_news(log: Iterable[LogRecord]) -> LogRecord:
    """The record with the most lines that stood in none before it: not one that came again."""
    known: set[bytes] = set()
    news: dict[LogRecord, int] = {}
    for record in sorted(log, key=lambda one: (one.partition, one.offset)):
        # a line without its receive time, which is another one when it comes again
        lines = {re.sub(rb'"rx":\d+', b"", line) for line in record.value.splitlines()}
        news[record] = len(lines - known)
        known |= lines
    return max(news, key=news.__getitem__)


@pytest.mark.timeout(420)
async def test_killed_stopped_and_restarted_processes_change_nothing_of_what_is_stored(
    tmp_path: Path,
) -> None:
    schedule = make_schedule(1, 40)
    # pytest shows what is printed where the test fails
    measures, evidence = await run(schedule, Load(rate=500), tmp_path, print)
    assert not measures.sentences()
    assert measures.counts["lost"] == 0
    assert measures.counts["stored"] >= 500 * 40 / 2
    assert measures.counts["letters"] >= measures.counts["rejected"] > 0
    assert measures.messages > 0
    assert {process for process, _ in measures.hits} == set(PROCESSES)

    # and had the worker seen two envelopes more than are in the log, all would show it
    earlier = sorted(evidence.log, key=lambda record: record.timestamp_ms)[: len(evidence.log) // 2]
    readings = most_news(earlier)
    statuses = max(earlier, key=lambda record: record.value.count(b'"status":'))
    log = [record for record in evidence.log if record not in (readings, statuses)]
    noticed = Measures(1, tmp_path)
    judge(replace(evidence, log=log), RULES, noticed)
    for part in ("windows", "throughput", "states"):
        told = noticed.wrong[part]
        assert any(one.startswith("Kafka") for one in told), part
        assert any(one.startswith("InfluxDB") for one in told), part
