"""`qala doctor` on real servers: nothing to mend on a healthy stack, and the mend of each fault.

The tests on topics come first: they need no stages, and leave the topics as they were.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from infra.doctor import Finding, examine
from infra.doctor.ask_kafka import ask_kafka
from infra.doctor.ask_mqtt import BrokerSeen, ask_mqtt
from infra.doctor.judge_kafka import judge_kafka
from infra.native import LOOPBACK, free_port
from infra.provision import partition_counts, provision_kafka
from infra.settings import Settings
from infra.supervisor.records import read_probes, run_folder
from schemas.clock import RealClock
from schemas.topics import ALL_TOPICS, COMMANDS, partition_of
from tests.support.bridges import bridging, device, now_ms
from tests.support.doctor import WEEK_S, problem
from tests.support.stack import QALA, Stack
from tests.support.waiting import eventually

PARTITIONS = 2
TICK_S = 0.3
# What a test machine need not have; everything else is in order on a healthy stack.
NOT_NEEDED = {("settings", "chat"), ("settings", "rules"), ("clocks", "this machine")}

pytestmark = pytest.mark.timeout(240)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    data = tmp_path_factory.mktemp("doctor")
    (data / "qala.toml").write_text(f"[bridge]\ntick_s = {TICK_S}\n", encoding="utf-8")
    async with Stack.started(data, partitions=PARTITIONS) as started:
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def city(stack: Stack) -> Stack:
    """The stack with every stage running."""
    names = {
        "bridge": ("bridge",),
        "streams": ("streams",),
        "sink-influx": ("sink", "influx"),
        "sink-chat": ("sink", "chat"),
    }
    for name, words in names.items():
        await stack.run(*words, name=name)

    async def in_order() -> list[Finding]:
        await one_reading(stack)
        return troubles(await examine(settings_of(stack), now_ms))

    await eventually(in_order, lambda found: not found, timeout_s=60)
    return stack


def settings_of(stack: Stack, **more: object) -> Settings:
    return Settings(
        mqtt=stack.mqtt_connection,
        kafka=stack.kafka_connection,
        influx=stack.influx_connection,
        data=stack.data,
        bridge={"tick_s": TICK_S},
        **more,
    )


async def one_reading(stack: Stack, site: str = "hall-0") -> None:
    """What a bridge receives shows its clock."""
    async with device(stack.mqtt_connection, "one-reading") as sender:
        body = {"type": "temperature", "ts": now_ms(), "boot": now_ms() // 1000, "seq": 0}
        sender.send(site, "thermometer", "t-0", body | {"celsius": 20.5})
        await sender.all_acknowledged()


def troubles(findings: list[Finding]) -> list[Finding]:
    return [f for f in findings if f.state != "ok" and (f.part, f.check) not in NOT_NEEDED]


async def doctor(stack: Stack, *words: str) -> tuple[int | None, str, str]:
    """Exit code, stdout and stderr of `qala doctor`."""
    process = await asyncio.create_subprocess_exec(
        str(QALA),
        *("doctor", *words),
        cwd=stack.data,
        env=stack.environ(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def of_kafka(stack: Stack) -> list[Finding]:
    return judge_kafka(await ask_kafka(stack.kafka_connection, ()), address="Kafka")


async def test_a_missing_topic_and_one_with_a_wrong_partition_count_are_named(stack: Stack):
    admin = AIOKafkaAdminClient(**stack.kafka_connection.client_args())
    await admin.start()
    try:
        await _delete(admin, stack, COMMANDS)
        missing = problem(await of_kafka(stack), "kafka", "topics")
        assert missing.what == f"topic {COMMANDS} is missing"
        assert missing.mend == "run `qala provision`"

        await admin.create_topics([NewTopic(COMMANDS, PARTITIONS + 1, 1)])
        await eventually(lambda: partition_counts(stack.kafka_connection), _whole)
        found = await of_kafka(stack)
        wrong = problem(found, "kafka", "partitions")
        assert f"{COMMANDS} has 3 partitions and the others 2" in wrong.what
        assert f"delete {COMMANDS}" in wrong.mend
        assert "`qala provision`" in wrong.mend
        unlike = problem(found, "kafka", "retention")
        assert "cleanup.policy is delete, not compact,delete" in unlike.what

        await _delete(admin, stack, COMMANDS)
    finally:
        await admin.close()
    await provision_kafka(stack.kafka_connection, partitions=PARTITIONS, simulated_clock=False)
    assert [f for f in await of_kafka(stack) if f.state != "ok"] == []


async def _delete(admin: AIOKafkaAdminClient, stack: Stack, topic: str) -> None:
    await admin.delete_topics([topic])
    await eventually(
        lambda: partition_counts(stack.kafka_connection), lambda counts: topic not in counts
    )


def _whole(counts: dict[str, int]) -> bool:
    return set(counts) == set(ALL_TOPICS)


async def test_a_healthy_stack_has_nothing_to_mend(city: Stack):
    await one_reading(city)
    code, out, err = await doctor(city, "--json")
    findings = [Finding(**found) for found in json.loads(out)]
    assert troubles(findings) == []
    assert (code, err) == (0, "")
    parts = {finding.part for finding in findings}
    assert parts == {
        "settings", "machine", "mqtt", "kafka", "influxdb", "clocks", "bridges", "stages"
    }  # fmt: skip


async def test_the_chat_is_judged_by_the_sink_that_runs_and_not_by_doctors_own_variable(
    city: Stack,
):
    (chat,) = (stage for stage in city.stages if stage.name == "sink-chat")
    await chat.stop()
    url = f"json://127.0.0.1:{free_port()}/made-up-token"
    await city.run("sink", "chat", name="sink-chat", QALA_CHAT_URLS=url)

    async def of_chat() -> dict[str, str]:
        _, out, _ = await doctor(city, "--json")
        findings = [Finding(**found) for found in json.loads(out)]
        return {f.check.partition("-chat.json-")[0]: f.state for f in findings if "chat" in f.check}

    served = {
        "chat": "ok", "group qala-sink": "ok", "group qala-sink-chat.file": "ok",
        "sink-chat": "ok",
    }  # fmt: skip
    await eventually(of_chat, served.__eq__, timeout_s=60)
    code, _, _ = await doctor(city)
    assert code == 0


async def test_a_full_disk_is_a_problem_and_ends_with_exit_code_1(city: Stack):
    toml = city.data / "qala.toml"
    before = toml.read_text(encoding="utf-8")
    toml.write_text(f"min_free_mb = 1000000000\n{before}", encoding="utf-8")
    try:
        code, out, err = await doctor(city)
    finally:
        toml.write_text(before, encoding="utf-8")
    assert code == 1
    assert err == "qala: 1 problem found; mend what is listed and look again\n"
    assert "✖  space" in out
    assert "min_free_mb" in out
    # wherever the lines break
    assert "".join(f"→ see what is large with `du -sh {city.data}/*`".split()) in "".join(
        out.split()
    )


async def test_a_clock_5_s_off_is_told_of_each_server(city: Stack):
    found = await examine(settings_of(city), lambda: now_ms() + 5000)
    for server in ("Kafka", "InfluxDB"):
        off = problem(found, "clocks", server)
        assert "s behind this machine's" in off.what
        # both servers agree with each other, so the odd clock is ours
        assert "synchronise the clock of this machine" in off.mend


@pytest.mark.parametrize(
    "off_s, state, said",
    [(4.0, "problem", "s ahead of Kafka's"), (-3.6, "warning", "s behind Kafka's clock")],
)
@pytest.mark.parametrize("partition", range(PARTITIONS))
async def test_a_bridges_wrong_clock_is_seen_in_whatever_partition_its_sites_are(
    city: Stack, partition: int, off_s: float, state: str, said: str
):
    sites = (f"hall-{number}" for number in itertools.count())
    site = next(site for site in sites if partition_of(site, PARTITIONS) == partition)
    name = f"off-{partition}-{state}"
    wrong = RealClock(wall_ns=lambda: time.time_ns() + round(off_s * 1e9))
    async with bridging(
        city.mqtt_connection,
        city.kafka_connection,
        clock=wrong,
        id=name,
        tick_s=TICK_S,
        leave_on_stop=True,
    ):

        async def told() -> Finding | None:
            for _ in range(4):  # the other bridge has its share
                await one_reading(city, site)
            found = await examine(settings_of(city), now_ms)
            return next(
                (
                    f
                    for f in found
                    if (f.part, f.check, f.state) == ("clocks", f"bridge {name}", state)
                ),
                None,
            )

        found = await eventually(told, timeout_s=60)
    assert said in found.what
    assert f"bridge {name}" in str(found.mend)


async def test_an_absent_bridge_is_named_with_what_waits_for_it(city: Stack):
    north = await city.run("bridge", "--id", "north", name="bridge-north")
    await eventually(lambda: _bridges(city), lambda found: found.get("bridge north") == "ok")
    await north.kill()
    async with device(city.mqtt_connection) as sender:
        for number in range(400):
            body = {"type": "temperature", "ts": now_ms(), "boot": 1, "seq": number, "celsius": 1}
            sender.send("hall-1", "thermometer", "t-1", body)
        await sender.all_acknowledged()

    async def told() -> list[Finding]:
        found = await examine(settings_of(city), now_ms)
        return [f for f in found if f.check == "bridge north" and _waiting(f.what) >= 150]

    (absent,) = await eventually(told, timeout_s=60)
    assert absent.state == "problem"
    assert absent.what.startswith("it is away")
    assert "`qala bridge --id north`" in str(absent.mend)
    assert "`qala bridge --adopt north`" in str(absent.mend)

    # so do the other bridges, and stay ready
    (bridge,) = (stage for stage in city.stages if stage.name == "bridge")
    (probe,) = (p for p in read_probes(run_folder(city.data)) if p.process.pid == bridge.pid)

    async def noted() -> dict[str, Any]:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{probe.port}/ready") as answer,
        ):
            said: dict[str, Any] = await answer.json()
            assert (answer.status, said["ready"], said["reasons"]) == (200, True, {})
            return said["notes"]

    notes = await eventually(noted, lambda notes: "bridge north" in notes, timeout_s=60)
    assert "qala bridge --adopt north" in notes["bridge north"]

    # the mend mends: what waits is drained, and it is not missed any more
    adoption = await city.run("bridge", "--adopt", "north", name="adoption")
    async with asyncio.timeout(60):
        assert await adoption.process.wait() == 0, adoption.output()
    last = adoption.output().splitlines()[-1]
    told = re.fullmatch(r"bridge north is adopted: (\d+) messages .*", last)
    assert told is not None, last
    assert int(told[1]) >= 150
    seen = await ask_mqtt(city.mqtt_connection, session_expiry_s=WEEK_S)
    assert isinstance(seen, BrokerSeen)
    assert seen.claims == ("qala-bridge-1",)


def _waiting(what: str) -> int:
    said = what.partition("about ")[2].partition(" messages")[0].replace(" ", "")
    return int(said) if said.isdecimal() else 0


async def _bridges(stack: Stack) -> dict[str, str]:
    found = await examine(settings_of(stack), now_ms)
    return {f.check: f.state for f in found if f.part == "bridges"}


async def test_a_bridge_that_runs_here_is_not_adopted(city: Stack):
    adoption = await city.run("bridge", "--adopt", "1", name="adoption-of-1")
    async with asyncio.timeout(60):
        assert await adoption.process.wait() == 1
    assert "bridge '1' runs on" in adoption.output().splitlines()[-1]


async def test_a_stage_that_waits_or_was_killed_is_named(city: Stack):
    (chat,) = (stage for stage in city.stages if stage.name == "sink-chat" and stage.running)
    await chat.kill()
    found = await examine(settings_of(city), now_ms)
    killed = problem(found, "stages", "sink-chat")
    assert "start it again with `qala sink chat`" in killed.mend


async def test_each_server_that_is_stopped_is_named_and_the_others_are_looked_at(city: Stack):
    await city.mosquitto.stop()
    city.influxdb.pause()  # holds its port and answers nothing
    try:
        away = f"{LOOPBACK}:{free_port()}"
        kafka = city.kafka_connection.model_copy(update={"bootstrap": away})
        found = await examine(settings_of(city).model_copy(update={"kafka": kafka}), now_ms)
    finally:
        city.influxdb.resume()
        await city.mosquitto.start()
    for part, setting in (
        ("mqtt", "QALA_MQTT_URL"),
        ("kafka", "QALA_KAFKA_BOOTSTRAP"),
        ("influxdb", "QALA_INFLUX_URL"),
    ):
        stopped = problem(found, part, "answers")
        assert "cannot be reached" in stopped.what
        assert "`qala servers up`" in stopped.mend
        assert setting in stopped.mend
    assert {f.state for f in found if f.part == "machine"} == {"ok"}
    assert {f.state for f in found if f.part == "bridges"} == {"unknown"}
