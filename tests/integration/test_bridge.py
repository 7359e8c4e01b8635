"""The bridge between a real Mosquitto and a real Kafka."""

from __future__ import annotations

import asyncio
import json
import logging
import time

import pytest

from infra.provision import provision_kafka
from ingest import SessionTakenOverError
from schemas.clock import RealClock, SimulatedClock
from schemas.topics import TELEMETRY, partition_of
from tests.support.bridges import (
    KEY,
    bridging,
    device,
    now_ms,
    reading_log,
)
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

PERSON = "marked-person-4711"


def head(seq: int, kind: str) -> dict[str, object]:
    return {"type": kind, "ts": now_ms(), "boot": 1, "seq": seq}


def air(seq: int, **more: object) -> dict[str, object]:
    return head(seq, "air") | {"efficiency_pct": 50.5} | more


VALID = [
    ("camera", head(0, "passage") | {"person": PERSON, "direction": "in"}),
    ("camera", head(1, "scene") | {"people": 3, "fps": 25}),
    ("thermometer", head(0, "temperature") | {"celsius": 36.6, "subject": "body"}),
    ("ionizer", air(0)),
    ("speaker", head(0, "audio") | {"volume_pct": 40, "playing": True}),
    ("desk", head(0, "ticket") | {"ticket": "A-1", "service": "passports", "event": "opened"}),
]


async def test_one_reading_of_each_type_lands_in_its_partition(mqtt, log_servers) -> None:
    async with (
        bridging(mqtt, log_servers, id="each"),
        device(mqtt) as sender,
        reading_log(log_servers) as log,
    ):
        for kind, reading in VALID:
            sender.send("each-type", kind, "d-1", reading)
        lines = await log.lines_of("each-type", len(VALID))
    assert [line.reading.__struct_config__.tag for line in lines] == [
        reading["type"] for _, reading in VALID
    ]
    assert lines[0].reading.person == KEY.pseudonym(PERSON)
    assert all(line.at is None for line in lines)
    partitions = {
        record.partition for record in log.records[TELEMETRY] if b'"each-type"' in record.value
    }
    assert partitions == {partition_of("each-type", 8)}


async def test_an_array_of_1000_becomes_1000_lines(mqtt, log_servers) -> None:
    async with (
        bridging(mqtt, log_servers, id="array") as bridge,
        device(mqtt) as sender,
        reading_log(log_servers) as log,
    ):
        sender.send("array", "ionizer", "d-1", [air(seq) for seq in range(1000)])
        lines = await log.lines_of("array", 1000)
        assert [line.reading.seq for line in lines] == list(range(1000))
        assert bridge.figure("accepted_total", what="reading") == 1000
        assert bridge.figure("envelopes_total") > 1


async def test_each_bad_input_is_one_dead_letter_and_costs_its_neighbours_nothing(
    mqtt, log_servers
) -> None:
    topic = "qala/v1/bad/ionizer/d-1/telemetry"
    bad = [
        (topic, b"not json", "not_json"),
        (topic, b'{"type":"air","x":"\xe2\x82', "not_json"),
        (topic, json.dumps(air(1, co2_ppm=float("nan"))).encode(), "not_json"),
        (topic, json.dumps(air(1, efficiency_pct=101)).encode(), "out_of_range"),
        (topic, json.dumps(head(1, "gravity")).encode(), "unknown_type"),
        ("qala/v1/bad/desk/d-1/telemetry", json.dumps(air(1)).encode(), "wrong_kind"),
        (topic, b"[" * 10_000 + b"]" * 10_000, "nested_too_deep"),
        (topic, b" " * 300 * 1024, "too_large"),
        (topic, b"", "not_json"),
        (topic, b"[]", "array_length"),
        (topic, json.dumps([air(n) for n in range(1001)]).encode(), "array_length"),
        ("qala/v1/Bad_Id/ionizer/d-1/telemetry", b"{}", "topic_id"),
        ("qala/v1/bad/ionizer/d-1", b"{}", "topic_shape"),
        ("qala/v1/bad/toaster/d-1/status", b"{}", "topic_kind"),
        ("qala/v1/bad/ionizer/d-1/status", b'{"state":"gone"}', "out_of_range"),
    ]
    async with (
        bridging(mqtt, log_servers, id="bad") as bridge,
        device(mqtt) as sender,
        reading_log(log_servers) as log,
    ):
        for number, (where, payload, _) in enumerate(bad):
            sender.publish(where, payload)
            sender.send("bad", "ionizer", "d-1", air(number))
        hostile = head(0, "audio") | {"volume_pct": 1, "playing": True, "announcement": 'a\n"b'}
        sender.send("bad", "speaker", "d-2", json.dumps(hostile, indent=1).encode())
        sender.send("bad", "ionizer", "d-3", [air(0), 7, air(2), {"type": "air"}])
        letters = await log.letters_of("bad", len(bad) + 2)
        lines = await log.lines_of("bad", len(bad) + 3)
        rejected = sum(
            sample.value
            for family in bridge.registry.collect()
            for sample in family.samples
            if sample.name == "qala_bridge_rejected_total"
        )
        assert bridge.figure("received_total") == len(lines) + len(letters)
    reasons = [dict(letter.headers)["reason"].decode() for letter in letters]
    assert sorted(reasons) == sorted(
        [reason for *_, reason in bad] + ["not_an_object", "missing_field"]
    )
    assert rejected == len(letters)
    assert [line.reading.seq for line in lines if line.device == "d-1"] == list(range(len(bad)))
    assert [line.reading.seq for line in lines if line.device == "d-3"] == [0, 2]
    assert [line.reading.announcement for line in lines if line.device == "d-2"] == ['a\n"b']
    indices = {
        dict(letter.headers)["index"] for letter in letters if "index" in dict(letter.headers)
    }
    assert indices == {b"1", b"3"}


