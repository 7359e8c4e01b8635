"""From real Kafka into real InfluxDB: exact rows, what is refused, and what the sink tells."""

from __future__ import annotations

import time
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from schemas.envelope import envelope_headers
from schemas.measurements import DAY_S, timestamp_ns
from schemas.records import Alert, DeviceRecord, Rollup, Throughput, WorkerProgress, encode
from schemas.topics import ALERTS, COMMANDS, DEAD_LETTERS, DEVICES, ROLLUPS, TELEMETRY
from sinks import InfluxSink
from sinks.places import Places
from sinks.progress import Progress
from tests.support.influx_sinks import (
    BOOT,
    NOW_MS,
    Sent,
    air,
    is_,
    letters_of,
    rows_of,
    running,
    send,
)
from tests.support.servers import query
from tests.support.stack import Stack
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(120)


READINGS = [
    (
        "camera",
        {
            "type": "passage",
            "person": "p-0123",
            "direction": "in",
            "mask": True,
            "body_celsius": 36,
            "confidence": 0.5,
        },
        {
            "direction": "in",
            "person": "p-0123",
            "mask": True,
            "body_celsius": 36.0,
            "confidence": 0.5,
        },
    ),
    (
        "camera",
        {"type": "scene", "people": 3, "fps": 25, "tamper": False, "vehicles": 2, "motion": 1},
        {"people": 3, "fps": 25.0, "tamper": False, "vehicles": 2, "motion": 1.0},
    ),
    (
        "thermometer",
        {"type": "temperature", "celsius": -4},
        {"celsius": -4.0, "subject": "ambient"},
    ),
    (
        "ionizer",
        {"type": "air", "efficiency_pct": 99.5, "co2_ppm": 400, "people": 0},
        {"efficiency_pct": 99.5, "co2_ppm": 400.0, "people": 0},
    ),
    (
        "speaker",
        {"type": "audio", "volume_pct": 0, "playing": False, "announcement": 'a "quoted" one\\'},
        {"volume_pct": 0.0, "playing": False, "announcement": 'a "quoted" one\\'},
    ),
    (
        "desk",
        {"type": "ticket", "ticket": "T-1, a=b", "service": "passport", "event": "opened"},
        {"ticket": "T-1, a=b", "service": "passport", "event": "opened"},
    ),
]


@pytest.mark.parametrize("kind,reading,expected", READINGS, ids=[r[1]["type"] for r in READINGS])
async def test_each_type_becomes_exactly_its_row(stack, producer, kind, reading, expected):
    site = f"row-{reading['type']}"
    named = {"ts": NOW_MS, "boot": BOOT, "seq": 42}
    async with running(stack.kafka_connection, stack.influx_connection):
        for _ in range(2):
            await send(producer, Sent(site, kind, "device-1", reading | named))
        rows = await eventually(lambda: rows_of(stack, reading["type"], site))
    time_ns = timestamp_ns(NOW_MS, BOOT, 42)
    common = {"time": time_ns, "site": site, "device": "device-1", "boot": BOOT, "seq": 42}
    assert rows == [common | expected]
    for key, value in expected.items():
        assert type(rows[0][key]) is type(value) or isinstance(value, float), key


async def test_field_types_in_influxdb_are_those_of_the_contract(stack, producer):
    kind, reading, _ = READINGS[3]
    async with running(stack.kafka_connection, stack.influx_connection):
        await send(
            producer, Sent("types", kind, "d", reading | {"ts": NOW_MS, "boot": 1, "seq": 1})
        )
        await eventually(lambda: rows_of(stack, "air", "types"))
    keys = await query(stack.influx_connection, 'SHOW FIELD KEYS FROM "raw"."air"')
    types = {row["fieldKey"]: row["fieldType"] for row in keys}
    assert types["efficiency_pct"] == types["co2_ppm"] == "float"
    assert types["people"] == types["boot"] == types["seq"] == "integer"


