"""The simulated city without a broker: what it would publish."""

from __future__ import annotations

import itertools
import json
from collections import Counter, defaultdict

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from infra.simulator import City, Faults, SimulatorSettings, parse_faults
from infra.simulator.message import Outgoing
from infra.simulator.seeds import seeded
from infra.simulator.settings import USUAL_SHARES
from infra.simulator.values import Desk, Ionizer
from ingest.clocks import WrongClocks
from ingest.decode import Decoded, PayloadDecoder, origin_of
from schemas.errors import TopicError
from schemas.measurements import fields_of
from schemas.readings import KIND_OF_TYPE, READING_STRUCTS, Passage, Reading, Ticket
from schemas.topics import is_id, parse_mqtt_topic

START_US = 1_764_000_000_000_000
READINGS = msgspec.json.Decoder(Reading)


def run_city(count: int, step_us: int = 50_000, **given_settings) -> list[Outgoing]:
    city = City(SimulatorSettings(**given_settings), START_US)
    out: list[Outgoing] = []
    for first in range(0, count, 100):
        number = min(100, count - first)
        out += city.advance([START_US + (first + i) * step_us for i in range(number)])
    return out + city.flush()


def parts(message: Outgoing) -> list[bytes]:
    if not message.payload.startswith(b"["):
        return [message.payload]
    return [bytes(raw) for raw in msgspec.json.decode(message.payload, type=list[msgspec.Raw])]


def bridge(message: Outgoing) -> Decoded | None:
    """What the bridge makes of a message; None where its topic is a dead letter already."""
    try:
        topic = parse_mqtt_topic(message.topic)
    except TopicError:
        return None
    decoder = PayloadDecoder(lambda person: f"pseudonym of {len(person)}", WrongClocks())
    return decoder.decode(origin_of(topic), message.payload, START_US + 3_100_000_000)


def test_the_same_seed_gives_the_same_messages_and_another_seed_others():
    first = run_city(3000, seed=7, faults="all")
    assert first == run_city(3000, seed=7, faults="all")
    assert [m.payload for m in first] != [m.payload for m in run_city(3000, seed=8, faults="all")]


def test_five_devices_on_four_sites_are_one_of_each_kind_with_synthetic_names():
    city = City(SimulatorSettings(devices=5, sites=4), START_US)
    assert sorted(device.kind for device in city.devices) == sorted(set(KIND_OF_TYPE.values()))
    assert {device.site for device in city.devices} == {
        "school-59",
        "stop-07",
        "street-03",
        "iqala-02",
    }
    assert {device.name for device in city.devices} == {
        "cam-01",
        "ion-01",
        "speaker-01",
        "desk-01",
        "thermo-01",
    }


@given(devices=st.integers(1, 400), sites=st.integers(1, 50))
@settings(max_examples=25, deadline=None)
def test_every_device_has_a_name_of_its_own_that_the_contract_allows(devices, sites):
    city = City(SimulatorSettings(devices=devices, sites=sites), START_US)
    names = {(device.site, device.name) for device in city.devices}
    assert len(names) == devices
    assert all(is_id(site) and is_id(name) for site, name in names)


@given(
    seed=st.integers(0, 2**32), start_h=st.integers(0, 10_000), batch=st.sampled_from([1, 3, 50])
)
@settings(max_examples=20, deadline=None)
def test_every_plain_reading_is_one_that_the_schemas_accept(seed, start_h, batch):
    city = City(SimulatorSettings(seed=seed, batch=batch, devices=30), START_US)
    times = [START_US + start_h * 3_600_000_000 + i * 1000 for i in range(300)]
    for message in city.advance(times):
        kind = parse_mqtt_topic(message.topic).kind
        assert len(parts(message)) == message.readings
        for part in parts(message):
            assert KIND_OF_TYPE[json.loads(part)["type"]] == kind
            READINGS.decode(part)


def test_all_types_and_all_optional_fields_come_and_are_sometimes_left_out():
    seen: dict[str, Counter[str]] = defaultdict(Counter)
    for message in run_city(6000, devices=40, sites=8):
        reading = json.loads(message.payload)
        seen[reading["type"]].update(["all", *reading])
    assert seen.keys() == READING_STRUCTS.keys()
    for name, counts in seen.items():
        for field in fields_of(name):
            assert counts[field.name] > 0, (name, field.name)
            assert (counts[field.name] < counts["all"]) == field.optional, (name, field.name)


