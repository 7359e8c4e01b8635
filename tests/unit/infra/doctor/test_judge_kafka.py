from __future__ import annotations

import asyncio
import re
import struct
from pathlib import Path

import pytest
from aiokafka.protocol.metadata import MetadataResponse_v5
from msgspec.structs import replace

from infra.doctor.ask_kafka import GroupSeen, KafkaSeen, TopicSeen, ask_kafka
from infra.doctor.finding import Away, Finding
from infra.doctor.judge_kafka import judge_kafka
from infra.doctor.judge_rights import NEEDS, Needs
from infra.doctor.kafka_rights import READ, WRITE, allows
from infra.provision import topic_configs
from schemas.connections import KafkaConnection
from schemas.topics import ALERTS, ALL_TOPICS, DEAD_LETTERS, DEVICES, STATE, TELEMETRY

ROOT = Path(__file__).parents[4]
APIS = {1: (4, 17), 3: (0, 13), 11: (0, 9), 60: (0, 2)}
METADATA = 3
BROKER = {
    "auto.create.topics.enable": "false",
    "group.min.session.timeout.ms": "6000",
    "socket.request.max.bytes": "104857600",
}


def topic(name: str, *, simulated: bool = False, **changes) -> TopicSeen:
    configs = topic_configs(name, simulated_clock=simulated) | {"min.insync.replicas": "1"}
    seen = TopicSeen(name=name, partitions=8, copies=1, alive_copies=1, configs=configs)
    return replace(seen, **changes)


def seen(*changed: TopicSeen, without: tuple[str, ...] = (), **more) -> KafkaSeen:
    there = {name: topic(name) for name in ALL_TOPICS if name not in without}
    there |= {one.name: one for one in changed}
    whole = KafkaSeen(
        user="qala", apis=APIS, brokers=1, deaf={}, topics=there, broker=BROKER,
        groups=(GroupSeen(name="qala-streams", state="Stable", members=1, lag=12),),
    )  # fmt: skip
    return replace(whole, **more)


def judged(what: KafkaSeen | Away) -> list[Finding]:
    return [f for f in judge_kafka(what, address="kafka:9092") if f.state != "ok"]


def only(what: KafkaSeen) -> Finding:
    (found,) = judged(what)
    assert found.mend
    return found


def test_kafka_as_it_is_provisioned_is_in_order():
    assert judged(seen()) == []


def test_topics_of_a_simulated_clock_are_in_order_too():
    simulated = [topic(name, simulated=True) for name in ALL_TOPICS]
    assert judged(seen(*simulated)) == []


def test_kafka_that_is_away_is_one_finding():
    assert [f.check for f in judged(Away("it is away", "start it"))] == ["answers"]


def test_each_missing_topic_is_named():
    found = judged(seen(without=(ALERTS, DEVICES)))
    assert [f.what for f in found] == [f"topic {t} is missing" for t in (ALERTS, DEVICES)]
    assert {f.mend for f in found} == {"run `qala provision`"}


def test_a_topic_with_another_partition_count_is_named():
    found = only(seen(topic(ALERTS, partitions=3)))
    assert found.check == "partitions"
    assert f"{ALERTS} has 3 partitions and the others 8" in found.what
    assert f"delete {ALERTS}" in str(found.mend)


def test_telemetry_with_more_partitions_than_the_others_is_the_wrong_one():
    found = only(seen(topic(TELEMETRY, partitions=16)))
    assert f"{TELEMETRY} has 16 partitions and the others 8" in found.what
    mend = " ".join(str(found.mend).split())
    assert "`qala provision --partitions 8`" in mend
    assert f"delete {TELEMETRY} and {STATE}" in mend


def test_where_the_counts_are_even_that_of_telemetry_counts():
    found = judged(seen(topic(ALERTS, partitions=3), without=tuple(ALL_TOPICS[1:])))
    wrong = [f.what for f in found if f.check == "partitions"]
    assert len(wrong) == 1
    assert wrong[0].startswith(f"topic {ALERTS} has 3")


@pytest.mark.parametrize(
    "key, value, state",
    [
        ("cleanup.policy", "compact", "problem"),
        ("retention.ms", "1000", "problem"),
        ("max.message.bytes", "1000", "problem"),
        ("message.timestamp.type", "CreateTime", "problem"),
        ("segment.bytes", "1000", "warning"),
    ],
)
def test_configuration_that_is_not_as_provisioned_is_told(key, value, state):
    whole = topic(TELEMETRY)
    found = only(seen(replace(whole, configs={**(whole.configs or {}), key: value})))
    assert (found.check, found.state) == ("retention", state)
    assert f"{TELEMETRY}: {key} is {value}, not " in found.what


