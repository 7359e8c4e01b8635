"""Records that Kafka refuses for good: the bridge neither stops for ever nor loses neighbours."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError
from aiokafka.producer.transaction_manager import PidAndEpoch

from infra.provision import provision_kafka
from schemas.connections import KafkaConnection
from schemas.envelope import decode_line, envelope_headers
from schemas.topics import DEAD_LETTERS, TELEMETRY, partition_of
from tests.support.bridges import KEY, air, bridging, device, now_ms, reading_log
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

SMALL = 8192


def padded(reading: dict[str, object], size: int) -> bytes:
    """``reading`` with ``size`` bytes of white space that do not compress below an eighth."""
    body = msgspec.json.encode(reading)
    return b"{" + bytes(random.Random(4).choices(b" \t", k=size)) + body[1:]


@asynccontextmanager
async def topic_set(kafka: KafkaConnection, topic: str, **configs: str) -> AsyncIterator[None]:
    """The topic with other settings, in force; provisioning puts it right again."""
    own = {name.replace("_", "."): value for name, value in configs.items()}
    admin = AIOKafkaAdminClient(**kafka.client_args())
    await admin.start()
    try:
        resource = ConfigResource(ConfigResourceType.TOPIC, topic, own)
        (answer,) = await admin.alter_configs([resource])
        assert [code for code, *_ in answer.resources] == [0]
    finally:
        await admin.close()
    try:
        await eventually(lambda: refuses(kafka, topic), timeout_s=40)
        yield
    finally:
        await provision_kafka(kafka, partitions=8, simulated_clock=False)


async def refuses(kafka: KafkaConnection, topic: str) -> bool:
    """Whether each partition of the topic refuses a large tick: a setting takes its time."""
    headers = [*envelope_headers("probe", 0), ("padding", random.Random(5).randbytes(20_000))]
    producer = AIOKafkaProducer(**kafka.client_args(), acks="all")
    await producer.start()
    try:
        taken = [
            await producer.send(topic, b"", partition=number, headers=headers)
            for number in range(8)
        ]
        ends = await asyncio.gather(*taken, return_exceptions=True)
    finally:
        await producer.stop()
    return all(isinstance(end, KafkaError) for end in ends)


async def test_a_reading_that_is_too_large_for_the_topic_becomes_a_letter_and_costs_no_neighbour(
    mqtt, log_servers
) -> None:
    large = padded(air(500), 200_000)
    async with (
        topic_set(log_servers, TELEMETRY, max_message_bytes=str(SMALL)),
        bridging(mqtt, log_servers, id="large") as bridge,
        device(mqtt) as sender,
        reading_log(log_servers) as log,
    ):
        for seq in range(1000):
            sender.send("large", "ionizer", "d-1", air(seq) if seq != 500 else large)
            sender.send("other", "ionizer", "d-1", air(seq))
        (letter,) = await log.letters_of("large", 1)
        lines = await log.lines_of("large", 999)
        others = await log.lines_of("other", 1000)

        async def all_acknowledged() -> float:
            return bridge.figure("outstanding")

        await eventually(all_acknowledged, lambda number: number == 0)
        assert bridge.figure("refused_total") == 1
        assert bridge.figure("accepted_total", what="reading") == 2000
        assert bridge.figure("kafka_failures_total") == 0
        assert bridge.figure("connections_total") == 1
    assert [line.reading.seq for line in lines] == [seq for seq in range(1000) if seq != 500]
    assert [line.reading.seq for line in others] == list(range(1000))
    headers = dict(letter.headers)
    assert headers["reason"] == b"refused_by_kafka"
    assert headers["topic"] == b"qala/v1/large/ionizer/d-1/telemetry"
    assert (letter.value, letter.partition) == (large, partition_of("large", 8))


async def test_an_array_that_is_too_large_for_the_topic_is_split(mqtt, log_servers) -> None:
    noise = random.Random(7)
    readings = [air(seq) | {"ions_cm3": noise.uniform(0, 1e9)} for seq in range(1000)]
    async with (
        topic_set(log_servers, TELEMETRY, max_message_bytes="2048"),
        bridging(mqtt, log_servers, id="split") as bridge,
        device(mqtt) as sender,
        reading_log(log_servers) as log,
    ):
        sender.send("split", "ionizer", "d-1", readings)
        lines = await log.lines_of("split", 1000)
        assert bridge.figure("refused_total") == 0
        assert bridge.figure("kafka_failures_total") == 0
    assert [line.reading.seq for line in lines] == list(range(1000))
    assert not log.letters("split")
    for record in log.records[TELEMETRY]:
        assert dict(record.headers)["n"] == b"%d" % record.value.count(b"\n")


async def test_a_letter_that_is_too_large_for_its_topic_is_cut(mqtt, log_servers) -> None:
    bad = random.Random(4).randbytes(200_000)
    async with (
        topic_set(log_servers, DEAD_LETTERS, max_message_bytes=str(SMALL)),
        bridging(mqtt, log_servers, id="cut"),
        device(mqtt) as sender,
        reading_log(log_servers) as log,
    ):
        sender.send("cut", "ionizer", "d-1", bad)
        sender.send("cut", "ionizer", "d-1", air(1))
        (letter,) = await log.letters_of("cut", 1)
        await log.lines_of("cut", 1)
    headers = dict(letter.headers)
    assert (headers["reason"], headers["size"]) == (b"not_json", b"200000")
    kept = KEY.open(letter.value, headers["sealed"].decode())
    assert SMALL // 4 < len(kept) < SMALL
    assert bad.startswith(kept)


async def test_a_topic_that_takes_nothing_makes_the_bridge_wait_and_lose_nothing(
    mqtt, log_servers
) -> None:
    async with (
        bridging(mqtt, log_servers, id="nothing", reconnect_max_s=0.5) as bridge,
        device(mqtt) as sender,
        reading_log(log_servers) as log,
    ):
        # a compacted topic takes no record without a key: INVALID_RECORD
        async with topic_set(log_servers, TELEMETRY, cleanup_policy="compact"):
            for seq in range(50):
                sender.send("nothing", "ionizer", "d-1", air(seq))

            async def said() -> tuple[str, float]:
                why = bridge.readiness.reasons.get("kafka", "")
                return why, bridge.figure("kafka_failures_total")

            await eventually(said, lambda found: "takes nothing" in found[0] and found[1] >= 2)
            assert not bridge.task.done()
        lines = await log.lines_of("nothing", 50, timeout_s=40)
        await bridge.until_connected()
    assert {line.reading.seq for line in lines} == set(range(50))
    assert not log.letters("nothing")


async def test_a_fenced_producer_makes_the_bridge_begin_anew_without_loss(
    mqtt, log_servers
) -> None:
    partition = partition_of("fenced", 8)
    intruder = AIOKafkaProducer(
        **log_servers.client_args(), enable_idempotence=True, acks="all", retry_backoff_ms=10
    )
    await intruder.start()
    try:
        async with (
            bridging(mqtt, log_servers, id="fenced", reconnect_max_s=0.5) as bridge,
            device(mqtt) as sender,
            reading_log(log_servers) as log,
        ):
            sender.send("fenced", "ionizer", "d-1", air(0))
            await log.lines_of("fenced", 1)
            # Kafka gives ids in turn, so the bridge's is the next one; a later epoch fences it
            known = intruder._txn_manager
            known._pid_and_epoch = PidAndEpoch(known.producer_id + 1, 1)
            await intruder.send_and_wait(
                TELEMETRY, b"", partition=partition, headers=envelope_headers("intruder", 0)
            )
            for seq in range(1, 100):
                sender.send("fenced", "ionizer", "d-1", air(seq))
            lines = await log.lines_of("fenced", 100, timeout_s=40)
            assert bridge.figure("kafka_failures_total") == 1
            assert bridge.figure("connections_total") == 2
    finally:
        await intruder.stop()
    assert {line.reading.seq for line in lines} == set(range(100))


async def test_a_letter_of_kafkas_refusal_says_what_the_device_sent(mqtt, log_servers) -> None:
    large = {"command": "c-1", "status": "failed", "ts": now_ms()}
    reply = msgspec.json.encode(large | {"reason": "".join(
        chr(random.Random(n).randrange(0x4E00, 0x9FFF)) for n in range(400)
    )})  # fmt: skip
    async with (
        topic_set(log_servers, TELEMETRY, max_message_bytes="900"),
        bridging(mqtt, log_servers, id="says"),
        device(mqtt) as sender,
        reading_log(log_servers) as log,
    ):
        sender.send("says", "speaker", "d-1", reply, "reply")
        (letter,) = await log.letters_of("says", 1)
    assert dict(letter.headers)["topic"] == b"qala/v1/says/speaker/d-1/reply"
    assert msgspec.json.decode(letter.value) == msgspec.json.decode(reply)
    with pytest.raises(msgspec.ValidationError):
        decode_line(letter.value)
