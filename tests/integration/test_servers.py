"""The native servers as they are shipped: they start, keep what they should, and end."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import UnknownTopicOrPartitionError

from infra.native import PortInUseError, start
from infra.servers import ServerPorts, native_servers
from schemas.connections import KafkaConnection, MqttConnection
from schemas.topics import TELEMETRY
from tests.support.servers import RunningServer, query
from tests.support.stack import Stack


async def _mosquitto_client(program: str, connection: MqttConnection, *arguments: str) -> bytes:
    process = await asyncio.create_subprocess_exec(
        program,
        *("-h", connection.host, "-p", str(connection.port), "-V", "5", "-q", "1"),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    return output


async def _end_offset(kafka: KafkaConnection) -> int:
    consumer = AIOKafkaConsumer(**kafka.client_args())
    await consumer.start()
    try:
        partition = TopicPartition(TELEMETRY, 0)
        return (await consumer.end_offsets([partition]))[partition]
    finally:
        await consumer.stop()


async def _send(kafka: KafkaConnection, value: bytes, topic: str = TELEMETRY) -> None:
    producer = AIOKafkaProducer(**kafka.client_args(), enable_idempotence=True)
    await producer.start()
    try:
        await producer.send_and_wait(topic, value, partition=0)
    finally:
        await producer.stop()


async def test_every_server_listens_on_loopback_only(stack: Stack):
    for server in stack.servers:
        listening = [
            connection.laddr
            for connection in psutil.Process(server.pid).net_connections()
            if connection.status == psutil.CONN_LISTEN
        ]
        assert server.port in {address.port for address in listening}
        assert {address.ip for address in listening} <= {"127.0.0.1", "::ffff:127.0.0.1"}


async def test_running_server_is_refused_a_second_time(stack: Stack):
    with pytest.raises(PortInUseError, match=f"port {stack.mosquitto.port} .*mosquitto"):
        await start(stack.mosquitto.server)


async def test_mosquitto_keeps_a_sessions_queue_over_a_restart(stack: Stack):
    session = ("-i", "keeper", "-c", "-x", "3600", "-t", "qala/v1/keep/desk/d/telemetry")
    await _mosquitto_client("mosquitto_sub", stack.mqtt_connection, *session, "-E")
    topic = ("-t", "qala/v1/keep/desk/d/telemetry")
    for number in range(30):
        await _mosquitto_client("mosquitto_pub", stack.mqtt_connection, *topic, "-m", str(number))
    await stack.mosquitto.restart()
    queued = await _mosquitto_client(
        "mosquitto_sub", stack.mqtt_connection, *session, "-C", "30", "-W", "10"
    )
    assert queued.split() == [str(number).encode() for number in range(30)]


async def test_kafka_keeps_what_it_acknowledged_when_it_is_killed(stack: Stack):
    before = await _end_offset(stack.kafka_connection)
    await _send(stack.kafka_connection, b"before the kill")
    await stack.kafka.restart(kill=True)
    assert await _end_offset(stack.kafka_connection) == before + 1


async def test_kafka_makes_no_topic_by_itself(stack: Stack):
    arguments = stack.kafka_connection.client_args()
    producer = AIOKafkaProducer(**arguments, request_timeout_ms=500)
    admin = AIOKafkaAdminClient(**arguments)
    await producer.start()
    await admin.start()
    try:
        with pytest.raises(UnknownTopicOrPartitionError):
            await producer.send_and_wait("a-typo", b"")
        assert "a-typo" not in await admin.list_topics()
    finally:
        await admin.close()
        await producer.stop()


async def test_influxdb_keeps_what_it_acknowledged_when_it_is_killed(stack: Stack):
    await query(stack.influx_connection, "CREATE DATABASE kept")
    await stack.influxdb.restart(kill=True)
    names = [row["name"] for row in await query(stack.influx_connection, "SHOW DATABASES")]
    assert "kept" in names


async def test_servers_run_in_a_folder_of_any_name(tmp_path: Path):
    data = tmp_path / 'Ala Tau, ö "$x" #1'
    for server in map(RunningServer, native_servers(data, ServerPorts.free())):
        await server.restart()
        await server.restart()
        await server.stop()
    assert sorted(path.name for path in data.iterdir()) == [
        "influxdb",
        "kafka",
        "logs",
        "mosquitto",
    ]
    assert (data / "mosquitto" / "mosquitto.db").exists()
    assert (data / "influxdb" / "meta" / "meta.db").exists()
    assert (data / "kafka" / "log" / "meta.properties").exists()


async def test_server_that_is_paused_is_not_ready(mosquitto: RunningServer):
    assert await mosquitto.server.ready()
    mosquitto.pause()
    try:
        assert not await mosquitto.server.ready()
    finally:
        mosquitto.resume()
    assert await mosquitto.server.ready()
