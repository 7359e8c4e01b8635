"""Commits that a client of Kafka never gets answered."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest
from aiokafka import TopicPartition

from schemas.kafka_watch import PART
from schemas.readiness import Readiness
from sinks.commits import Commits
from sinks.errors import StuckClientError
from sinks.progress import Progress

PLACE = TopicPartition("qala.telemetry.v1", 0)


class HangingClient:
    """What a consumer's client is whose coordinator hangs: it keeps what it has, and waits."""

    def __init__(self) -> None:
        self.hangs = True
        self.taken: list[Mapping[TopicPartition, int]] = []

    def assignment(self) -> set[TopicPartition]:
        return {PLACE}

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        while self.hangs:
            await asyncio.sleep(0.05)
        self.taken.append(offsets)


def commits(client: HangingClient, readiness: Readiness, limit_s: float) -> Commits:
    progress = Progress()
    progress.begin(PLACE, 41).done()
    return Commits(client, progress, every_ms=10, readiness=readiness, limit_s=limit_s)


async def test_a_client_that_hangs_while_kafka_answers_ends_the_sink() -> None:
    readiness = Readiness()
    with pytest.raises(StuckClientError, match="its client hangs"):
        async with asyncio.timeout(20):
            await commits(HangingClient(), readiness, 2.0).for_ever()
    assert "does not take offsets" in str(readiness.reasons)


async def test_an_absent_kafka_is_waited_for() -> None:
    readiness = Readiness()
    readiness.waiting(PART, "Kafka cannot be reached")
    client = HangingClient()
    committing = asyncio.create_task(commits(client, readiness, 0.5).for_ever())
    await asyncio.wait({committing}, timeout=4)  # one attempt takes 3 s
    assert not committing.done()
    client.hangs = False
    await asyncio.wait({committing}, timeout=4)
    assert client.taken == [{PLACE: 42}]
    committing.cancel()


async def test_what_is_taken_after_a_while_ends_nothing() -> None:
    client = HangingClient()
    committing = asyncio.create_task(commits(client, Readiness(), 4.0).for_ever())
    await asyncio.wait({committing}, timeout=3.5)
    client.hangs = False
    await asyncio.wait({committing}, timeout=2)
    assert not committing.done()
    assert client.taken == [{PLACE: 42}]
    committing.cancel()