def test_the_order_of_policies_does_not_matter():
    whole = topic(ALERTS)
    assert (whole.configs or {})["cleanup.policy"] == "compact,delete"
    turned = {**(whole.configs or {}), "cleanup.policy": "delete,compact"}
    assert judged(seen(replace(whole, configs=turned))) == []


def test_configuration_that_is_hidden_is_unknown():
    hidden = [replace(topic(name), configs=None) for name in ALL_TOPICS]
    assert only(seen(*hidden)).state == "unknown"
    assert only(seen(broker=None)).state == "unknown"


def as_user(stage: str) -> KafkaSeen:
    """Kafka as the user of one stage sees it, who has the rights of that stage only."""
    needs = NEEDS[stage]
    return seen(
        *(
            topic(name, may_read=name in needs.reads, may_write=name in needs.writes)
            if name in needs.reads | needs.writes
            else TopicSeen(name=name, refused="TopicAuthorizationFailedError")
            for name in ALL_TOPICS
        )
    )


@pytest.mark.parametrize("stage", NEEDS)
def test_a_stages_own_user_is_told_what_it_is_enough_for(stage):
    hidden, rights = judged(as_user(stage))
    assert (hidden.check, hidden.state) == ("topics", "unknown")
    assert (rights.check, rights.state) == ("rights", "warning")
    assert rights.what.startswith(f"user qala may do in Kafka what {stage} does, and not")


def test_a_user_that_only_looks_is_in_order():
    assert judged(seen(*(topic(name, may_write=False) for name in ALL_TOPICS))) == []


def test_a_right_that_every_stage_needs_is_a_problem():
    found = only(seen(topic(DEAD_LETTERS, may_write=False)))
    assert found.state == "problem"
    assert f"streams may not write {DEAD_LETTERS}" in found.what
    assert "infra/deploy/kafka/acls.sh" in str(found.mend)


def test_nobody_is_told_to_give_rights_to_whoever_has_no_user():
    hidden = GroupSeen(name="qala-streams", state="?", refused="GroupAuth…", forbidden=True)
    found = judged(seen(topic(DEAD_LETTERS, may_write=False), groups=(hidden,), user=None))
    assert [finding.check for finding in found] == ["rights", "group qala-streams"]
    assert all("QALA_KAFKA_SECURITY" in str(finding.mend) for finding in found)
    assert not any("acls.sh" in str(finding.mend) for finding in found)


def test_a_mend_of_rights_is_a_command_that_is_there_and_gives_no_more_than_needed():
    hidden = GroupSeen(name="qala-streams", state="?", refused="GroupAuth…", forbidden=True)
    found = judged(seen(topic(DEAD_LETTERS, may_write=False), groups=(hidden,)))
    for finding in found:
        (command,) = re.findall(r"`(.+?)`", str(finding.mend))
        script, *arguments = command.split()
        assert (ROOT / script).exists()
        assert len(arguments) == (ROOT / script).read_text().count("=$")
        assert "prefixed" not in str(finding.mend)


def test_stages_need_what_the_shipped_access_list_allows():
    text = (
        (ROOT / "infra" / "deploy" / "kafka" / "acls.sh")
        .read_text(encoding="utf-8")
        .replace("\\\n", " ")
    )
    allowed: dict[str, dict[str, set[str]]] = {stage: {} for stage in NEEDS}
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["allow"] and words[1] in NEEDS:
            of_line = {word for word in words if word in ALL_TOPICS}
            allowed[words[1]].setdefault(words[3], set()).update(of_line)
    assert {
        stage: Needs(frozenset(has.get("Read", ())), frozenset(has.get("Write", ())))
        for stage, has in allowed.items()
    } == NEEDS


def test_too_few_copies_are_told():
    assert "without a leader: 1 partition of" in only(seen(topic(ALERTS, leaderless=1))).what
    strict = topic(ALERTS, copies=1, alive_copies=1)
    configs = {**(strict.configs or {}), "min.insync.replicas": "2"}
    never = only(seen(replace(strict, configs=configs)))
    assert "set min.insync.replicas" in str(never.mend)
    down = only(seen(replace(strict, copies=3, thin=8, configs=configs)))
    assert down.mend == "start the brokers that are down"
    assert only(seen(topic(ALERTS, copies=3, alive_copies=2, thin=1))).state == "warning"


