"""What a run left behind, and whether it is what the telemetry log must have come to."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from infra.topic_reader import open_topic
from schemas import topics
from tests.chaos.landed import landed
from tests.chaos.measure import Measures
from tests.chaos.recompute import Found, LogRecord, Recomputed, differences, found_in, recompute
from tests.chaos.recompute.lines import lines
from tests.chaos.recompute.moments import partitions
from tests.chaos.recompute.names import Names
from tests.chaos.told import compare_told
from tests.support.recompute import Difference, compare_windows
from tests.support.stack import Stack

_ALL: Final = 1_000_000_000


@dataclass(frozen=True)
class Evidence:
    """The telemetry log, what was found in Kafka and in InfluxDB, and the file of the chat.

    ``by_ledger`` are the windows in InfluxDB that are not as the simulator's ledger has them.
    """

    log: list[LogRecord]
    in_kafka: Found
    in_influx: Found
    chat: Path
    by_ledger: list[Difference]


async def collect(stack: Stack, ledger: Path) -> Evidence:
    """Gather all of a stack that is at rest."""
    log = [
        LogRecord(one.partition, one.offset, one.timestamp, one.value or b"", one.headers)
        async for one in _records(stack, topics.TELEMETRY)
    ]
    values = [
        [one.value async for one in _records(stack, name) if one.value is not None]
        for name in (topics.ROLLUPS, topics.ALERTS, topics.DEVICES)
    ]
    influx = stack.influx_connection
    return Evidence(
        log,
        found_in(*values),
        await landed(influx),
        stack.data / "chat" / "messages.ndjson",
        await compare_windows(
            ledger, influx, ("10s", "1m", "1h"), until_ms=_closed_ms(log), timeout_s=5
        ),
    )


def judge(evidence: Evidence, rules: Path, measures: Measures) -> None:
    """Compare everything with a recomputation, and note what differs."""
    wrong = measures.wrong
    expected = recompute(evidence.log, rules)
    wrong["windows"] += counted_twice(evidence.log)
    wrong["windows"] += [f"ledger: {one}" for one in evidence.by_ledger]
    found = {"Kafka": evidence.in_kafka, "InfluxDB": _with_boots(evidence.in_influx, expected)}
    for where, all_parts in found.items():
        for name, part in {
            "windows": Found(windows=all_parts.windows),
            "throughput": Found(throughput=all_parts.throughput),
            "states": Found(states=all_parts.states, told=all_parts.told),
            "alerts": Found(alerts=all_parts.alerts, owners=all_parts.owners),
        }.items():
            wrong[name] += [f"{where}: {one}" for one in differences(expected, part, most=_ALL)]
    told = compare_told(expected.alerts, evidence.chat)
    wrong["chat"] += told.wrong
    measures.messages, measures.repeats = told.messages, told.repeats


def counted_twice(log: Iterable[LogRecord]) -> list[str]:
    """Devices whose readings came again from before two resets of their counters: a known limit.

    The recomputation from the log counts them twice as the worker does; the ledger does not.
    """
    found: Counter[tuple[str, str]] = Counter()
    for partition in partitions(log):
        names: dict[tuple[str, str], Names] = defaultdict(Names)
        seen = set()
        for line in lines(partition):
            if line is None or line.reading is None:
                continue
            boot, seq, ts_ms = (line.reading[name] for name in ("boot", "seq", "ts"))
            verdict = names[line.key].judge(boot, seq, ts_ms, believed=line.at is None)
            if verdict != "duplicate":
                found[line.key] += (line.key, boot, seq, ts_ms) in seen
                seen.add((line.key, boot, seq, ts_ms))
    return [
        f"{count} readings of {'/'.join(key)} came again after two resets of its counters, and "
        "count twice (see the known limits in docs/architecture.md)"
        for key, count in sorted(found.items())
        if count
    ]


def _with_boots(found: Found, expected: Recomputed) -> Found:
    """A device's row in InfluxDB does not say its ``boot``, so that is not compared."""
    told = {
        key: replace(facts, boot=expected.told[key].boot) if key in expected.told else facts
        for key, facts in (found.told or {}).items()
    }
    return replace(found, told=told)


def _closed_ms(log: list[LogRecord]) -> int:
    """Windows that end by then have closed on every partition; one second more than they need."""
    newest: dict[int, int] = {}
    for record in log:
        newest[record.partition] = max(newest.get(record.partition, 0), record.timestamp_ms)
    return min(newest.values()) - 3000


async def _records(stack: Stack, topic: str) -> AsyncIterator[Any]:
    async with open_topic(stack.kafka_connection, topic) as opened:
        async for record in opened.between(await opened.begin(), await opened.end()):
            yield record
