"""A ledger compared with real InfluxDB and Kafka: by `qala verify`, and by windows of our own."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer

from infra.ledger import Entry, Ledger
from infra.provision import provision_influx, provision_kafka
from infra.verify import Report, verify
from infra.verify.errors import VerifyError
from ingest.clocks import WrongClocks
from ingest.deadletters import dead_letter
from ingest.decode import PayloadDecoder, Rejection, origin_of
from ingest.persons import load_person_key
from schemas.clock import RealClock, SimulatedClock
from schemas.connections import InfluxConnection, KafkaConnection, MqttConnection
from schemas.deadletters import Reason
from schemas.envelope import decode_line
from schemas.errors import TopicError
from schemas.lineprotocol import reading_row, rollup_row
from schemas.records import Rollup, Throughput
from schemas.topics import DEAD_LETTERS, parse_mqtt_topic
from tests.support.recompute import (
    TAGS,
    compare_throughput,
    compare_windows,
    distinct_readings,
    recompute,
)
from tests.support.servers import query, write_rows
from tests.support.simulated import ALL_FAULTS, run_simulator


@pytest_asyncio.fixture(loop_scope="session")
async def influx(any_influxdb: InfluxConnection, request) -> InfluxConnection:
    """An empty database of the test's own."""
    own = any_influxdb.model_copy(update={"database": f"qala_{abs(hash(request.node.name))}"})
    await provision_influx(own)
    return own


@pytest_asyncio.fixture(loop_scope="session")
async def letters_kafka(kafka_connection: KafkaConnection) -> KafkaConnection:
    await provision_kafka(kafka_connection, partitions=8, simulated_clock=False)
    return kafka_connection


class Twin:
    """What bridge and sink would store of a ledger, without either of them."""

    def __init__(self, folder: Path) -> None:
        self.key = load_person_key(None, folder)
        self.decoder = PayloadDecoder(self.key.pseudonym, WrongClocks())
        self.rows: dict[str, list[str]] = defaultdict(list)
        self.letters: list[tuple[bytes, list[tuple[str, bytes]]]] = []

    def take(self, entry: Entry) -> None:
        rx_us = entry.at * 1000
        try:
            topic = parse_mqtt_topic(entry.topic)
        except TopicError as exc:
            rejection = Rejection(Reason(exc.reason), str(exc), entry.payload, None, personal=True)
            self._reject(entry, [rejection], rx_us)
            return
        decoded = self.decoder.decode(origin_of(topic), entry.payload, rx_us)
        self._reject(entry, decoded.rejections, rx_us)
        for raw in decoded.lines:
            line = decode_line(raw)
            if line.reading is not None:
                row = reading_row(line)
                self.rows[row.split(",", 1)[0]].append(row)

    def _reject(self, entry: Entry, rejections: Iterable[Rejection], rx_us: int) -> None:
        self.letters += [
            dead_letter(one, topic=entry.topic, rx_us=rx_us, bridge="twin", key=self.key)
            for one in rejections
        ]

    async def store(self, influx: InfluxConnection, kafka: KafkaConnection | None = None) -> None:
        await write_rows(influx, "raw", [row for rows in self.rows.values() for row in rows])
        if kafka is not None:
            async with AIOKafkaProducer(**kafka.client_args()) as producer:
                for value, headers in self.letters:
                    await producer.send_and_wait(DEAD_LETTERS, value, headers=headers)


@pytest_asyncio.fixture(loop_scope="session")
async def run(mqtt_connection: MqttConnection, tmp_path: Path) -> tuple[Path, Twin]:
    """A ledger of a run with every fault, and what is to be stored of it."""
    path = tmp_path / "ledger.ndjson"
    await run_simulator(
        mqtt_connection, path, count=4000, rate=8000, faults=ALL_FAULTS, devices=40, sites=8
    )
    twin = Twin(tmp_path)
    for entry in Ledger(path).entries():
        twin.take(entry)
    return path, twin


async def check(
    path: Path, influx: InfluxConnection, kafka: KafkaConnection | None = None
) -> Report:
    return await verify(path, influx, kafka, settle_s=0.5)


async def test_verify_finds_nothing_wrong_where_everything_is_stored(run, influx, letters_kafka):
    path, twin = run
    await twin.store(influx, letters_kafka)
    report = await check(path, influx, letters_kafka)
    assert report.ok, report
    assert report.valid_distinct == report.stored == 4000
    assert report.sent == 4000 + report.duplicates
    assert report.duplicates > 20
    assert report.rejected == report.malformed == len(twin.letters) > 50
    assert report.names == {}
    assert report.as_dict()["ok"] is True


