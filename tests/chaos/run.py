"""One run: a schedule on real processes under load, and the comparison when all has drained."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from infra.topic_reader import open_topic
from schemas import topics
from tests.chaos.drain import all_ready, at_rest, not_ready
from tests.chaos.landed import landed
from tests.chaos.load import Load, under_load
from tests.chaos.measure import Measures
from tests.chaos.play import Say, play
from tests.chaos.processes import Processes
from tests.chaos.recompute import Found, LogRecord, Recomputed, differences, found_in, recompute
from tests.chaos.schedule import CALM_S, Schedule
from tests.chaos.told import compare_told
from tests.support.recompute import compare_windows
from tests.support.stack import Stack

RULES: Final = Path(__file__).with_name("rules.toml")
_ALL: Final = 1_000_000_000
_SETTLE_S: Final = "30"


async def run(schedule: Schedule, load: Load, data: Path, say: Say) -> Measures:
    """Run it over the empty folder ``data``, which keeps everything of it."""
    began_s = time.monotonic()
    measures = Measures(schedule.seed, data)
    note = _Notes(data / "chaos.log", say)
    ledger = data / "ledger.ndjson.gz"
    async with Stack.started(data) as stack:
        processes = Processes(stack, {"QALA_RULES": str(RULES)})
        for stage in processes.stages.values():
            await stage.start()
        await all_ready(stack, processes)
        async with under_load(stack, load, schedule.seed, ledger) as sent:
            measures.hits = await play(schedule, processes, note)
            await _recovered(stack, processes, measures)
            note(f"every process is ready; {CALM_S:g} s of calm")
            await asyncio.sleep(CALM_S)
        note("the load has ended; draining")
        measures.counts["unheard"] = sent.unheard
        await _compare_rows(stack, ledger, measures)
        await at_rest(stack, processes)
        note("all is drained; comparing")
        await _compare_results(stack, ledger, measures)
        measures.ended = processes.ended
    measures.seconds = time.monotonic() - began_s
    if not measures.ok:
        text = "\n".join([*measures.sentences(), *measures.ended])
        (data / "differences.txt").write_text(text, encoding="utf-8")
    return measures


async def _recovered(stack: Stack, processes: Processes, measures: Measures) -> None:
    """Every stage must come back by itself; what doesn't is noted, and started again."""
    try:
        await all_ready(stack, processes)
    except AssertionError:
        for name, why in (await not_ready(stack, processes)).items():
            measures.wrong["stuck"].append(f"{name} does not come back: {why}")
            await processes[name].kill()
            await processes[name].start()
        await all_ready(stack, processes)


class _Notes:
    """What happens when, into a file and to whoever watches."""

    def __init__(self, file: Path, say: Say) -> None:
        self._file = file
        self._say = say

    def __call__(self, text: str) -> None:
        self._say(text)
        with self._file.open("a", encoding="utf-8") as out:
            out.write(f"{datetime.now(UTC):%H:%M:%S.%f} {text}\n")


async def _compare_rows(stack: Stack, ledger: Path, measures: Measures) -> None:
    """What the broker acknowledged against raw rows and dead letters: `qala verify`."""
    process = await stack.run("verify", str(ledger), "--settle", _SETTLE_S, "--json", name="verify")
    await process.process.wait()
    text = process.output()
    assert "{\n" in text, process.died()
    report: dict[str, Any]
    report, _ = json.JSONDecoder().raw_decode(text, text.index("{\n"))
    measures.counts.update(
        acknowledged=report["sent"],
        stored=report["stored"],
        lost=report["lost"],
        duplicates=report["duplicates"],
        rejected=report["malformed"],
        letters=report["rejected"],
    )
    wrong = measures.wrong["rows"]
    names = report["names"]
    for what in ("lost", "differing", "unexpected", "persons_in_clear", "missing_letters",
                 "unexpected_letters"):  # fmt: skip
        if report[what]:
            wrong.append(f"{report[what]} {what}: {'; '.join(names.get(what, []))}")
    wrong += report["wrong_types"]
    if not report["complete"]:
        wrong.append("the ledger has no end: the simulator did not end in order")


async def _compare_results(stack: Stack, ledger: Path, measures: Measures) -> None:
    """All that the stream processor made, in Kafka and in InfluxDB, computed anew."""
    log = [record async for record in _telemetry(stack)]
    expected = await asyncio.to_thread(recompute, log, RULES)
    until_ms = min(moment.watermark_ms for moment in expected.ends.values())
    influx = stack.influx_connection
    by_ledger = await compare_windows(
        ledger, influx, ("10s", "1m", "1h"), until_ms=until_ms, timeout_s=5
    )
    measures.wrong["windows"] += [f"ledger: {one}" for one in by_ledger]
    values = [
        [one.value async for one in _values(stack, name) if one.value is not None]
        for name in (topics.ROLLUPS, topics.ALERTS, topics.DEVICES)
    ]
    for where, found in (
        ("Kafka", found_in(*values)),
        ("InfluxDB", await landed(influx, expected.told)),
    ):
        _note_differences(measures, where, expected, found)
    told = compare_told(expected.alerts, stack.data / "chat" / "messages.ndjson")
    measures.wrong["chat"] += told.wrong
    measures.messages, measures.repeats = told.messages, told.repeats


def _note_differences(measures: Measures, where: str, expected: Recomputed, found: Found) -> None:
    parts: Sequence[tuple[str, Found]] = (
        ("windows", Found(windows=found.windows)),
        ("throughput", Found(throughput=found.throughput)),
        ("states", Found(states=found.states, told=found.told)),
        ("alerts", Found(alerts=found.alerts, owners=found.owners)),
    )
    for name, part in parts:
        told = differences(expected, part, most=_ALL)
        measures.wrong[name] += [f"{where}: {one}" for one in told]


async def _telemetry(stack: Stack) -> Any:
    async for one in _values(stack, topics.TELEMETRY):
        yield LogRecord(one.partition, one.offset, one.timestamp, one.value or b"", one.headers)


async def _values(stack: Stack, topic: str) -> Any:
    async with open_topic(stack.kafka_connection, topic) as opened:
        async for record in opened.between(await opened.begin(), await opened.end()):
            yield record