async def test_statuses_and_replies_become_lines_and_commands_are_ignored(
    mqtt, log_servers
) -> None:
    async with device(mqtt) as sender, reading_log(log_servers) as log:
        online = {"state": "online", "ts": now_ms(), "boot": 1.0, "extra": 1}
        sender.publish("qala/v1/talk/speaker/d-1/status", online, retain=True)
        async with bridging(mqtt, log_servers, id="talk") as bridge:
            await log.lines_of("talk", 1)
            sender.publish("qala/v1/talk/speaker/d-1/status", online | {"boot": 2}, retain=True)
            sender.send("talk", "speaker", "d-1", {"action": "announce"}, "command")
            reply = {"command": "c-1", "status": "played", "ts": now_ms()}
            sender.send("talk", "speaker", "d-1", reply, "reply")
            lines = await log.lines_of("talk", 3)
            sender.publish("qala/v1/talk/speaker/d-1/status", b"", retain=True)

            async def cleared() -> bool:
                return bridge.figure("ignored_total", why="cleared_status") > 0

            await eventually(cleared)
            assert bridge.figure("ignored_total", why="command") == 1
        await log.read()
    assert [line.status.boot for line in lines if line.status] == [1, 2]
    assert [line.reply.status for line in lines if line.reply] == ["played"]
    assert not log.letters("talk")


async def test_two_bridges_share_readings_and_each_writes_every_status(mqtt, log_servers) -> None:
    async with (
        bridging(mqtt, log_servers, id="one") as one,
        bridging(mqtt, log_servers, id="two") as two,
        device(mqtt) as sender,
        reading_log(log_servers) as log,
    ):
        for bridge in (one, two):
            await bridge.until_subscribed("shared")
        for seq in range(200):
            sender.send("pair", "ionizer", "d-1", air(seq))
        online = {"state": "online", "ts": now_ms(), "boot": 1}
        sender.send("pair", "ionizer", "d-1", online, "status")
        sender.send("pair", "ionizer", "d-1", b"broken", "status")
        lines = await log.lines_of("pair", 202)
        seqs = [line.reading.seq for line in lines if line.reading]
        assert sorted(seqs) == list(range(200))
        assert sum(1 for line in lines if line.status) == 2
        for bridge in (one, two):
            assert bridge.figure("accepted_total", what="reading") > 0

        async def letters() -> int:
            await log.read()
            return len(log.letters("one")) + len(log.letters("two"))

        assert await eventually(letters) == 1


async def test_ticks_come_on_every_partition_and_stop_with_the_bridge(mqtt, log_servers) -> None:
    async with reading_log(log_servers) as log:
        async with bridging(mqtt, log_servers, id="tick", tick_s=0.2):

            async def rounds() -> int:
                await log.read()
                found = [record.partition for record in log.ticks("tick")]
                return min(found.count(partition) for partition in range(8))

            await eventually(rounds, lambda number: number >= 3)
        headers = dict(log.ticks("tick")[0].headers)
        assert headers == {"bridge": b"tick", "n": b"0"}


