"""Bad input costs one dead letter and nothing else; a person's id is nowhere in the clear."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas import topics
from tests.support.city_stack import CityStack, city_stack
from tests.support.waiting import eventually

PERSON = "person-marked-7f3a"
SITE = "site-bad"
GOOD = f"qala/v1/{SITE}/camera/cam-01/telemetry"

HOSTILE = 'line\nbreak "quoted" \\'


def passage(seq: int, **changes: Any) -> dict[str, Any]:
    made = {"type": "passage", "ts": time.time_ns() // 1_000_000, "boot": 1, "seq": seq,
            "person": PERSON, "direction": "in"}  # fmt: skip
    return made | changes


def body(**changes: Any) -> bytes:
    return json.dumps(passage(0, **changes)).encode()


BAD: dict[str, tuple[str, bytes, str]] = {
    "not JSON": (GOOD, f"person={PERSON}".encode(), "not_json"),
    "truncated UTF-8": (GOOD, body()[:-2] + b'\xc3"}', "not_json"),
    "truncated JSON": (GOOD, body()[:-9], "not_json"),
    "NaN": (GOOD, body(confidence=float("nan")), "not_json"),
    "out of range": (GOOD, body(body_celsius=61), "out_of_range"),
    "an unknown type": (GOOD, body(type="face"), "unknown_type"),
    "a wrong kind": (f"qala/v1/{SITE}/desk/desk-01/telemetry", body(), "wrong_kind"),
    "a string for a number": (GOOD, body(body_celsius="36.6"), "wrong_type"),
    "a missing field": (GOOD, json.dumps({"type": "passage", "ts": 1, "boot": 1, "seq": 1,
                                          "person": PERSON}).encode(), "missing_field"),
    "nesting 10,000 deep": (
        GOOD, body()[:-1] + b',"x":' + b"[" * 10_000 + b"]" * 10_000 + b"}", "nested_too_deep",
    ),
    "a 300 KiB payload": (GOOD, body(note="x" * 300 * 1024), "too_large"),
    "a bad id": (f"qala/v1/{SITE}/camera/Cam_01/telemetry", body(), "topic_id"),
    "too few topic levels": (f"qala/v1/{SITE}/telemetry", body(), "topic_shape"),
    "an unknown kind": (f"qala/v1/{SITE}/drone/d-01/telemetry", body(), "topic_kind"),
    "an unknown channel": (f"qala/v1/{SITE}/camera/cam-01/video", body(), "topic_channel"),
    "an empty array": (GOOD, b"[]", "array_length"),
    "an empty payload": (GOOD, b" ", "not_json"),
    "a number": (GOOD, b"42", "not_an_object"),
}  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def city(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[CityStack]:
    data = tmp_path_factory.mktemp("bad")
    async with city_stack(data, chat=True) as started:
        yield started


async def records(city: CityStack, topic: str) -> list[Any]:
    """Every record of a topic, to its present end."""
    consumer = AIOKafkaConsumer(
        topic,
        **city.stack.kafka_connection.client_args(),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        numbers = consumer.partitions_for_topic(topic) or set()
        parts = [TopicPartition(topic, number) for number in numbers]
        ends = await consumer.end_offsets(parts)
        found = []
        while any([await consumer.position(tp) < ends[tp] for tp in parts]):
            for batch in (await consumer.getmany(timeout_ms=500)).values():
                found += batch
        return found
    finally:
        await consumer.stop()


async def good_rows(city: CityStack) -> list[dict[str, Any]]:
    return await city.rows(f'SELECT * FROM "raw"."passage" WHERE "site" = \'{SITE}\'')


@pytest.mark.timeout(240)
async def test_bad_input_costs_one_dead_letter_each_and_no_person_is_in_the_clear(
    city: CityStack,
) -> None:
    for seq, (topic, payload, _) in enumerate(BAD.values()):
        await city.publish(topic, payload)
        await city.send("camera", "cam-01", SITE, passage(seq))
    # the bad elements of an array cost themselves only; text that could break a row does not
    array = [passage(100), passage(101, mask="yes"), passage(102), 7, passage(103)]
    await city.publish(GOOD, json.dumps(array).encode())
    quoted = {"type": "audio", "ts": time.time_ns() // 1_000_000, "boot": 1, "seq": 0,
              "volume_pct": 5, "playing": True, "announcement": HOSTILE}  # fmt: skip
    await city.send("speaker", "speaker-01", SITE, quoted)

    rows = await eventually(lambda: good_rows(city), lambda r: len(r) >= len(BAD) + 3, timeout_s=40)
    assert sorted(row["seq"] for row in rows) == [*range(len(BAD)), 100, 102, 103]
    (spoken,) = await eventually(lambda: city.rows('SELECT * FROM "raw"."audio"'))
    assert spoken["announcement"] == quoted["announcement"]

    letters = await records(city, topics.DEAD_LETTERS)
    reasons = sorted(dict(letter.headers)["reason"].decode() for letter in letters)
    assert reasons == sorted(
        [*(reason for _, _, reason in BAD.values()), "wrong_type", "not_an_object"]
    )
    indexes = [dict(letter.headers).get("index") for letter in letters]
    assert sorted(index for index in indexes if index is not None) == [b"1", b"3"]
    assert all("sealed" in dict(letter.headers) for letter in letters)

    await assert_nowhere(city, PERSON)


async def assert_nowhere(city: CityStack, person: str) -> None:
    """The id is in no topic, row, log or file; only the test's own process knows it."""
    marked = person.encode()
    for topic in topics.ALL_TOPICS:
        for record in await records(city, topic):
            headers = b" ".join(value for _, value in record.headers)
            assert marked not in (record.key or b"") + (record.value or b"") + headers, topic
    for measurement in await city.rows("SHOW MEASUREMENTS"):
        name = measurement["name"]
        for policy in ("raw", "r10s", "r1m", "r1h"):
            rows = await city.rows(f'SELECT * FROM "{policy}"."{name}"')
            assert person not in json.dumps(rows), f"{policy}.{name}"
    data = city.stack.data

    async def holding() -> list[str]:
        files = [path for path in data.rglob("*") if path.is_file()]
        assert len(files) > 10
        return [str(path.relative_to(data)) for path in files if marked in read(path)]

    # Mosquitto's store holds what is not delivered yet, until it is next saved
    await eventually(holding, lambda found: found == [], timeout_s=30, every_s=1)


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:  # servers remove and rename their files as they go
        return b""