async def test_rollups_alerts_and_device_states_have_their_policies_and_times(stack, producer):
    start = NOW_MS - NOW_MS % 10_000
    rollup = Rollup(
        type="air", window="10s", site="derived", device="d", start=start, count=2, shift=7,
        fields={"efficiency_pct": (2, 40.0, 19.5, 20.5), "people": (1, 3, 3, 3)},
    )  # fmt: skip
    throughput = Throughput(
        window="1m", site="derived", kind="camera", start=start, readings=9, bytes=900,
        devices=2, people_in=1, people_out=0, people=4,
    )  # fmt: skip
    alert = Alert(
        id="a-1", rule="ozone-high", severity="critical", site="derived", kind="ionizer",
        device="d", state="firing", value=120, summary='Ozone "high" \\', at=NOW_MS, ordinal=3,
        started=NOW_MS,
    )  # fmt: skip
    device = DeviceRecord(
        site="derived", kind="ionizer", device="d", state="stale", since=NOW_MS, at=NOW_MS + 7,
        heard=NOW_MS - 9, interval_ms=1500, readings=6, duplicates=5, unprovable=4, missing=3,
        late=2, generation=1,
    )  # fmt: skip
    async with running(stack.kafka_connection, stack.influx_connection):
        for topic, value in (
            (ROLLUPS, rollup),
            (ROLLUPS, throughput),
            (ALERTS, alert),
            (DEVICES, device),
        ):
            await producer.send_and_wait(topic, encode(value), key=b"k", partition=0)
        (window,) = await eventually(lambda: rows_of(stack, "air_10s", "derived", "r10s"))
        (flow,) = await eventually(lambda: rows_of(stack, "throughput_1m", "derived", "r1m"))
        (told,) = await eventually(lambda: rows_of(stack, "alert", "derived", "r1h"))
        (state,) = await eventually(lambda: rows_of(stack, "device_state", "derived"))
    assert window == {
        "time": start * 1_000_000 + 7, "site": "derived", "device": "d", "count": 2,
        "efficiency_pct_sum": 40.0, "efficiency_pct_min": 19.5, "efficiency_pct_max": 20.5,
        "people_sum": 3.0, "people_min": 3.0, "people_max": 3.0, "people_count": 1,
    }  # fmt: skip
    assert flow == {
        "time": start * 1_000_000, "site": "derived", "kind": "camera", "readings": 9,
        "bytes": 900, "devices": 2, "people_in": 1, "people_out": 0, "people": 4,
    }  # fmt: skip
    assert told == {
        "time": NOW_MS * 1_000_000 + 3, "site": "derived", "rule": "ozone-high",
        "severity": "critical", "device": "d", "id": "a-1", "state": "firing", "value": 120.0,
        "summary": 'Ozone "high" \\', "firing": 1, "started_ms": NOW_MS,
    }  # fmt: skip
    assert state == {
        "time": (NOW_MS + 7) * 1_000_000, "site": "derived", "kind": "ionizer", "device": "d",
        "state": "stale", "code": 2, "since_ms": NOW_MS, "heard_ms": NOW_MS - 9, "interval_s": 1.5,
        "readings": 6, "duplicates": 5, "unprovable": 4, "missing": 3, "late": 2, "generation": 1,
        "wrong_clock": False,
    }  # fmt: skip


async def test_a_row_that_influxdb_refuses_becomes_a_dead_letter_and_its_neighbours_rows(
    stack, producer
):
    # Somebody wrote an integer first: in that shard the field is one, and the schema's float not.
    poison = InfluxSink(stack.influx_connection, timeout_s=10)
    day = NOW_MS - 9 * DAY_S * 1000
    await poison.write("raw", [f"air,site=poison power_w=1i {day * 1_000_000}"])
    await poison.close()
    async with running(stack.kafka_connection, stack.influx_connection) as sink:
        await send(
            producer,
            *(air("refused", seq, day) for seq in range(10)),
            air("refused", 10, day, power_w=3),
            *(air("refused", seq, day) for seq in range(11, 20)),
        )
        await eventually(lambda: is_(sink.count("rejected_total") == 1))
        rows = await rows_of(stack, "air", "refused")
        letters = [x for x in await letters_of(stack) if b"site=refused" in x.value]
    assert {row["seq"] for row in rows} == set(range(20)) - {10}
    (letter,) = letters
    headers = {name: value.decode() for name, value in letter.headers}
    assert b"power_w=3.0" in letter.value
    assert headers["reason"] == "refused_by_influxdb"
    assert headers["topic"] == TELEMETRY
    assert headers["detail"] == "a field has another type in InfluxDB than in the schema"


