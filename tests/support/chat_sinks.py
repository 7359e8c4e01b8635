"""The chat sink inside a test's loop, alerts for it, and the webhooks that it tells them to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiohttp import web
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from infra.native import free_port
from schemas.connections import KafkaConnection
from schemas.readiness import Readiness
from schemas.records import Alert, encode
from schemas.topics import ALERTS
from sinks import ChatSinkSettings, run_chat_sink
from sinks.channel_stage import group_of
from sinks.chat import channels_of
from tests.support.stack import Stack


class Webhook:
    """A chat on a free port that keeps what it is told; it refuses while ``status`` says so.

    While it is not ``open`` it gives no answer.
    """

    def __init__(self) -> None:
        self.port = free_port()
        self.told: list[dict[str, Any]] = []
        self.asked = 0
        self.status = 200
        self.open = asyncio.Event()
        self.open.set()
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> SecretStr:
        return SecretStr(f"json://127.0.0.1:{self.port}/made-up-token")

    def titles(self, rule: str) -> list[str]:
        return [one["title"] for one in self.told if one["title"].endswith(rule)]

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/{tail:.*}", self._take)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()

    async def stop(self) -> None:
        if self._runner:
            await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.json()  # also where the sender is gone before there is an answer
        self.asked += 1
        await self.open.wait()
        if self.status == 200:
            self.told.append(body)
        return web.Response(status=self.status)


@asynccontextmanager
async def running(
    kafka: KafkaConnection, *urls: SecretStr, **settings: Any
) -> AsyncIterator[tuple[Readiness, CollectorRegistry]]:
    readiness, registry, stop = Readiness("kafka"), CollectorRegistry(), asyncio.Event()
    chosen = ChatSinkSettings(
        urls=list(urls),
        **({"backoff_first_s": 0.05, "backoff_most_s": 0.2, "commit_ms": 50} | settings),
    )
    task = asyncio.create_task(
        run_chat_sink(chosen, kafka=kafka, readiness=readiness, registry=registry, stop=stop)
    )
    try:
        yield readiness, registry
    finally:
        stop.set()
        await task


def firing(rule: str, number: int = 1, **changes: Any) -> Alert:
    alert = Alert(
        id=f"{rule}-{number}", rule=rule, severity="critical", site="stop-1", kind="ionizer",
        device="ion-1", state="firing", value=120.0, summary=f"Ozone 120 µg/m³ ({number})",
        at=1_800_000_000_000, ordinal=1, started=1_800_000_000_000, fired=True,
    )  # fmt: skip
    return msgspec.structs.replace(alert, **changes)


def resolved(alert: Alert) -> Alert:
    return msgspec.structs.replace(alert, state="resolved", summary="Ozone 88", ordinal=2)


async def tell(producer: AIOKafkaProducer, *alerts: Alert) -> None:
    for alert in alerts:
        await producer.send_and_wait(ALERTS, encode(alert), key=alert.id.encode(), partition=0)


async def end_of_alerts(stack: Stack) -> int:
    """The offset after the last alert on the partition of `tell`."""
    consumer = AIOKafkaConsumer(**stack.kafka_connection.client_args())
    await consumer.start()
    try:
        partition = TopicPartition(ALERTS, 0)
        return (await consumer.end_offsets([partition]))[partition]
    finally:
        await consumer.stop()


async def places(stack: Stack, *webhooks: Webhook) -> list[int]:
    """The offset that each webhook's channel has committed on the partition of `tell`."""
    found = []
    for webhook in webhooks:
        settings = ChatSinkSettings(urls=[webhook.url])
        (channel,) = channels_of(settings)
        consumer = AIOKafkaConsumer(
            **stack.kafka_connection.client_args(),
            group_id=group_of(settings, channel.name),
            enable_auto_commit=False,
        )
        await consumer.start()
        found.append(await consumer.committed(TopicPartition(ALERTS, 0)) or 0)
        await consumer.stop()
    return found
