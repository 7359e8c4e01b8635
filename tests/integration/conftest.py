"""Fixtures that several modules have: the bridge's servers, and what the sinks' tests send by."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer

from infra.provision import provision_kafka
from infra.servers import ServerPorts, native_servers
from schemas.connections import KafkaConnection, MqttConnection
from tests.support.chat_sinks import Webhook
from tests.support.influx_proxy import InfluxProxy
from tests.support.servers import RunningServer
from tests.support.stack import Stack


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def broker(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningServer]:
    """A Mosquitto of this module's own: a session or a claim left behind would take a share."""
    servers = native_servers(tmp_path_factory.mktemp("bridge"), ServerPorts.free())
    running = RunningServer(servers[0])
    await running.start()
    yield running
    await running.stop()


@pytest.fixture(scope="module")
def mqtt(broker: RunningServer) -> MqttConnection:
    """How to reach the module's Mosquitto."""
    return ServerPorts(mqtt=broker.port).mqtt_connection()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def log_servers(kafka_connection: KafkaConnection) -> KafkaConnection:
    """The session's Kafka, with the topics of the contract."""
    await provision_kafka(kafka_connection, partitions=8, simulated_clock=False)
    return kafka_connection


@pytest_asyncio.fixture
async def producer(stack: Stack) -> AsyncIterator[AIOKafkaProducer]:
    """A producer of a module's stack, for what a sink is to read."""
    made = AIOKafkaProducer(**stack.kafka_connection.client_args(), acks="all")
    await made.start()
    yield made
    await made.stop()


@pytest_asyncio.fixture
async def proxy(stack: Stack) -> AsyncIterator[InfluxProxy]:
    """What misbehaves before the InfluxDB of a module's stack when it is told to."""
    async with InfluxProxy.started(stack.influx_connection) as started:
        yield started


@pytest_asyncio.fixture
async def webhooks() -> AsyncIterator[tuple[Webhook, Webhook]]:
    """Two chats that keep what they are told."""
    both = Webhook(), Webhook()
    for one in both:
        await one.start()
    yield both
    for one in both:
        await one.stop()
