"""One run: a schedule on real processes under load, and the comparison when all has drained."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from infra.ledger import Ledger
from infra.topic_reader import open_topic
from infra.verify.expected import Expected
from schemas.deadletters import HEADER_TOPIC
from schemas.envelope import header
from schemas.topics import DEAD_LETTERS
from tests.chaos.drain import all_ready, at_rest, not_ready
from tests.chaos.evidence import Evidence, collect, judge
from tests.chaos.load import Load, under_load, verified
from tests.chaos.measure import Measures
from tests.chaos.play import Say, play
from tests.chaos.processes import Processes
from tests.chaos.schedule import CALM_S, Schedule
from tests.support.stack import Stack

RULES: Final = Path(__file__).with_name("rules.toml")
WRONG_ROWS: Final = (
    "lost",
    "differing",
    "unexpected",
    "persons_in_clear",
    "missing_letters",
)


async def run(schedule: Schedule, load: Load, data: Path, say: Say) -> tuple[Measures, Evidence]:
    """Run it over the empty folder ``data``, which keeps everything of it."""
    began_s = time.monotonic()
    measures = Measures(schedule.seed, data)
    note = Notes(data / "chaos.log", say)
    ledger = data / "ledger.ndjson.gz"
    async with (
        Stack.started(data) as stack,
        Processes.of(stack, {"QALA_RULES": str(RULES)}) as processes,
    ):
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
        evidence = await collect(stack, ledger)
        judge(evidence, RULES, measures)
        measures.ended = processes.ended
    measures.seconds = time.monotonic() - began_s
    if not measures.ok:
        text = "\n".join([*measures.sentences(), *measures.ended])
        (data / "differences.txt").write_text(text, encoding="utf-8")
    return measures, evidence


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


class Notes:
    """What happens when, into a file and to whoever watches."""

    def __init__(self, file: Path, say: Say) -> None:
        self._file = file
        self._say = say

    def __call__(self, text: str) -> None:
        self._say(text)
        with self._file.open("a", encoding="utf-8") as out:
            out.write(f"{datetime.now(UTC):%H:%M:%S.%f} {text}\n")


async def _compare_rows(stack: Stack, ledger: Path, measures: Measures) -> None:
    """What the broker acknowledged against raw rows and dead letters."""
    report = await verified(stack, ledger)
    measures.counts.update(
        acknowledged=report["sent"],
        stored=report["stored"],
        lost=report["lost"],
        duplicates=report["duplicates"],
        rejected=report["malformed"],
        letters=report["rejected"],
    )
    wrong = measures.wrong["rows"]
    for what in WRONG_ROWS:
        if report[what]:
            wrong.append(f"{report[what]} {what}: {'; '.join(report['names'].get(what, []))}")
    wrong += report["wrong_types"]
    wrong += await _strange_letters(stack, ledger)
    if not report["complete"]:
        wrong.append("the ledger has no end: the simulator did not end in order")


async def _strange_letters(stack: Stack, ledger: Path) -> list[str]:
    """Dead letters about which nobody sent anything malformed.

    What a bridge had not acknowledged when it died comes again, and makes its letter again.
    """
    expected = await asyncio.to_thread(lambda: Expected(Ledger(ledger)).letters)
    found: Counter[str] = Counter()
    async with open_topic(stack.kafka_connection, DEAD_LETTERS) as opened:
        async for record in opened.between(await opened.begin(), await opened.end()):
            found[header(record.headers, HEADER_TOPIC) or "no topic"] += 1
    return [
        f"{count} dead letters of '{topic}', of which nothing was malformed"
        for topic, count in sorted(found.items())
        if topic not in expected
    ]