@pytest.mark.parametrize(
    "key, value, state",
    [
        ("auto.create.topics.enable", "true", "warning"),
        ("group.min.session.timeout.ms", "10000", "problem"),
        ("socket.request.max.bytes", "1000000", "problem"),
    ],
)
def test_limits_of_brokers_are_judged(key, value, state):
    found = only(seen(broker=BROKER | {key: value}))
    assert (found.check, found.state) == ("limits", state)
    assert key in str(found.mend)


@pytest.mark.parametrize("apis", [{3: (0, 8), 11: (0, 4)}, {3: (0, 7), 11: (0, 5)}, {}])
def test_a_version_without_static_members_is_a_problem(apis):
    assert only(seen(apis=apis)).check == "version"


async def test_a_broker_of_long_ago_is_told_and_not_asked_what_it_does_not_know():
    """A stand-in that speaks what Kafka 2.2 spoke of the requests that matter here."""
    old = {METADATA: (0, 7), 11: (0, 4), 18: (0, 2)}
    asked: list[tuple[int, int]] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                head = struct.unpack(">ihhi", await reader.readexactly(12))
            except asyncio.IncompleteReadError:
                break
            size, api, version, correlation = head
            await reader.readexactly(size - 8)
            asked.append((api, version))
            if api == METADATA:
                body = MetadataResponse_v5(0, [], "old", 1, []).encode()
            else:
                apis = b"".join(struct.pack(">hhh", key, *span) for key, span in old.items())
                body = struct.pack(">hi", 0, len(old)) + apis
            writer.write(struct.pack(">ii", len(body) + 4, correlation) + body)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        seen_there = await ask_kafka(KafkaConnection(bootstrap=f"127.0.0.1:{port}"), ())
    assert isinstance(seen_there, KafkaSeen)
    found = only(seen_there)
    assert found.what.startswith("older than Kafka 2.3")
    assert all(version <= old[api][1] for api, version in asked)


@pytest.mark.parametrize(
    "group, state, words",
    [
        (GroupSeen(name="qala-streams", state="Empty", lag=70), "problem", "waiting: 70 records"),
        (GroupSeen(name="qala-streams", state="Empty", lag=1), "problem", "waiting: 1 record"),
        (GroupSeen(name="qala-streams", state="Dead"), "warning", "never read"),
        (GroupSeen(name="qala-streams", state="Empty"), "warning", "never read"),
        (
            GroupSeen(name="qala-streams", state="PreparingRebalance", members=2, lag=0),
            "warning",
            "2 members; partitions are being given out",
        ),
        (
            GroupSeen(name="qala-streams", state="Stable", members=1, lag=50_000),
            "warning",
            "50 000 records behind",
        ),
        (
            GroupSeen(name="qala-streams", state="?", refused="GroupAuth…", forbidden=True),
            "unknown",
            "does not let us see it",
        ),
        (
            GroupSeen(name="qala-streams", state="?", refused="GroupCoordinator…"),
            "unknown",
            "can't tell now",
        ),
        (
            GroupSeen(name="qala-sink-chat.json-1", state="Empty", lag=5, expected=False),
            "unknown",
            "other channels; waiting: 5 records",
        ),
    ],
)
def test_groups_are_judged_by_members_and_lag(group, state, words):
    found = only(seen(groups=(group,)))
    assert found.state == state
    assert words in found.what


def test_the_file_of_alerts_is_not_missed_where_the_chat_sink_has_a_messenger():
    file = GroupSeen(name="qala-sink-chat.file", state="Empty", lag=5, expected=False)
    assert judged(seen(groups=(file,))) == []


def test_the_mend_of_an_empty_group_is_its_command():
    found = only(seen(groups=(GroupSeen(name="qala-sink-influx", state="Empty", lag=1),)))
    assert str(found.mend).startswith("start `qala sink influx`; where one runs here,")
    found = only(seen(groups=(GroupSeen(name="qala-sink-chat.file", state="Empty", lag=1),)))
    assert str(found.mend).startswith("start `qala sink chat`;")


def test_a_bootstrap_server_that_is_deaf_beside_others_is_a_warning():
    found = only(seen(deaf={"b:9092": "Kafka at b:9092 cannot be reached"}))
    assert found.state == "warning"
    assert "b:9092" in found.what


def test_operations_are_bits_and_a_server_that_tells_none_allows_all():
    assert allows(1 << READ, READ)
    assert not allows(1 << READ, WRITE)
    assert allows(-(2**31), WRITE)
