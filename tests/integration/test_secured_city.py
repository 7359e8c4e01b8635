"""A city on servers that want TLS, passwords and rights, set up by docs/securing.md."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import mqtt5
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import TopicAuthorizationFailedError

from infra.doctor import examine
from infra.doctor.ask_kafka import KafkaSeen, ask_kafka
from infra.doctor.ask_mqtt import BrokerSeen, ask_mqtt
from infra.doctor.kafka_disk import kafka_disk
from infra.settings import Settings
from ingest import MqttOptions, connect_mqtt
from ingest.errors import MqttError
from schemas.topics import STATE, TELEMETRY
from tests.support.bridges import Log, reading_log
from tests.support.secured import SecuredCity
from tests.support.secured_page import ROOT
from tests.support.servers import query
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(120)

STAGES = {
    "bridge": (("bridge", "--id", "secured"), "bridge"),
    "streams": (("streams",), "streams"),
    "sink-influx": (("sink", "influx"), "sink-influx"),
    "sink-chat": (("sink", "chat"), "sink-chat"),
}
OWN = "hall-1/thermometer/t-1"
OTHER = "hall-1/thermometer/t-2"
UNKNOWN_CA = "is not trusted: its certificate is not from an authority known here; set "


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def city(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SecuredCity]:
    """Servers and stages, each with the settings that the page writes for it, all ready."""
    async with SecuredCity.started(tmp_path_factory.mktemp("secured")) as started:
        environ = started.environ("provision")
        provision = await started.run("provision", name="provision", environ=environ)
        assert await provision.process.wait() == 0, provision.output()
        for name, (command, settings) in STAGES.items():
            await started.run(*command, name=name, environ=started.environ(settings))
        for name in STAGES:
            await all_well(started, name)
        yield started


@pytest_asyncio.fixture(loop_scope="session")
async def log(city: SecuredCity) -> AsyncIterator[Log]:
    async with reading_log(city.kafka_connection("operator")) as reader:
        yield reader


async def all_well(city: SecuredCity, name: str) -> None:
    await eventually(lambda: city.reasons(name), lambda reasons: reasons == {}, timeout_s=60)


def reading(seq: int) -> str:
    ts = time.time_ns() // 1_000_000
    return json.dumps({"type": "temperature", "ts": ts, "boot": 1, "seq": seq, "celsius": 20.5})


async def publish(city: SecuredCity, topic: str, payload: str, *more: str) -> str:
    """Publish as the device `OWN` by MQTT 5; what the client printed."""
    arguments = ("-V", "5", "-t", f"qala/v1/{topic}", "-m", payload, *more)
    _, said = await city.mosquitto_client("mosquitto_pub", OWN, *arguments)
    return said


async def stored(city: SecuredCity, seq: int) -> None:
    """Publish a reading and wait for its row."""
    assert await publish(city, f"{OWN}/telemetry", reading(seq)) == ""
    await rows(city, f'SELECT * FROM "raw"."temperature" WHERE "seq" = {seq}')


async def rows(city: SecuredCity, question: str, number: int = 1) -> list[dict[str, Any]]:
    return await eventually(
        lambda: query(city.reader, question), lambda found: len(found) >= number, timeout_s=60
    )


async def test_a_reading_of_a_device_with_its_password_is_a_row(city: SecuredCity) -> None:
    assert await publish(city, f"{OWN}/telemetry", reading(0)) == ""
    (row,) = await rows(city, 'SELECT * FROM "raw"."temperature" WHERE "device" = \'t-1\'')
    assert row["celsius"] == 20.5


async def test_the_worker_gives_results_over_servers_that_want_passwords(city: SecuredCity) -> None:
    await publish(city, f"{OWN}/telemetry", reading(1))
    told = await rows(city, 'SELECT * FROM "raw"."device_state" WHERE "device" = \'t-1\'')
    assert {row["state"] for row in told} <= {"online", "stale"}


async def test_a_simulated_city_is_verified_and_looked_at(city: SecuredCity) -> None:
    acl = city.secrets / "bridges.acl"
    acl.write_text(acl.read_text() + "user city\ntopic write qala/v1/#\n")
    await city.add_mqtt_user("bridges.passwd", "city", "city-password")
    mqtt = city.mqtt_connection("city", "city-password", "bridges")
    secured = {"QALA_MQTT_URL": mqtt.url.get_secret_value(), "QALA_MQTT_CA": str(mqtt.ca)}
    ledger = str(city.data / "ledger.ndjson")
    commands = {
        "simulate": ("simulate", "--rate=50", "--seconds=2", "--devices=20", "--ledger", ledger),
        "verify": ("verify", ledger, "--json"),
        "devices": ("devices", "list", "--json"),
        "dlq": ("dlq", "list", "--json"),
    }
    for name, command in commands.items():
        environ = city.environ("operator") | secured
        done = await city.run(*command, name=name, environ=environ)
        assert await done.process.wait() == 0, done.output()
    assert "t-1" in (city.data / "logs" / "devices.log").read_text()


@pytest.mark.parametrize("version", ["5", "311"])
@pytest.mark.parametrize("channel", ["telemetry", "status", "reply", "command"])
async def test_a_device_cannot_publish_as_another(
    city: SecuredCity, log: Log, version: str, channel: str
) -> None:
    topic = f"{OWN}/command" if channel == "command" else f"{OTHER}/{channel}"
    said = await publish(city, topic, reading(5), "-V", version, "-r")
    assert ("Not authorized" in said) == (version == "5")  # 3.1.1 has no word for it
    await publish(city, f"{OWN}/telemetry", reading(100))
    own = await log.lines_of("hall-1", 1)
    assert {line.device for line in own} == {"t-1"}
    assert log.letters("secured") == []


async def test_a_last_will_is_written_under_the_devices_own_name_only(
    city: SecuredCity, log: Log
) -> None:
    connection = city.mqtt_connection(OWN, city.password("mqtt-t-1"))
    state = b'{"state": "offline", "ts": 1767225600000, "boot": 1}'
    for name in (OTHER, OWN):
        will = mqtt5.Will(topic=f"qala/v1/{name}/status", payload=state)
        link = await connect_mqtt(connection, MqttOptions(client_id="any", will=will))
        link.fail(MqttError("gone without a good-bye"))
        await link.closed
    lines = await log.lines_of("hall-1", 1)
    assert {line.device for line in lines} == {"t-1"}


async def test_a_device_hears_nothing_of_others(city: SecuredCity, log: Log) -> None:
    await city.add_mqtt_user("devices.passwd", OTHER, "password-of-t-2")
    heard: list[mqtt5.PublishPacket] = []
    listener = await connect_mqtt(
        city.mqtt_connection(OWN, city.password("mqtt-t-1")),
        MqttOptions(client_id="any"),
        on_publish=heard.extend,
    )
    await listener.subscribe(["qala/v1/#", "$share/qala/qala/v1/#", "$SYS/#"])
    other = city.mqtt_connection(OTHER, "password-of-t-2")
    speaker = await connect_mqtt(other, MqttOptions(client_id="any"))
    speaker.publish(f"qala/v1/{OTHER}/telemetry", reading(0).encode())
    assert [line.device for line in await log.lines_of("hall-1", 1)] == ["t-2"]
    await listener.unsubscribe(["qala/v1/#"])  # what was sent before the answer is here by now
    assert heard == []
    await asyncio.gather(listener.disconnect(), speaker.disconnect())


async def test_a_device_with_a_bridges_client_id_does_not_get_its_session(
    city: SecuredCity, log: Log
) -> None:
    topic = f"{OWN}/telemetry"
    for seq in (200, 201):
        assert await publish(city, topic, reading(seq), "-i", "qala-bridge-secured") == ""
    assert len(await log.lines_of("hall-1", 2)) == 2
    assert "waiting" not in (city.data / "logs" / "bridge.log").read_text()


async def test_a_bridges_queue_outlives_whoever_looks_and_a_restart_of_the_broker(
    city: SecuredCity,
) -> None:
    bridge = city.mqtt_connection("bridge", city.password("mqtt-bridge"), "bridges")
    away = MqttOptions(client_id="qala-bridge-away", clean_start=False, session_expiry_s=600)
    link = await connect_mqtt(bridge, away)
    await link.subscribe([f"qala/v1/{OWN}/telemetry"])
    await link.disconnect()
    await publish(city, f"{OWN}/telemetry", reading(400))

    doctor = city.mqtt_connection("doctor", city.password("mqtt-doctor"), "doctor")
    taker = await connect_mqtt(doctor, MqttOptions(client_id=away.client_id, clean_start=True))
    await taker.disconnect(end_session=True)
    with pytest.raises(MqttError, match="NOT_AUTHORIZED"):
        await connect_mqtt(
            city.mqtt_connection("doctor", city.password("mqtt-doctor"), "bridges"), away
        )
    await city.mosquitto.restart()

    waited: list[mqtt5.PublishPacket] = []
    back = await connect_mqtt(bridge, away, on_publish=waited.extend)
    assert back.session_present
    await back.unsubscribe(["none"])  # what waited comes before its answer
    assert len(waited) == 1
    assert b'"seq": 400' in waited[0].payload
    await back.disconnect(end_session=True)


async def test_doctor_and_stages_read_what_the_page_makes_for_them(city: SecuredCity) -> None:
    """All that a user of a stage's own must be able to read, and the figures of the broker."""
    assert (city.secrets / "ca.crt").stat().st_mode & 0o044 == 0o044
    doctor = city.mqtt_connection("doctor", city.password("mqtt-doctor"), "doctor")
    seen = await ask_mqtt(doctor, session_expiry_s=600)
    assert isinstance(seen, BrokerSeen)
    assert "qala-bridge-secured" in seen.claims
    assert (seen.trial.kept, seen.trial.denied) == (seen.trial.sent, None)
    kafka = await ask_kafka(city.kafka_connection("operator"), ["qala-streams"])
    assert isinstance(kafka, KafkaSeen)
    assert kafka.broker is not None
    assert kafka.broker["auto.create.topics.enable"] == "false"
    assert kafka.groups[0].state == "Stable"


