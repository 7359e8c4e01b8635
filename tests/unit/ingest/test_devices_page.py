"""docs/devices.md: its payloads are ones that Qala takes, and its lists are complete."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ingest.clocks import WrongClocks
from ingest.decode import PayloadDecoder, origin_of
from schemas.deadletters import Reason
from schemas.envelope import Line, decode_envelope
from schemas.measurements import DAY_S, DEFAULT_POLICY, POLICIES, TAG_FIELDS, fields_of
from schemas.readings import KIND_OF_TYPE, READING_STRUCTS
from schemas.topics import CHANNELS, KINDS, DeviceTopic, parse_mqtt_topic
from tests.support.sketch import Published, run_sketch

PAGE = (Path(__file__).parents[3] / "docs" / "devices.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```sh\n(.+?)```", PAGE, re.DOTALL)
SET_UP = next(block for block in BLOCKS if "send()" in block)
# instead of a broker: the topic and the payload of each message, as the page's commands make them
STAND_IN = 'mosquitto_pub() { echo "$*" | grep -o "qala/v1/[^ ]*"; tr -d "\\n"; echo; }\n'


def _sent() -> list[tuple[DeviceTopic, dict[str, Any]]]:
    """What the examples of payloads publish, run by a shell as they stand."""
    blocks = [block for block in BLOCKS if "<<END" in block]
    done = subprocess.run(
        ["/bin/bash", "-euc", "".join((STAND_IN, SET_UP, *blocks))],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    said = iter(done.stdout.splitlines())
    return [
        (parse_mqtt_topic(topic), json.loads(payload))
        for topic, payload in zip(said, said, strict=True)
    ]


SENT = _sent()
READINGS = [payload for _, payload in SENT if "type" in payload]
NOT_OF_DEVICES = {
    Reason.REFUSED_BY_KAFKA,
    Reason.NOT_FOLDED,
    Reason.REFUSED_BY_INFLUXDB,
    Reason.NOT_A_RECORD,
}


def taken(topic: DeviceTopic, payload: str, rx_us: int) -> list[Line]:
    """The lines of a payload; a rejection fails."""
    decoder = PayloadDecoder(lambda person: f"p{len(person)}", WrongClocks())
    decoded = decoder.decode(origin_of(topic), payload.encode(), rx_us)
    assert not decoded.rejections, payload
    return decode_envelope(b"".join(decoded.lines))


def _ids(example: object) -> str | None:
    return example.get("type", "status") if isinstance(example, dict) else ""


@pytest.mark.parametrize("topic,payload", [one for one in SENT if "type" in one[1]], ids=_ids)
def test_an_example_is_a_reading_with_every_field_of_its_type(topic, payload):
    assert (topic.kind, topic.channel) == (KIND_OF_TYPE[payload["type"]], "telemetry")
    (line,) = taken(topic, json.dumps(payload), payload["ts"] * 1000)
    assert line.at is None
    assert line.reading == msgspec.convert(
        payload | ({"person": "p16"} if "person" in payload else {}), type(line.reading)
    )
    of_type = {*TAG_FIELDS[payload["type"]], *(field.name for field in fields_of(payload["type"]))}
    assert payload.keys() == of_type | {"type", "ts", "boot", "seq"}


def test_there_is_an_example_of_each_type_and_one_of_a_status():
    assert [payload["type"] for payload in READINGS] == list(READING_STRUCTS)
    ((topic, status),) = [(topic, payload) for topic, payload in SENT if "type" not in payload]
    (line,) = taken(topic, json.dumps(status), 10**15)
    assert line.status is not None
    assert line.status.firmware == "1.4.2"


def test_the_examples_are_of_now_so_that_raw_rows_take_them_whenever_they_are_tried():
    now_ms = time.time() * 1000
    assert len({topic for topic, _ in SENT}) == len(SENT)
    for _, payload in SENT:
        assert now_ms - payload["ts"] < (POLICIES[DEFAULT_POLICY].keep_s or 0) * 1000
        assert payload.get("seq", 0) == 0
    assert not re.search(r"\b1[67]\d{11}\b", PAGE), "a fixed time expires as the page grows old"


def test_the_page_says_how_old_a_reading_may_be_to_be_stored():
    days = (POLICIES[DEFAULT_POLICY].keep_s or 0) // DAY_S
    assert PAGE.count(f"{days} days old") + PAGE.count(f"older than {days} days") >= 2


@pytest.mark.parametrize(
    "environ,told",
    [
        ({"DEVICE": "t-1"}, "Set SITE and DEVICE"),
        ({"SITE": "hall-1", "DEVICE": "t-1", "SENSOR": "nowhere"}, "name a file by SENSOR"),
    ],
)
def test_the_python_example_without_what_it_needs_ends_with_one_line(environ, told):
    example = Path(__file__).parents[3] / "docs" / "examples" / "devices" / "thermometer.py"
    done = subprocess.run(
        [sys.executable, str(example)], env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("name", READING_STRUCTS)
def test_the_table_of_fields_has_each_field_with_its_range_and_nothing_else(name):
    row = re.search(rf"^\| `{name}` \| (.+) \|$", PAGE, re.MULTILINE)
    assert row is not None
    listed = re.findall(r"`(\w+)`(\?)?(?: (int|bool))?(?: (-?\d+)\.\.(\d+))?(?=[ ,]|$)", row[1])
    found = {
        field: rest for field, *rest in listed if field in READING_STRUCTS[name].__annotations__
    }
    expected = {*TAG_FIELDS[name], *(field.name for field in fields_of(name))}
    assert found.keys() == expected
    for field in fields_of(name):
        optional, kind, low, high = found[field.name]
        assert bool(optional) == field.optional, field
        if field.kind in {"int", "float"}:
            for value, is_taken in ((low, True), (high, True), (f"-{abs(int(low)) + 1}", False),
                                    (str(int(high) + 1), False)):  # fmt: skip
                assert _accepts(name, field.name, int(value)) is is_taken, (field, value)
            assert (kind == "int") == (field.kind == "int")


def _accepts(name: str, field: str, value: int) -> bool:
    payload = next(payload for payload in READINGS if payload["type"] == name)
    try:
        msgspec.convert(payload | {field: value}, READING_STRUCTS[name])
    except msgspec.ValidationError:
        return False
    return True


def test_the_page_names_every_kind_channel_and_reason_of_a_devices_input():
    for word in (*KINDS, *CHANNELS, *(set(Reason) - NOT_OF_DEVICES)):
        assert f"`{word}`" in PAGE, word


def test_the_arduino_sketch_sends_readings_that_are_taken_and_loses_none(tmp_path: Path):
    said = run_sketch(tmp_path, seconds=120)
    assert {one.what for one in said} == {"sent", "lost", "will"}
    lost = {name for one in said if one.what == "lost" for name in _names(one)}
    sent = {name for one in said if one.what == "sent" for name in _names(one)}
    assert lost
    (boot,) = {boot for boot, _ in sent}
    assert sorted(sent) == [(boot, seq) for seq in range(len(sent))]
    assert len(sent) >= 20
    states = [line.status for one in said for line in _lines(one) if line.status is not None]
    assert {status.state for status in states} == {"online", "offline"}
    assert all(one.retained == one.topic.endswith("/status") for one in said)


def _lines(one: Published) -> list[Line]:
    ts = re.search(r'"ts":(\d+)', one.payload)
    assert ts is not None
    return taken(parse_mqtt_topic(one.topic), one.payload, int(ts[1]) * 1000)


def _names(one: Published) -> list[tuple[int, int]]:
    readings = [line.reading for line in _lines(one) if line.reading is not None]
    return [(reading.boot, reading.seq) for reading in readings]