async def test_verify_finds_nothing_wrong_with_a_city_at_its_own_pace(
    mqtt_connection, influx, tmp_path
):
    path, now_us = tmp_path / "own.ndjson", RealClock().now_us()
    clock = SimulatedClock(now_us, 1200.0, now_us)
    summary = await run_simulator(
        mqtt_connection, path, clock=clock, seconds=2, devices=12, faults=ALL_FAULTS
    )
    twin = Twin(tmp_path)
    for entry in Ledger(path).entries():
        twin.take(entry)
    await twin.store(influx)
    report = await check(path, influx)
    assert report.ok, report
    assert report.valid_distinct == report.stored == summary.readings > 1000


async def test_verify_names_what_was_lost_and_waits_for_what_comes_late(run, influx):
    path, twin = run
    air = twin.rows["air"]
    gone = air.pop()
    seq = gone.split("seq=")[1].split("i")[0]
    # a duplicate of it must not hide the loss
    twin.rows["air"] = [row for row in air if row != gone]
    await twin.store(influx)
    report = await check(path, influx)
    assert not report.ok
    assert (report.lost, report.stored) == (1, 3999)
    assert f"seq {seq} " in report.names["lost"][0]
    waiting = asyncio.create_task(verify(path, influx, None, settle_s=30.0))
    await write_rows(influx, "raw", [gone])
    assert (await waiting).ok


@pytest.mark.parametrize(
    "before, after",
    [
        ("efficiency_pct=99.", "efficiency_pct=98."),
        (",people=", ",people=1"),
        (" boot=", " device_ts=5i,boot="),
    ],
)
async def test_verify_sees_a_single_value_that_differs(run, influx, before, after):
    path, twin = run
    original = next(row for row in twin.rows["air"] if before in row and "device_ts" not in row)
    twin.rows["air"] = [row for row in twin.rows["air"] if row != original]
    twin.rows["air"].append(original.replace(before, after, 1))
    await twin.store(influx)
    report = await check(path, influx)
    assert not report.ok
    assert report.stored == 3999
    assert report.differing + report.lost == 1


async def test_verify_sees_rows_that_nobody_sent_and_a_time_that_is_not_the_contracts(run, influx):
    path, twin = run
    row = twin.rows["audio"][0]
    body, time = row.rsplit(" ", 1)
    twin.rows["audio"].append(f"{body} {int(time) + 1}")
    await twin.store(influx)
    report = await check(path, influx)
    assert not report.ok
    assert (report.unexpected, report.stored, report.lost) == (1, 4000, 0)
    assert "ts -1" in report.names["unexpected"][0]


async def test_rows_of_another_run_of_the_same_devices_are_not_looked_at(run, influx):
    path, twin = run
    boot = Ledger(path).header.boot
    rows = [row.replace(f"boot={boot}i", f"boot={boot - 9}i") for row in twin.rows["audio"]]
    await write_rows(influx, "raw", rows)
    await twin.store(influx)
    assert (await check(path, influx)).ok


async def test_verify_sees_a_person_in_the_clear(run, influx):
    path, twin = run
    person = next(
        r["person"] for e in Ledger(path).entries() for r in e.accepted() if "person" in r
    )
    row = twin.rows["passage"][0]
    start, rest = row.split('person="', 1)
    twin.rows["passage"].append(f'{start}person="{person}"{rest.split(chr(34), 1)[1]}')
    await twin.store(influx)
    report = await check(path, influx)
    assert not report.ok
    assert report.persons_in_clear == 1


async def test_verify_sees_a_field_of_the_wrong_type(run, influx):
    path, twin = run
    twin.rows["audio"] = [
        row.replace("volume_pct=", "volume_pct=").replace(".0,playing", "i,playing")
        for row in twin.rows["audio"]
    ]
    await twin.store(influx)
    report = await check(path, influx)
    assert not report.ok
    assert report.wrong_types == ["audio.volume_pct is integer, not float"]


async def test_an_absent_database_is_named_with_what_to_do(run, influx):
    path, _ = run
    nothere = influx.model_copy(update={"database": "nothere"})
    with pytest.raises(VerifyError, match=r"there is no database 'nothere' at .*QALA_INFLUX_DATAB"):
        await verify(path, nothere, None, settle_s=0.1)


async def test_verify_sees_dead_letters_that_are_missing_or_too_many(run, influx, letters_kafka):
    path, twin = run
    first = twin.letters[0]
    topic = dict(first[1])["topic"]
    twin.letters = [one for one in twin.letters[1:] if dict(one[1])["topic"] != topic]
    missing = sum(e.rejected for e in Ledger(path).entries() if e.topic == topic.decode())
    await twin.store(influx, letters_kafka)
    report = await check(path, influx, letters_kafka)
    assert not report.ok
    assert report.missing_letters == missing
    twin.letters = [first] * (missing + 2)
    await twin.store(influx, letters_kafka)
    report = await check(path, influx, letters_kafka)
    assert not report.ok
    assert (report.missing_letters, report.unexpected_letters) == (0, 2)