async def test_doctor_looks_with_the_file_that_the_page_writes_for_it(city: SecuredCity) -> None:
    assert (city.secrets / "operator.env").stat().st_mode & 0o777 == 0o600
    await stored(city, 500)  # a bridge's clock is seen in what it receives
    said = await city.page.run("Looking")
    for user in ("lets in user doctor", "user operator", "may read qala"):
        assert user in said
    commands = [
        line
        for page in ("installing", "securing")
        for line in (ROOT / f"docs/{page}.md").read_text().splitlines()
        if "qala doctor --data" in line
    ]
    assert len(commands) == 2
    assert len(set(commands)) == 1


async def test_kafkas_own_disk_is_found_where_it_says_that_it_writes(
    city: SecuredCity, tmp_path: Path
) -> None:
    kafka = await ask_kafka(city.kafka_connection("operator"), [])
    assert isinstance(kafka, KafkaSeen)
    disk = kafka_disk(kafka)
    assert disk is not None
    assert disk.folder == city.data / "kafka" / "log"
    settings = Settings(
        data=tmp_path,
        kafka=city.kafka_connection("operator"),
        influx=city.reader,
        min_free_mb=10**9,
    )
    found = [f for f in await examine(settings, lambda: 0, {}) if f.part == "machine"]
    full = [f.what for f in found if f.state == "problem"]
    assert any(f"free at {disk.folder} of Kafka" in what for what in full)
    (elsewhere,) = (f for f in found if f.check == "space elsewhere")
    assert "InfluxDB, Mosquitto can't be seen" in elsewhere.what


