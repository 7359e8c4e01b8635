"""The dead letters of a run: one for each malformed message, by its MQTT topic."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Final

from infra.topic_reader import open_topic
from infra.verify.expected import Expected
from infra.verify.report import Report
from schemas.connections import KafkaConnection
from schemas.deadletters import HEADER_REPLAY_OF, HEADER_RX, HEADER_TOPIC, is_replay_mark
from schemas.envelope import header
from schemas.topics import DEAD_LETTERS

_ASK_EVERY_S: Final = 1.0


async def compare_letters(
    kafka: KafkaConnection, expected: Expected, report: Report, settle_s: float
) -> None:
    """Count the dead letters received since the run began on the topics of its devices.

    Waits until all are there, or until none has come for ``settle_s``.

    Raises:
        LookupFailedError: Kafka cannot be read.
    """
    loop = asyncio.get_running_loop()
    seen, since = -1, loop.time()
    while True:
        found = await _count(kafka, expected)
        if found.total() > seen:
            seen, since = found.total(), loop.time()
        if found.total() >= expected.rejected or loop.time() - since > settle_s:
            break
        await asyncio.sleep(_ASK_EVERY_S)
    report.rejected = found.total()
    for topic in found.keys() | expected.letters.keys():
        surplus = found[topic] - expected.letters[topic]
        repeated = max(0, min(surplus, expected.repeats[topic]))
        report.repeated += repeated
        if surplus < 0:
            report.missing_letters -= surplus
            report.note("missing_letters", topic)
        elif surplus > repeated:
            report.unexpected_letters += surplus - repeated
            report.note("unexpected_letters", topic)


async def _count(kafka: KafkaConnection, expected: Expected) -> Counter[str]:
    found: Counter[str] = Counter()
    start_us = expected.ledger.header.start_ms * 1000

    async with open_topic(kafka, DEAD_LETTERS) as opened:
        async for record in opened.between(await opened.begin(), await opened.end()):
            replayed_from = header(record.headers, HEADER_REPLAY_OF)
            if replayed_from is not None or is_replay_mark(record.headers):
                continue  # what was sent once, and taken in twice
            topic = header(record.headers, HEADER_TOPIC)
            rx = header(record.headers, HEADER_RX) or ""
            if topic in expected.topics and rx.isdecimal() and int(rx) >= start_us:
                found[topic] += 1
    return found
