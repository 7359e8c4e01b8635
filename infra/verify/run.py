"""The comparison itself: wait until what was sent has come in, then look at every row."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from infra.ledger import Ledger
from infra.verify.expected import (
    Expected,
    field_types,
    readings_of,
    row_fingerprint,
    row_name,
)
from infra.verify.influxql import InfluxReader, influx_reader
from infra.verify.letters import compare_letters
from infra.verify.report import Report
from schemas.clock import Clock, RealClock
from schemas.connections import InfluxConnection, KafkaConnection
from schemas.measurements import DEFAULT_POLICY, POLICIES

_ASK_EVERY_S: Final = 0.5


async def verify(
    ledger: Path,
    influx: InfluxConnection,
    kafka: KafkaConnection | None,
    *,
    settle_s: float = 10.0,
    clock: Clock | None = None,
) -> Report:
    """Compare a ledger with InfluxDB and, where given, with the dead letters in Kafka.

    Waits until as many rows are there as were sent, or until none has come for ``settle_s``.
    ``clock`` tells which readings InfluxDB may have let expire (its clock is the real one).

    Raises:
        LedgerError: the file is not a ledger.
        VerifyError: InfluxDB cannot be read.
        LookupFailedError: Kafka cannot be read.
    """
    expected = await asyncio.to_thread(lambda: Expected(Ledger(ledger)))
    report = Report(
        ledger=str(ledger),
        messages=expected.messages,
        sent=expected.sent,
        valid_distinct=expected.distinct,
        duplicates=expected.duplicates,
        malformed=expected.rejected,
        complete=expected.complete,
    )
    async with influx_reader(influx) as reader:
        await _wait_for_rows(reader, expected, settle_s)
        missing = await _compare_rows(reader, expected, report)
        await _compare_types(reader, expected, report)
    _judge_missing(expected, report, missing, (clock or RealClock()).now_us() // 1000)
    if kafka is not None:
        await compare_letters(kafka, expected, report, settle_s)
    return report


async def _wait_for_rows(reader: InfluxReader, expected: Expected, settle_s: float) -> None:
    loop = asyncio.get_running_loop()
    seen, since = -1, loop.time()
    while True:
        asked_at = loop.time()
        stored = await _count(reader, expected)
        now = loop.time()
        if stored > seen:
            seen, since = stored, now
        if stored >= expected.distinct or now - since > settle_s:
            return
        await asyncio.sleep(max(_ASK_EVERY_S, 2 * (now - asked_at)))


async def _count(reader: InfluxReader, expected: Expected) -> int:
    boot = expected.ledger.header.boot
    found = 0
    for reading_type in {group for group, _ in expected.rows}:
        run = f'FROM "{DEFAULT_POLICY}"."{reading_type}" WHERE "boot" = {boot}'
        question = f'SELECT count("seq") {run} GROUP BY "site"'
        async for series in reader.rows(question):
            if (reading_type, series.tags["site"]) in expected.rows:
                found += sum(row[1] for row in series.rows)
    return found


async def _compare_rows(reader: InfluxReader, expected: Expected, report: Report) -> set[int]:
    """Look at every row of the run; gives the name hashes of what has none."""
    missing: set[int] = set()
    boot = expected.ledger.header.boot
    for (reading_type, site), group in expected.rows.items():
        seen: set[int] = set()
        run = f'FROM "{DEFAULT_POLICY}"."{reading_type}" WHERE "boot" = {boot}'
        async for series in reader.rows(f"SELECT * {run} AND \"site\" = '{site}'"):
            for values in series.rows:
                row = dict(zip(series.columns, values, strict=True))
                name = row_name(reading_type, row)
                key = hash(name)
                if key not in group or key in seen:
                    report.unexpected += 1
                    report.note("unexpected", name)
                    continue
                seen.add(key)
                if row_fingerprint(reading_type, row) == group[key]:
                    report.stored += 1
                else:
                    report.differing += 1
                    report.note("differing", name)
                if row.get("person") in expected.persons:
                    report.persons_in_clear += 1
                    report.note("persons_in_clear", name)
        missing |= group.keys() - seen
    return missing


def _judge_missing(expected: Expected, report: Report, missing: set[int], now_ms: int) -> None:
    """Tell what InfluxDB no longer keeps from what was lost, and name the first."""
    if not missing:
        return
    keep_s = POLICIES[DEFAULT_POLICY].keep_s
    oldest_ms = now_ms - (keep_s or now_ms // 1000) * 1000
    for entry in expected.ledger.entries():
        for name, _ in readings_of(entry):
            key = hash(name)
            if key not in missing:
                continue
            missing.discard(key)
            event_ms = entry.at if entry.meant == "wrong_clock" else name.ts
            if event_ms < oldest_ms:
                report.expired += 1
            else:
                report.lost += 1
                report.note("lost", name)


async def _compare_types(reader: InfluxReader, expected: Expected, report: Report) -> None:
    for reading_type in sorted({group for group, _ in expected.rows}):
        wanted = field_types(reading_type)
        question = f'SHOW FIELD KEYS FROM "{DEFAULT_POLICY}"."{reading_type}"'
        async for series in reader.rows(question):
            for name, kind in series.rows:
                if wanted.get(name) != kind:
                    report.wrong_types.append(
                        f"{reading_type}.{name} is {kind}, not {wanted.get(name, 'a field at all')}"
                    )