def test_a_device_counts_its_readings_from_zero_by_one():
    seqs: dict[str, list[int]] = defaultdict(list)
    for message in run_city(2000):
        seqs[message.topic].append(json.loads(message.payload)["seq"])
    assert all(found == list(range(len(found))) for found in seqs.values())


def test_every_faulty_message_gives_the_readings_and_dead_letters_that_it_is_meant_to():
    faults = dict.fromkeys(Faults.model_fields, 0.05)
    for batch in (1, 10):
        meant = Counter()
        for message in run_city(6000 * batch, batch=batch, devices=30, sites=6, faults=faults):
            meant[message.meant] += 1
            found = bridge(message)
            if found is None:
                assert (message.readings, message.rejected) == (0, 1)
                continue
            assert len(found.lines) == message.readings, message
            assert len(found.rejections) == message.rejected, message
            assert tuple(r.index for r in found.rejections if r.index is not None) == message.bad
            assert found.wrong_clocks == (message.readings if message.meant == "wrong_clock" else 0)
        assert meant.keys() == {
            "valid", "duplicate", "disorder", "late", "wrong_clock", "quirk", "malformed",
        }  # fmt: skip


def test_malformed_messages_are_of_many_sorts_and_no_two_are_the_same():
    messages = [m for m in run_city(4000, faults={"malformed": 0.2}) if m.meant == "malformed"]
    found = [bridge(message) for message in messages]
    reasons = {rejection.reason for one in found if one for rejection in one.rejections}
    assert reasons >= {
        "not_json", "nested_too_deep", "not_an_object", "array_length", "unknown_type",
        "wrong_kind", "missing_field", "wrong_type", "out_of_range",
    }  # fmt: skip
    assert len({message.topic.count("/") for message in messages if bridge(message) is None}) == 3
    bodies = Counter(
        (m.topic, m.payload) for m in messages if len(m.payload) > 250 or b"seq" in m.payload
    )
    assert max(bodies.values()) == 1


def test_faults_come_as_often_as_asked_and_lose_no_reading():
    wanted = {"duplicates": 0.01, "disorder": 0.005, "late": 0.02, "malformed": 0.01}
    messages = run_city(60_000, devices=100, sites=10, faults=wanted)
    meant = Counter(message.meant for message in messages)
    assert meant["duplicate"] == pytest.approx(600, rel=0.25)
    assert meant["disorder"] == pytest.approx(300, rel=0.25)
    assert meant["malformed"] == pytest.approx(600, rel=0.25)
    late = sum(message.readings for message in messages if message.meant == "late")
    assert late == pytest.approx(1200, rel=0.35)
    names = [
        (message.topic, reading["seq"])
        for message in messages
        if message.meant not in {"malformed", "duplicate"}
        for reading in map(json.loads, parts(message))
    ]
    assert len(names) == len(set(names)) == 60_000


def test_a_duplicate_is_the_same_bytes_on_the_same_topic_after_its_first():
    first: set[tuple[str, bytes]] = set()
    again = 0
    for message in run_city(5000, faults={"duplicates": 0.05}):
        if message.meant == "duplicate":
            again += 1
            assert (message.topic, message.payload) in first
        first.add((message.topic, message.payload))
    assert again > 100


def test_disorder_lets_a_later_reading_of_the_device_go_first():
    newest: dict[str, int] = {}
    overtaken = 0
    for message in run_city(5000, faults={"disorder": 0.05}):
        seq = json.loads(message.payload)["seq"]
        if message.meant == "disorder":
            overtaken += newest[message.topic] > seq
        newest[message.topic] = max(seq, newest.get(message.topic, -1))
    assert overtaken > 100