@pytest.mark.parametrize("device", ["", "hall-9/thermometer/t-9"], ids=["nobody", "unknown"])
async def test_who_has_no_password_is_not_let_in(city: SecuredCity, device: str) -> None:
    arguments = ("-V", "5", "-t", "a", "-m", "b")
    code, said = await city.mosquitto_client("mosquitto_pub", device, *arguments)
    assert code == 135
    assert "Not authorized" in said


async def test_kafka_gives_each_stage_what_it_uses_and_no_more(city: SecuredCity) -> None:
    for user, topic in {"sink-influx": TELEMETRY, "operator": TELEMETRY, "bridge": STATE}.items():
        async with AIOKafkaProducer(**city.kafka_connection(user).client_args()) as producer:
            with pytest.raises(TopicAuthorizationFailedError):
                await producer.send_and_wait(topic, b"", partition=0)
    async with AIOKafkaConsumer(**city.kafka_connection("bridge").client_args()) as consumer:
        consumer.assign([TopicPartition(TELEMETRY, 0)])
        with pytest.raises(TopicAuthorizationFailedError):
            await consumer.getone()


WRONG: dict[str, tuple[str, str, dict[str, str], str]] = {
    "another authority for MQTT": (
        "bridge --id r1", "bridge", {"QALA_MQTT_CA": "other.crt"}, UNKNOWN_CA + "QALA_MQTT_CA"),
    "wrong password for MQTT": (
        "bridge --id r3", "bridge", {"QALA_MQTT_URL": "mqtts://bridge:wrong@localhost:{bridges}"},
        "refused client 'qala-bridge-r3"),
    "unknown user for MQTT": (
        "bridge --id r4", "bridge", {"QALA_MQTT_URL": "mqtts://nobody:wrong@localhost:{bridges}"},
        "check the user and the password in QALA_MQTT_URL"),
    "no authority for Kafka": (
        "bridge --id r5", "bridge", {"QALA_KAFKA_CA": ""}, UNKNOWN_CA + "QALA_KAFKA_CA"),
    "wrong password for Kafka": (
        "bridge --id r6", "bridge", {"QALA_KAFKA_PASSWORD": "wrong"},
        "refuses user 'bridge' or its password; check QALA_KAFKA_USER"),
    "unknown user for Kafka": (
        "streams", "streams", {"QALA_KAFKA_USER": "nobody"}, "refuses user 'nobody'"),
    "another mechanism": (
        "streams", "streams", {"QALA_KAFKA_MECHANISM": "SCRAM-SHA-256"},
        "does not offer SCRAM-SHA-256; set QALA_KAFKA_MECHANISM"),
    "wrong password of the InfluxDB sink": (
        "sink influx", "sink-influx", {"QALA_KAFKA_PASSWORD": "wrong"}, "refuses user 'sinks'"),
    "wrong token": (
        "sink influx", "sink-influx", {"QALA_INFLUX_TOKEN": "sinks:wrong"},
        "InfluxDB refuses the token; check QALA_INFLUX_TOKEN"),
    "token that may not write": (
        "sink influx", "sink-influx", {"QALA_INFLUX_TOKEN": "{reader}"},
        "InfluxDB lets this token not write to qala/raw; check QALA_INFLUX_TOKEN"),
    "no authority for InfluxDB": (
        "sink influx", "sink-influx", {"QALA_INFLUX_CA": ""}, UNKNOWN_CA + "QALA_INFLUX_CA"),
    "InfluxDB without TLS": (
        "sink influx", "sink-influx", {"QALA_INFLUX_URL": "http://localhost:{influx}"},
        "speaks TLS on this port; write https:// into QALA_INFLUX_URL"),
    "worker with the bridge's rights": (
        "streams", "bridge", {}, "gives user 'bridge' no right on topic qala."),
    "sink with the worker's rights": (
        "sink chat", "streams", {}, "gives user 'streams' no right on topic qala.chat.v1"),
    "wrong token to provision": (
        "provision", "provision", {"QALA_INFLUX_TOKEN": "admin:wrong"}, "refuses the token"),
    "wrong password to look": (
        "dlq list", "operator", {"QALA_KAFKA_PASSWORD": "wrong"}, "refuses user 'operator'"),
}  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def refused(city: SecuredCity) -> Mapping[str, tuple[int, str]]:
    """Exit code and output of each command of `WRONG`, a few at a time."""
    shutil.copy(city.secrets / "mqtt.crt", city.data / "other.crt")  # no authority of anything
    known = {**city.ports, "reader": city.reader.token.get_secret_value()}
    free = asyncio.Semaphore(3)

    async def outcome(name: str) -> tuple[int, str]:
        command, settings, wrong, _ = WRONG[name]
        environ = city.environ(settings) | {k: v.format(**known) for k, v in wrong.items()}
        async with free:
            process = await city.run(
                *command.split(), name=f"refused {name}", environ=environ | {"QALA_DATA": "refused"}
            )
            return await process.process.wait(), process.output()

    return dict(zip(WRONG, await asyncio.gather(*map(outcome, WRONG)), strict=True))