async def test_a_record_that_does_not_decode_becomes_a_dead_letter_and_the_rest_rows(
    stack, producer
):
    value = air("neighbour", 1).line() + b"{not json\n" + air("neighbour", 2).line()
    async with running(stack.kafka_connection, stack.influx_connection) as sink:
        headers = envelope_headers("bridge-9", 3)
        await producer.send_and_wait(TELEMETRY, value, partition=1, headers=headers)
        await producer.send_and_wait(ROLLUPS, b"{}", partition=1)
        rows = await eventually(lambda: rows_of(stack, "air", "neighbour"), lambda r: len(r) == 2)
        await eventually(lambda: is_(sink.count("rejected_total") == 2))
        letters = {letter.value: dict(letter.headers) for letter in await letters_of(stack)}
    assert [row["seq"] for row in rows] == [1, 2]
    assert letters[b"{not json"]["reason"] == b"not_a_record"
    assert letters[b"{not json"]["bridge"] == b"bridge-9"
    assert letters[b"{}"]["topic"] == ROLLUPS.encode()


async def test_readings_older_than_raw_keeps_are_counted_as_expired(stack, producer):
    async with running(stack.kafka_connection, stack.influx_connection) as sink:
        old = NOW_MS - 31 * DAY_S * 1000
        await send(producer, air("expired", 1, old), air("expired", 2))
        rows = await eventually(lambda: rows_of(stack, "air", "expired"))
        assert sink.count("expired_total") == 1
    assert [row["seq"] for row in rows] == [2]


async def test_a_missing_database_is_waited_for_with_its_mend_and_costs_nothing(stack, producer):
    elsewhere = stack.influx_connection.model_copy(update={"database": "later"})
    async with running(
        stack.kafka_connection, elsewhere, group="elsewhere", backoff_most_s=0.3
    ) as sink:
        await send(producer, air("later", 1))
        await eventually(
            lambda: is_("qala provision" in sink.readiness.reasons.get("influxdb", ""))
        )
        assert sink.count("rejected_total", reason="refused_by_influxdb") == 0
        create = 'CREATE DATABASE "later" WITH DURATION 720h NAME "raw"'
        await query(stack.influx_connection, create)
        found = await eventually(
            lambda: query(elsewhere, "SELECT seq FROM air WHERE site = 'later'", "later")
        )
        assert [row["seq"] for row in found] == [1]


async def test_two_copies_share_the_work_and_one_takes_over_when_the_other_ends(stack, producer):
    async with running(stack.kafka_connection, stack.influx_connection, instance="one"):
        async with running(stack.kafka_connection, stack.influx_connection, instance="two") as two:
            await eventually(lambda: is_(two.readiness.ready))
            await send(producer, *(air("copies", seq) for seq in range(50)))
            await eventually(lambda: rows_of(stack, "air", "copies"), lambda r: len(r) == 50)
        await send(producer, *(air("copies", seq) for seq in range(50, 100)))
        await eventually(lambda: rows_of(stack, "air", "copies"), lambda r: len(r) == 100)