async def test_readings_beyond_what_is_kept_are_expired_not_lost(run, influx):
    path, twin = run
    del twin.rows["air"]
    await twin.store(influx)
    later_us = RealClock().now_us() + 40 * 86_400_000_000
    report = await verify(
        path, influx, None, settle_s=0.5, clock=SimulatedClock(later_us, 1.0, RealClock().now_us())
    )
    distinct = {one.name for one in distinct_readings(Ledger(path)) if one.reading["type"] == "air"}
    assert report.ok
    assert (report.expired, report.lost) == (len(distinct), 0)
    assert (await check(path, influx)).lost == len(distinct)


async def test_an_influxdb_that_is_away_is_an_error_with_a_sentence(run):
    path, _ = run
    with pytest.raises(VerifyError, match="is it running"):
        await verify(path, InfluxConnection(url="http://127.0.0.1:9"), None, settle_s=0.1)


# the support for later tests: windows recomputed from a ledger, against rows in InfluxDB


async def store_windows(path: Path, influx: InfluxConnection, twin: Twin) -> list[str]:
    """Every window in two partial rows, as after a late reading; gives the rows of 10 s."""
    at = {
        (line["device"], line["boot"], line["seq"]): line["time"]
        for sort in TAGS
        for line in await query(influx, f"SELECT * FROM raw.{sort}", db=influx.database)
    }

    def event_ms(one) -> int:
        time = at[one.device, one.reading["boot"], one.reading["seq"]]
        return one.reading["ts"] if one.believed else time // 1_000_000

    readings = list(distinct_readings(Ledger(path)))
    written: list[str] = []
    for window in ("10s", "1m"):
        rows = []
        for shift, part in enumerate((readings[::2], readings[1::2])):
            for (series, start), held in recompute(part, window, event_ms).items():
                fields = {
                    name: (stats.count, stats.total, stats.low, stats.high)
                    for name, stats in held.fields.items()
                }
                rollup = Rollup(
                    type=series.type, window=window, site=series.site, device=series.device,
                    start=start, count=held.count, fields=fields, shift=shift * 77,
                    tags=dict(zip(TAGS[series.type], series.tags, strict=True)),
                )  # fmt: skip
                rows.append(rollup_row(rollup))
        await write_rows(influx, f"r{window}", rows)
        written = written or rows
    flows = Counter((one.site, one.kind) for one in readings)
    passages = Counter(
        (one.site, one.reading["direction"]) for one in readings if "direction" in one.reading
    )
    rows, now = [], readings[0].reading["ts"] // 10_000 * 10_000
    for (site, kind), total in flows.items():
        people = [passages[site, way] if kind == "camera" else 0 for way in ("in", "out")]
        for start, number, into, out in ((now, total - 1, 0, 0), (now + 10_000, 1, *people)):
            flow = Throughput(
                window="10s", site=site, kind=kind, start=start, readings=number, bytes=1,
                devices=1, people_in=into, people_out=out, people=0,
            )  # fmt: skip
            rows.append(rollup_row(flow))
    await write_rows(influx, "r10s", rows)
    return written


async def test_windows_merged_from_partial_rows_equal_those_of_the_ledger(run, influx):
    path, twin = run
    await twin.store(influx)
    await store_windows(path, influx, twin)
    assert await compare_windows(path, influx, timeout_s=0) == []
    assert await compare_throughput(path, influx, timeout_s=0) == []


async def test_a_window_row_that_is_missing_or_wrong_is_named(run, influx):
    path, twin = run
    await twin.store(influx)
    rows = await store_windows(path, influx, twin)
    wrong = next(row for row in rows if row.startswith("scene_10s"))
    body, time = wrong.rsplit(" ", 1)
    await write_rows(influx, "r10s", [body.replace("count=", "count=1") + f" {time}"])
    found = await compare_windows(path, influx, timeout_s=0)
    assert {one.what for one in found} >= {"count"}
    assert len({one.where for one in found}) == 1
    start_ms = found[0].where[1]
    assert await compare_windows(path, influx, until_ms=start_ms, timeout_s=0) == []


async def test_a_wrong_throughput_is_named(run, influx):
    path, twin = run
    await twin.store(influx)
    await store_windows(path, influx, twin)
    now_ns = (RealClock().now_us() // 10**8 + 10) * 10**11  # after every window of the run
    people = "people_in=0i,people_out=0i"
    extra = f"throughput_10s,site=school-59,kind=camera readings=1i,{people} {now_ns}"
    await write_rows(influx, "r10s", [extra])
    (found,) = await compare_throughput(path, influx, timeout_s=0)
    assert found.what == "readings"
    assert found.stored == found.expected + 1