@pytest.mark.parametrize("name", WRONG)
def test_a_refusal_is_one_clear_line_and_exit_code_1(
    refused: Mapping[str, tuple[int, str]], name: str
) -> None:
    code, output = refused[name]
    *before, last = output.splitlines()
    assert code == 1
    assert last.startswith("qala: ")
    assert WRONG[name][3] in last
    assert [line for line in before if json.loads(line)["level"] != "info"] == []


async def test_a_refusal_after_the_start_is_waited_out(city: SecuredCity) -> None:
    await city.add_mqtt_user("bridges.passwd", "bridge", "another")
    await city.mosquitto.restart()
    await eventually(
        lambda: city.reasons("bridge"),
        lambda told: "check the user and the password in" in (told or {}).get("mqtt", ""),
        timeout_s=40,
    )
    await city.add_mqtt_user("bridges.passwd", "bridge", city.password("mqtt-bridge"))
    await all_well(city, "bridge")
    output = (city.data / "logs" / "bridge.log").read_text()
    assert output.count("NOT_AUTHORIZED") == 1
    await stored(city, 300)


async def test_a_restart_of_kafka_ends_no_stage(city: SecuredCity) -> None:
    await city.kafka.restart()
    await stored(city, 301)
    assert [stage.name for stage in city.stages if stage.running] == list(STAGES)


async def test_no_log_holds_a_password(city: SecuredCity) -> None:
    secrets = {path.read_text().strip() for path in city.secrets.glob("*.password")}
    secrets.add(city.environ("bridge")["QALA_PERSON_KEY"])
    assert len(secrets) == 12
    logs = list(city.data.rglob("*.log"))
    assert {path.stem for path in logs} > STAGES.keys() | {"kafka", "mosquitto", "influxdb"}
    found = [
        path.name
        for path in logs
        if any(secret in path.read_text(errors="replace") for secret in secrets)
    ]
    assert found == []