async def test_simulated_clock_stamps_records_in_order_and_says_its_speed(
    mqtt, log_servers
) -> None:
    start_us = 1_700_000_000_000_000
    clock = SimulatedClock(start_us, 60.0, now_ms() * 1000)
    await provision_kafka(log_servers, partitions=8, simulated_clock=True)
    try:
        async with (
            reading_log(log_servers) as log,
            bridging(mqtt, log_servers, clock, id="sim", tick_s=0.2),
            device(mqtt) as sender,
        ):
            for seq in range(5):
                sender.send("sim", "ionizer", "d-1", air(seq) | {"ts": clock.now_us() // 1000})
                lines = await log.lines_of("sim", seq + 1)
    finally:
        await provision_kafka(log_servers, partitions=8, simulated_clock=False)
    assert all(line.at is None and line.rx - start_us < 3_600_000_000 for line in lines)
    ticks = log.ticks("sim")
    assert dict(ticks[0].headers)["speed"] == b"60"
    for partition in range(8):
        stamps = [
            record.timestamp for record in log.records[TELEMETRY] if record.partition == partition
        ]
        assert stamps == sorted(stamps)
        assert 0 <= stamps[0] - start_us // 1000 < 3_600_000


async def test_receive_times_never_run_backwards_when_the_machines_clock_steps_back(
    mqtt, log_servers
) -> None:
    wall_ns = [time.time_ns()]
    async with (
        bridging(mqtt, log_servers, RealClock(wall_ns=lambda: wall_ns[0]), id="steps"),
        device(mqtt) as sender,
        reading_log(log_servers) as log,
    ):
        begin_us = wall_ns[0] // 1000
        for seq, step_s in enumerate((0, 1, -3600, 1, 3600, 1)):
            wall_ns[0] += step_s * 1_000_000_000
            sender.send("steps", "ionizer", "d-1", air(seq))
            lines = await log.lines_of("steps", seq + 1)
    passed_s = [(line.rx - begin_us) / 1e6 for line in lines]
    assert passed_s == [0, 1, 1, 1, 2, 3]
    # nor does the step make a right clock look wrong
    assert all(line.at is None for line in lines)


async def test_a_later_bridge_with_the_same_id_ends_the_older_one(mqtt, log_servers) -> None:
    async with (
        bridging(mqtt, log_servers, id="double") as older,
        bridging(mqtt, log_servers, id="double") as newer,
        device(mqtt) as sender,
        reading_log(log_servers) as log,
    ):
        with pytest.raises(SessionTakenOverError, match="qala-bridge-double"):
            await asyncio.wait_for(older.task, 20)
        sender.send("double", "ionizer", "d-1", air(0))
        await log.lines_of("double", 1)
        assert newer.figure("connections_total") == 1


async def test_a_persons_id_is_nowhere_in_the_clear(mqtt, log_servers, caplog, capfd) -> None:
    passage = head(0, "passage") | {"person": PERSON, "direction": "in"}
    caplog.set_level(logging.DEBUG)
    async with (
        bridging(mqtt, log_servers, id="private") as bridge,
        device(mqtt) as sender,
        reading_log(log_servers) as log,
    ):
        sent = [
            ("camera", json.dumps(passage).encode()),
            ("camera", json.dumps([passage, passage | {"direction": PERSON}]).encode()),
            ("camera", json.dumps(passage | {PERSON: PERSON}).encode()),
            ("camera", json.dumps(passage).encode()[:-3]),
            ("desk", json.dumps(passage).encode()),
            ("desk", json.dumps({"type": "ticket", "deep": [{"person": PERSON}]}).encode()),
            ("desk", json.dumps(PERSON).encode()),
            ("thermometer", f'{{"celsius":{PERSON}}}'.encode()),
        ]
        for kind, payload in sent:
            sender.send("private", kind, "d-1", payload)
        sender.publish(f"qala/v1/private/camera/d-1/{'x' * 3}", json.dumps(passage).encode())
        letters = await log.letters_of("private", 7)
        await log.lines_of("private", 3)
        assert bridge.figure("unknown_fields_total") == 1
    marked = PERSON.encode()
    for records in log.records.values():
        for record in records:
            assert marked not in record.value
            assert all(marked not in value for _, value in record.headers)
    assert PERSON not in caplog.text
    out, err = capfd.readouterr()
    assert PERSON not in out + err
    opened = [KEY.open(letter.value, dict(letter.headers)["sealed"].decode()) for letter in letters]
    assert all(marked in body for body in opened)