def test_late_uploads_are_arrays_of_believable_times_up_to_six_hours_old():
    uploads = [m for m in run_city(20_000, devices=50, faults={"late": 0.05}) if m.meant == "late"]
    ages = [START_US // 1000 + 1_000_000 - json.loads(parts(m)[0])["ts"] for m in uploads]
    assert all(message.payload.startswith(b"[") for message in uploads)
    assert max(message.readings for message in uploads) > 5
    assert max(ages) > 3_600_000
    assert max(ages) <= 6 * 3_600_000 + 1_000_000


def test_a_reset_device_begins_again_at_zero_with_the_same_boot_and_a_newer_time():
    resets = 0
    last: dict[str, dict] = {}
    for message in run_city(8000, devices=20, faults={"reset": 0.3}):
        reading = json.loads(message.payload)
        before = last.get(message.topic)
        if before and reading["seq"] <= before["seq"]:
            resets += 1
            assert (reading["seq"], reading["boot"]) == (0, before["boot"])
            assert reading["ts"] >= before["ts"] + 3000
        last[message.topic] = reading
    assert resets > 5


def test_nothing_of_a_device_that_resets_is_repeated_reordered_or_late():
    faults = {"reset": 1.0, "duplicates": 0.2, "disorder": 0.2, "late": 0.2, "wrong_clock": 0.2}
    assert {m.meant for m in run_city(4000, devices=10, faults=faults)} == {"valid"}


def test_a_silent_device_sends_nothing_for_half_a_minute_while_others_go_on():
    times: dict[str, list[int]] = defaultdict(list)
    for message in run_city(10_000, devices=20, faults={"silent": 0.2}):
        times[message.topic].append(json.loads(message.payload)["ts"])
    gaps = [max(b - a for a, b in itertools.pairwise(one)) for one in times.values()]
    assert sum(gap >= 30_000 for gap in gaps) == 4
    assert sum(gap < 2000 for gap in gaps) == 16


def test_where_all_devices_are_silent_nothing_is_made_up():
    city = City(SimulatorSettings(devices=1, sites=1, faults={"silent": 1.0}), START_US)
    sent = city.advance([START_US + i * 100_000 for i in range(300)])
    assert 5 <= len(sent) < 300
    assert city.readings == len(sent)


def test_ozone_exceeds_its_limit_for_a_while_and_comes_back():
    source = Ionizer(seeded(1), swells=True)
    high = []
    for second in range(1200):
        fields = json.loads("{" + source.draw(START_US // 1000 + second * 1000)[1] + "}")
        if "ozone_ugm3" in fields:
            high.append(fields["ozone_ugm3"] > 100)
    assert 60 < sum(high) < 600
    assert sum(a != b for a, b in itertools.pairwise(high)) >= 4


def test_tickets_are_opened_called_and_closed_in_a_quarter_of_an_hour():
    desk = Desk(seeded(1), "iqala-02-desk-01")
    steps: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for turn in range(500):
        ts = START_US // 1000 + turn * 20_000
        fields = json.loads("{" + desk.draw(ts)[1] + "}")
        steps[fields["ticket"]].append((fields["event"], ts))
    ended = [life for life in steps.values() if len(life) == 3]
    assert len(ended) > 100
    for life in ended:
        assert [event for event, _ in life] == ["opened", "called", "closed"]
        assert life[2][1] - life[0][1] <= 20 * 60_000
    given_up = [life for life in steps.values() if life[-1][0] == "abandoned"]
    assert given_up
    assert all([event for event, _ in life] == ["opened", "abandoned"] for life in given_up)


def test_persons_are_obviously_synthetic_and_body_temperatures_human():
    passages = [
        reading
        for message in run_city(4000)
        if isinstance(reading := READINGS.decode(message.payload), Passage)
    ]
    assert all(passage.person.startswith("person-") for passage in passages)
    warm = [p.body_celsius for p in passages if p.body_celsius is not None]
    assert sum(warm) / len(warm) == pytest.approx(36.6, abs=0.05)


def test_services_of_tickets_are_ids():
    services = {
        reading.service
        for message in run_city(3000)
        if isinstance(reading := READINGS.decode(message.payload), Ticket)
    }
    assert {"water", "heat", "power", "waste"} <= services


def test_faults_are_read_from_text():
    assert parse_faults("duplicates=1%, disorder=0.005,wrong-clock=0.1%") == Faults(
        duplicates=0.01, disorder=0.005, wrong_clock=0.001
    )
    assert parse_faults("all") == Faults(**USUAL_SHARES)
    assert parse_faults("late,all,malformed=2%").malformed == 0.02
    assert parse_faults("none") == parse_faults("") == Faults()
    assert SimulatorSettings(faults="late").faults == Faults(late=USUAL_SHARES["late"])


@pytest.mark.parametrize("text", ["dupes=1%", "late=200%", "late=x", "late=", "all=1%", "late=nan"])
def test_faults_that_cannot_be_read_are_refused_with_what_to_write(text):
    with pytest.raises(ValueError, match="write"):
        parse_faults(text)
    with pytest.raises(ValidationError):
        SimulatorSettings(faults=text)
