"""Provisioning real servers: complete the first time, nothing the second."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from pydantic import SecretStr

from infra.native import free_port
from infra.provision import (
    PartitionCountError,
    ProvisionError,
    UnsupportedServerError,
    make_tokens,
    partition_counts,
    provision_influx,
    provision_kafka,
    topic_configs,
)
from infra.provision.influx import organisation
from infra.provision.influx_api import InfluxApi
from schemas.connections import InfluxConnection, KafkaConnection
from schemas.measurements import POLICIES
from schemas.topics import ALL_TOPICS, CHAT, TELEMETRY
from sinks.influx import InfluxSink
from tests.support.servers import query, write_rows
from tests.support.waiting import eventually

ROW = "temperature,device=t-1,site=hall-1 celsius=20.5"


@pytest_asyncio.fixture
async def admin(kafka_connection: KafkaConnection) -> AsyncIterator[AIOKafkaAdminClient]:
    """Kafka's administration, on a Kafka without Qala's topics: neither before nor after."""
    admin = AIOKafkaAdminClient(**kafka_connection.client_args())
    await admin.start()
    await _delete_topics(admin, kafka_connection)
    yield admin
    await _delete_topics(admin, kafka_connection)
    await admin.close()


async def _delete_topics(admin: AIOKafkaAdminClient, kafka: KafkaConnection) -> None:
    if found := await partition_counts(kafka):
        await admin.delete_topics(list(found))
        await eventually(lambda: partition_counts(kafka), lambda counts: not counts)


async def _own_configs(admin: AIOKafkaAdminClient, topic: str) -> dict[str, str]:
    (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    ((_, _, _, _, entries),) = answer.resources
    return {name: value for name, value, _, source, *_ in entries if source == 1}


async def _provision(kafka: KafkaConnection, partitions: int = 4, *, simulated=False) -> list[str]:
    return await provision_kafka(kafka, partitions=partitions, simulated_clock=simulated)


async def test_topics_are_made_as_the_contract_has_them(admin, kafka_connection):
    done = await _provision(kafka_connection)
    assert len(done) == len(ALL_TOPICS)
    assert await partition_counts(kafka_connection) == dict.fromkeys(ALL_TOPICS, 4)
    for topic in ALL_TOPICS:
        await eventually(lambda of=topic: _own_configs(admin, of), topic_configs(topic).__eq__)


async def test_provisioning_kafka_again_does_nothing(admin, kafka_connection):
    await _provision(kafka_connection)
    assert await _provision(kafka_connection) == []


async def test_two_may_provision_at_the_same_time(admin, kafka_connection):
    first, second = await asyncio.gather(_provision(kafka_connection), _provision(kafka_connection))
    assert sorted(first + second) == sorted(set(first + second))
    assert len(await partition_counts(kafka_connection)) == len(ALL_TOPICS)


async def test_partition_count_stays_as_it_was_first(admin, kafka_connection):
    await _provision(kafka_connection, 4)
    await admin.delete_topics([CHAT])
    await eventually(lambda: partition_counts(kafka_connection), lambda counts: CHAT not in counts)
    done = await _provision(kafka_connection, 6)
    assert set((await partition_counts(kafka_connection)).values()) == {4}
    assert "Kafka: topics keep their 4 partitions" in done


async def test_topic_with_another_partition_count_is_refused(admin, kafka_connection):
    await admin.create_topics([NewTopic(TELEMETRY, 4, 1), NewTopic(CHAT, 2, 1)])
    with pytest.raises(PartitionCountError, match=r"qala\.chat\.v1 has 2 .*telemetry\.v1 4"):
        await _provision(kafka_connection)


async def test_changed_retention_is_mended_and_an_operators_own_setting_stays(
    admin, kafka_connection
):
    await _provision(kafka_connection)
    changed = topic_configs(TELEMETRY) | {"retention.ms": "1000", "flush.messages": "7"}
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, TELEMETRY, changed)])
    await eventually(lambda: _own_configs(admin, TELEMETRY), changed.__eq__)
    assert await _provision(kafka_connection) == [f"Kafka: set retention.ms of {TELEMETRY}"]
    mended = topic_configs(TELEMETRY) | {"flush.messages": "7"}
    await eventually(lambda: _own_configs(admin, TELEMETRY), mended.__eq__)


async def test_simulated_clock_can_be_left_again(admin, kafka_connection):
    await _provision(kafka_connection, simulated=True)
    simulated = topic_configs(TELEMETRY, simulated_clock=True)
    await eventually(lambda: _own_configs(admin, TELEMETRY), simulated.__eq__)
    assert len(await _provision(kafka_connection)) == len(ALL_TOPICS)
    await eventually(lambda: _own_configs(admin, TELEMETRY), topic_configs(TELEMETRY).__eq__)


async def test_kafka_that_is_away_is_said_in_a_sentence():
    away = KafkaConnection(bootstrap=f"127.0.0.1:{free_port()}")
    with pytest.raises(ProvisionError, match="is it running"):
        await _provision(away)


async def test_database_has_the_policies_of_the_contract(any_influxdb: InfluxConnection):
    influx = any_influxdb.model_copy(update={"database": "contract"})
    assert await provision_influx(influx)
    assert await provision_influx(influx) == []
    rows = await query(influx, "SHOW RETENTION POLICIES", db="contract")
    assert {row["name"] for row in rows} == {"raw", "r10s", "r1m", "r1h"}
    assert [row["name"] for row in rows if row["default"]] == ["raw"]


async def test_policies_keep_as_long_as_the_contract_says(influx_connection: InfluxConnection):
    influx = influx_connection.model_copy(update={"database": "kept"})
    await provision_influx(influx)
    rows = await query(influx, "SHOW RETENTION POLICIES", db="kept")
    assert {row["name"]: row["duration"] for row in rows} == {
        "raw": "720h0m0s",
        "r10s": "168h0m0s",
        "r1m": "8760h0m0s",
        "r1h": "0s",
    }


async def test_rows_are_found_by_their_policys_name(any_influxdb: InfluxConnection):
    influx = any_influxdb.model_copy(update={"database": "found"})
    await provision_influx(influx)
    for policy in POLICIES:
        await write_rows(influx, policy, [f"m v={len(policy)}"])
    for policy in POLICIES:
        (row,) = await query(influx, f'SELECT v FROM "{policy}"."m"', db="found")
        assert row["v"] == len(policy)
    assert await query(influx, "SELECT v FROM m", db="found")


async def test_database_made_by_hand_gets_its_policies(influx_connection: InfluxConnection):
    influx = influx_connection.model_copy(update={"database": 'by "hand"'})
    await query(influx, 'CREATE DATABASE "by \\"hand\\""')
    assert len(await provision_influx(influx)) == 4
    assert await provision_influx(influx) == []


async def test_changed_policy_is_mended(influx_connection: InfluxConnection):
    influx = influx_connection.model_copy(update={"database": "mended"})
    await provision_influx(influx)
    await query(influx, 'ALTER RETENTION POLICY "r10s" ON "mended" DURATION 2d DEFAULT')
    assert await provision_influx(influx) == [
        "InfluxDB: set policy raw",
        "InfluxDB: set policy r10s",
    ]


@pytest.mark.parametrize("version", ["1.7.11", "v0.13.0", "3.0.1"])
async def test_server_of_an_unsupported_version_is_refused(version: str):
    async def ping(_: web.Request) -> web.Response:
        return web.Response(status=204, headers={"X-Influxdb-Version": version})

    app = web.Application()
    app.router.add_get("/ping", ping)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        with pytest.raises(UnsupportedServerError, match=r"needs InfluxDB 1\.8 or 2\.x"):
            await provision_influx(InfluxConnection(url=f"http://127.0.0.1:{port}"))
    finally:
        await runner.cleanup()


async def test_influxdb_that_is_away_is_said_in_a_sentence():
    away = InfluxConnection(url=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(ProvisionError, match=r"cannot be reached.*is it running"):
        await provision_influx(away)


async def _may_write(influx: InfluxConnection) -> bool:
    sink = InfluxSink(influx, timeout_s=10)
    try:
        return (await sink.write("raw", [ROW])).accepted == 1
    finally:
        await sink.close()


async def _token_that_only_writes(influx: InfluxConnection) -> str:
    async with InfluxApi(influx) as api:
        org = await organisation(api, influx)
        right = {"action": "write", "resource": {"type": "buckets", "orgID": org}}
        asked = {"orgID": org, "description": "writer", "permissions": [right]}
        return str((await api.call("POST", "authorizations", json=asked))["token"])


async def _reads(influx: InfluxConnection) -> list[object]:
    found = await query(influx, 'SELECT "celsius" FROM "raw"."temperature"', influx.database)
    return [row["celsius"] for row in found]


async def test_tokens_may_each_do_what_they_are_for_and_are_made_once(
    any_influxdb: InfluxConnection, tmp_path: Path
):
    influx = any_influxdb.model_copy(update={"database": "tokens"})
    await provision_influx(influx)
    if not influx.token.get_secret_value():
        with pytest.raises(ProvisionError, match=r"is 1\.8, which has users"):
            await make_tokens(influx, tmp_path)
        return
    files = {name: tmp_path / "new" / name / "token" for name in ("sink", "reader")}
    done = await make_tokens(influx, tmp_path / "new")
    assert [f"in {file}" in line for file, line in zip(files.values(), done, strict=True)]
    assert {name: file.stat().st_mode & 0o777 for name, file in files.items()} == {
        "sink": 0o600, "reader": 0o644
    }  # fmt: skip
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    told = {name: file.read_text() for name, file in files.items()}
    sink, reader = (
        influx.model_copy(update={"token": SecretStr(token.strip())}) for token in told.values()
    )
    assert await _may_write(sink)
    assert not await _may_write(reader)
    assert await _reads(reader) == [20.5]
    assert await _reads(sink) == [20.5]
    for one in (sink, reader):
        with pytest.raises(ProvisionError):
            await make_tokens(one, tmp_path / "by whom may not")

    assert await make_tokens(influx, tmp_path / "new") == []
    assert {name: file.read_text() for name, file in files.items()} == told
    # of an InfluxDB that is gone, or taken back there, or of a Qala whose sink only wrote
    for worse in ("unknown-token", await _token_that_only_writes(influx)):
        files["sink"].write_text(worse)
        (again,) = await make_tokens(influx, tmp_path / "new")
        assert "may read and write" in again
    assert files["reader"].read_text() == told["reader"]
