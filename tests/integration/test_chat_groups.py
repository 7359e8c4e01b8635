"""What the InfluxDB sink finds of the chat sink in real Kafka, and that it says where it can't."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypeVar

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from infra.native import free_port
from schemas.connections import KafkaConnection
from schemas.readiness import Readiness
from sinks import InfluxSinkSettings
from sinks.chat_groups import ChatGroups
from sinks.metrics import InfluxMetrics
from sinks.own_rows import OwnRows
from sinks.progress import Progress
from tests.support.chat_sinks import Webhook, firing, running, tell
from tests.support.stack import Stack
from tests.support.waiting import eventually
from tests.unit.schemas.line_protocol_reader import read_row

_T = TypeVar("_T")

pytestmark = pytest.mark.timeout(180)


@pytest_asyncio.fixture
async def webhook() -> AsyncIterator[Webhook]:
    made = Webhook()
    await made.start()
    yield made
    await made.stop()


@pytest_asyncio.fixture
async def consumer(stack: Stack) -> AsyncIterator[AIOKafkaConsumer]:
    made = AIOKafkaConsumer(**stack.kafka_connection.client_args())
    await made.start()
    yield made
    await made.stop()


async def _is(value: _T) -> _T:
    return value


async def told_by(groups: ChatGroups) -> dict[str, tuple[float, float]]:
    """Members and lag of each channel, the kind of its URL for its name."""
    rows = [read_row(row) for row in await groups.rows()]
    assert rows[-1].fields == {"channels": float(len(rows) - 1)}
    assert all(row.tags.keys() == {"stage", "channel"} for row in rows[:-1])
    return {
        row.tags["channel"].partition("-")[0]: (row.fields["members"], row.fields["lag"])
        for row in rows[:-1]
    }


async def test_kafka_tells_who_serves_a_channel_and_what_waits_when_nobody_does(
    stack: Stack, producer: AIOKafkaProducer, webhook: Webhook, consumer: AIOKafkaConsumer
) -> None:
    groups = ChatGroups(stack.kafka_connection, consumer, "watched-chat")
    try:
        assert await told_by(groups) == {}
        async with running(stack.kafka_connection, webhook.url, group="watched-chat"):
            await tell(producer, firing("watched"))
            await eventually(lambda: _is(bool(webhook.titles("watched"))))
            await eventually(
                lambda: told_by(groups), {"json": (1.0, 0.0)}.__eq__, timeout_s=60, every_s=0.2
            )
        await eventually(lambda: told_by(groups), {"json": (0.0, 0.0)}.__eq__, timeout_s=60)
        await tell(producer, firing("unwatched"))
        assert await told_by(groups) == {"json": (0.0, 1.0)}
    finally:
        await groups.close()


async def test_the_file_is_told_of_until_a_messenger_takes_its_place(
    stack: Stack,
    producer: AIOKafkaProducer,
    webhook: Webhook,
    consumer: AIOKafkaConsumer,
    tmp_path: Path,
) -> None:
    groups = ChatGroups(stack.kafka_connection, consumer, "two-chats")
    try:
        async with running(stack.kafka_connection, folder=tmp_path, group="two-chats"):
            await tell(producer, firing("to-file"))
            file = tmp_path / "messages.ndjson"
            await eventually(lambda: _is(file.exists() and "to-file" in file.read_text("utf-8")))
            await eventually(
                lambda: told_by(groups), {"file": (1.0, 0.0)}.__eq__, timeout_s=60, every_s=0.2
            )
        async with running(stack.kafka_connection, webhook.url, group="two-chats"):
            await tell(producer, firing("to-webhook"))
            await eventually(lambda: _is(bool(webhook.titles("to-webhook"))))
            await eventually(
                lambda: told_by(groups), {"json": (1.0, 0.0)}.__eq__, timeout_s=60, every_s=0.2
            )
            assert groups.trouble is None
        await eventually(
            lambda: told_by(groups), {"json": (0.0, 0.0)}.__eq__, timeout_s=60, every_s=0.2
        )
    finally:
        await groups.close()


async def test_a_kafka_that_does_not_answer_says_nothing_of_chats_and_that_is_said_once() -> None:
    away = KafkaConnection(bootstrap=f"127.0.0.1:{free_port()}")
    consumer = AIOKafkaConsumer(**away.client_args())
    groups = ChatGroups(away, consumer, "qala-sink-chat")
    try:
        with capture_logs() as logged:
            for _ in range(2):
                assert await groups.rows() == []
            assert groups.trouble is None, "a restart of Kafka is no trouble of ours"
            for _ in range(3):
                assert await groups.rows() == []
        assert str(groups.trouble).startswith("Kafka does not say who serves the chats (")
        assert [entry["log_level"] for entry in logged].count("warning") == 1
    finally:
        await consumer.stop()


async def test_kafka_that_answers_again_tells_of_chats_again(
    stack: Stack, consumer: AIOKafkaConsumer
) -> None:
    groups = ChatGroups(stack.kafka_connection, consumer, "nobodys-chat")
    try:
        assert await groups.rows()
        await stack.kafka.stop()
        try:
            for _ in range(3):
                assert await groups.rows() == []
            assert groups.trouble
        finally:
            await stack.kafka.start()
        await eventually(groups.rows, timeout_s=60)
        assert groups.trouble is None
    finally:
        await groups.close()


async def test_the_sink_notes_that_kafka_does_not_say_who_serves_the_chats(
    consumer: AIOKafkaConsumer,
) -> None:
    away = KafkaConnection(bootstrap=f"127.0.0.1:{free_port()}")
    readiness, written = Readiness(), list[str]()
    rows = OwnRows(
        InfluxSinkSettings(pipeline_s=0.01),
        consumer,
        Progress(),
        ChatGroups(away, consumer, "qala-sink-chat"),
        counters={},
        metrics=InfluxMetrics(CollectorRegistry()),
        readiness=readiness,
        write=written.extend,
        may_write=lambda: True,
    )
    reporting = asyncio.create_task(rows.report_for_ever())
    try:
        note = await eventually(lambda: _is(readiness.notes.get("chat", "")))
        assert note.startswith("Kafka does not say who serves the chats")
        assert readiness.ready
        assert any("stage=sink-influx" in row for row in written), "its other rows go on"
    finally:
        reporting.cancel()