async def test_the_sinks_own_rows_say_its_lag_its_delay_and_what_bridges_wrote(stack, producer):
    async with running(
        stack.kafka_connection, stack.influx_connection, pipeline_s=0.3, instance="own"
    ):
        headers = envelope_headers("bridge-7", 0)
        await producer.send_and_wait(TELEMETRY, b"", partition=0, headers=headers)
        sent = air("pipeline", 1, time.time_ns() // 1_000_000).line()
        headers = envelope_headers("bridge-7", 1)
        await producer.send_and_wait(TELEMETRY, sent, partition=0, headers=headers)
        letter = [("reason", b"not_json"), ("bridge", b"bridge-7")]
        await producer.send_and_wait(DEAD_LETTERS, b"{", headers=letter)
        own = await eventually(lambda: _last(stack, "sink-influx", "age_p99_s"))
        bridge = await eventually(lambda: _last(stack, "bridge", "lines", "bridge-7"))
        letters = await eventually(lambda: _last(stack, "dead-letters", "letters"))
    assert own["lag_telemetry"] >= 0
    assert not {name for name in own if name.startswith("lag_dead")}
    assert 0 <= own["delay_p50_s"] <= own["delay_p99_s"]
    assert 0 <= own["age_p50_s"] <= own["age_p99_s"] < 60
    assert 0 <= bridge["tick_age_s"] < 30
    assert (bridge["lines"], bridge["envelopes"], bridge["bytes"]) == (1, 1, len(sent))
    assert (letters["letters"], letters["reason"], letters["writer"]) == (1, "not_json", "bridge-7")
    assert bridge["reader"] == letters["reader"] == "own"


async def _last(
    stack: Stack, stage: str, figure: str, instance: str = "own"
) -> dict[str, Any] | None:
    """The newest row of ``stage`` in which ``figure`` is above 0, where there is one."""
    of = "reader" if stage == "dead-letters" else "instance"
    rows = await query(
        stack.influx_connection,
        f'SELECT * FROM "raw"."pipeline" WHERE "stage" = \'{stage}\' AND "{of}" = \'{instance}\' '
        f'AND "{figure}" > 0 ORDER BY time DESC LIMIT 1',
    )
    return rows[0] if rows else None


async def test_progress_is_not_told_while_a_row_or_an_alert_before_it_is_not_written(
    stack, producer
):
    elsewhere = stack.influx_connection.model_copy(update={"database": "held"})
    for create in (
        'CREATE DATABASE "held" WITH DURATION 720h NAME "raw"',
        'CREATE RETENTION POLICY "r10s" ON "held" DURATION 168h REPLICATION 1',
        'CREATE RETENTION POLICY "r1m" ON "held" DURATION 8760h REPLICATION 1',
    ):
        await query(stack.influx_connection, create)
    clock = time.time_ns() // 1_000_000
    hour = Rollup(
        type="air", window="1h", site="held", device="d", start=NOW_MS, count=1,
        fields={"efficiency_pct": (1, 20.0, 20.0, 20.0)},
    )  # fmt: skip
    alert = Alert(
        id="h-1", rule="r", severity="info", site="held", kind="ionizer", device="d",
        state="firing", value=1, summary="s", at=NOW_MS, ordinal=0, started=NOW_MS,
    )  # fmt: skip

    async def claims(stage: str) -> set[str]:
        asked = (
            'SELECT last("share") FROM "raw"."pipeline" WHERE '
            f'"stage" = \'{stage}\' AND time = {clock}ms GROUP BY "partition"'
        )
        return {row["partition"] for row in await query(elsewhere, asked, "held")}

    async with running(
        stack.kafka_connection, elsewhere, group="held", linger_ms=20, backoff_most_s=0.3
    ) as sink:
        # what goes into r1h waits: a rollup before the progress of 5, an alert beside that of 6
        await producer.send_and_wait(ROLLUPS, encode(hour), partition=5)
        await producer.send_and_wait(ALERTS, encode(alert), key=b"h-1", partition=6)
        for partition in (5, 6, 7):
            progress = WorkerProgress(partition=partition, partitions=8, clock=clock)
            await producer.send_and_wait(ROLLUPS, encode(progress), partition=partition)
        assert await eventually(lambda: claims("streams"), timeout_s=30) == {"7"}
        await eventually(lambda: is_(sink.count("retries_total", policy="r1h") >= 3))
        assert await claims("streams") == {"7"}
        await query(
            stack.influx_connection,
            'CREATE RETENTION POLICY "r1h" ON "held" DURATION INF REPLICATION 1',
        )
        await eventually(lambda: claims("streams"), lambda found: found == {"5", "6", "7"})


async def test_how_far_the_group_is_in_a_partition_is_known_also_where_another_copy_has_it(
    stack, producer
):
    mine, other, emptied = (TopicPartition(COMMANDS, number) for number in range(3))
    for partition in (mine, other, emptied):
        for _ in range(3):
            await producer.send_and_wait(COMMANDS, b"{}", key=b"k", partition=partition.partition)
    admin = AIOKafkaAdminClient(**stack.kafka_connection.client_args())
    await admin.start()
    await admin.delete_records({emptied: RecordsToDelete(before_offset=3)})
    await admin.close()
    ours, theirs = (
        AIOKafkaConsumer(
            **stack.kafka_connection.client_args(), group_id="places", enable_auto_commit=False
        )
        for _ in range(2)
    )
    await ours.start()
    await theirs.start()
    try:
        ours.assign([mine])
        theirs.assign([other, emptied])
        progress = Progress()
        places = Places(ours, progress)
        assert await places.done([mine, other, emptied]) == {mine: 0, other: 0, emptied: 3}
        await theirs.commit({other: 2})
        assert await places.done([other]) == {mine: 0, other: 2}
        assert await places.lag([COMMANDS]) == {COMMANDS: 3}
        progress.begin(mine, 0).done()
        assert await places.lag([COMMANDS]) == {COMMANDS: 2}
        assert await places.ends([mine, emptied]) == {mine: 3, emptied: 3}
    finally:
        await ours.stop()
        await theirs.stop()
