"""Raw rows of line protocol: exact ones written by hand, and every one read back."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.envelope import Line
from schemas.examples import EXAMPLES
from schemas.lineprotocol import (
    escape_string,
    escape_tag,
    reading_row,
)
from schemas.measurements import fields_of, timestamp_ns
from schemas.readings import (
    KIND_OF_TYPE,
    READING_STRUCTS,
    Air,
    Audio,
    Passage,
    Reading,
    Scene,
    Temperature,
    Ticket,
)
from tests.unit.schemas.line_protocol_reader import read_row

TS = 1_767_225_600_000
NAME = {"ts": TS, "boot": 3, "seq": 42}
STAMP = "1767225600000023799"  # 42 + 3 × 7919 under the millisecond


def line(reading: Reading, at: int | None = None) -> Line:
    kind = KIND_OF_TYPE[type(reading).__struct_config__.tag]
    return Line("hall", kind, "unit-1", 1_767_225_600_123_456, at, reading)


# Hand-written from the contract: measurement, tags, then every field with its type.
ROWS: dict[str, tuple[Reading, str]] = {
    "a full passage": (
        Passage(
            **NAME,
            person="p-0f3a",
            direction="in",
            mask=True,
            body_celsius=36.0,
            confidence=0.5,
        ),
        (
            'passage,site=hall,device=unit-1,direction=in boot=3i,seq=42i,person="p-0f3a",'
            "mask=true,body_celsius=36.0,confidence=0.5"
        ),
    ),
    "a least passage": (
        Passage(**NAME, person="p-0f3a", direction="out"),
        'passage,site=hall,device=unit-1,direction=out boot=3i,seq=42i,person="p-0f3a"',
    ),
    "a full scene": (
        Scene(
            **NAME,
            people=17,
            vehicles=3,
            motion=1.0,
            fps=25.0,
            bitrate_kbps=4096.0,
            storage_free_pct=61.5,
            tamper=False,
        ),
        (
            "scene,site=hall,device=unit-1 boot=3i,seq=42i,people=17i,fps=25.0,vehicles=3i,"
            "motion=1.0,bitrate_kbps=4096.0,storage_free_pct=61.5,tamper=false"
        ),
    ),
    "a least scene": (
        Scene(**NAME, people=0, fps=0.0),
        "scene,site=hall,device=unit-1 boot=3i,seq=42i,people=0i,fps=0.0",
    ),
    "a full temperature": (
        Temperature(**NAME, celsius=-40.25, subject="water", humidity_pct=100.0),
        (
            "temperature,site=hall,device=unit-1,subject=water boot=3i,seq=42i,celsius=-40.25,"
            "humidity_pct=100.0"
        ),
    ),
    "a least temperature": (
        Temperature(**NAME, celsius=20.0),
        "temperature,site=hall,device=unit-1,subject=ambient boot=3i,seq=42i,celsius=20.0",
    ),
    "a full air": (
        Air(
            **NAME,
            efficiency_pct=93.5,
            ions_cm3=250000.0,
            ozone_ugm3=31.0,
            pm25_ugm3=8.4,
            co2_ppm=450.0,
            filter_hours=1200.0,
            power_w=35.0,
            people=6,
        ),
        (
            "air,site=hall,device=unit-1 boot=3i,seq=42i,efficiency_pct=93.5,ions_cm3=250000.0,"
            "ozone_ugm3=31.0,pm25_ugm3=8.4,co2_ppm=450.0,filter_hours=1200.0,power_w=35.0,people=6i"
        ),
    ),
    "a least air": (
        Air(**NAME, efficiency_pct=0.0),
        "air,site=hall,device=unit-1 boot=3i,seq=42i,efficiency_pct=0.0",
    ),
    "a full audio": (
        Audio(
            **NAME,
            volume_pct=60.0,
            playing=True,
            announcement="tram-delay",
            queue=1,
            noise_db=58.5,
        ),
        (
            "audio,site=hall,device=unit-1 boot=3i,seq=42i,volume_pct=60.0,playing=true,"
            'announcement="tram-delay",queue=1i,noise_db=58.5'
        ),
    ),
    "a least audio": (
        Audio(**NAME, volume_pct=0.0, playing=False),
        "audio,site=hall,device=unit-1 boot=3i,seq=42i,volume_pct=0.0,playing=false",
    ),
    "a ticket": (
        Ticket(**NAME, ticket="A-017", service="id-card", event="called"),
        (
            "ticket,site=hall,device=unit-1,service=id-card,event=called boot=3i,seq=42i,"
            'ticket="A-017"'
        ),
    ),
}
HOSTILE = [
    'a "quoted" word',
    "a\\b",
    "ends in \\",
    'both \\" ends"',
    "two\nlines",
    "x\r\ny",
    'x"\nair,site=evil,device=d boot=0i,seq=0i,efficiency_pct=0.0 1',
    "a,b=c d",
    "%s %d %%",
    "{0}",
    "null",
    "Тәуелсіздік 🏙",
    "\x00",
    " ",
]


def normal(row: str) -> str:
    """A row with its truth values in one of the spellings that InfluxDB takes."""
    return row.replace("=True", "=true").replace("=False", "=false")


@pytest.mark.parametrize("reading, expected", ROWS.values(), ids=ROWS)
def test_a_reading_is_the_row_that_the_contract_describes(reading, expected):
    assert normal(reading_row(line(reading))) == f"{expected} {STAMP}"


@pytest.mark.parametrize("reading, expected", ROWS.values(), ids=ROWS)
def test_a_reading_of_a_wrong_clock_stands_at_its_receive_time(reading, expected):
    at = TS + 86_400_000
    stamp = timestamp_ns(at, 3, 42)
    assert normal(reading_row(line(reading, at))) == f"{expected},device_ts={TS}i {stamp}"


@pytest.mark.parametrize("text", HOSTILE, ids=repr)
def test_hostile_text_reads_back_as_it_was(text):
    passage = read_row(reading_row(line(Passage(**NAME, person=text, direction="in"))))
    assert passage.fields == {"boot": 3, "seq": 42, "person": text}
    audio = read_row(
        reading_row(line(Audio(**NAME, volume_pct=1, playing=True, announcement=text)))
    )
    assert audio.fields["announcement"] == text
    ticket = read_row(reading_row(line(Ticket(**NAME, ticket=text, service="a", event="called"))))
    assert ticket.fields["ticket"] == text
    assert ticket.tags == {"site": "hall", "device": "unit-1", "service": "a", "event": "called"}


@st.composite
def any_line(draw: st.DrawFn) -> tuple[str, dict[str, Any], Line]:
    """A type, the fields that its row must have, and a line that holds such a reading."""
    name = draw(st.sampled_from(sorted(READING_STRUCTS)))
    body = dict(EXAMPLES[f"{name}.json"][0])
    for field in fields_of(name):
        if field.optional and draw(st.booleans()):
            del body[field.name]
        elif field.kind == "str":
            body[field.name] = draw(st.text(st.characters(codec="utf-8"), min_size=1, max_size=64))
        elif field.kind == "bool":
            body[field.name] = draw(st.booleans())
        elif field.kind == "float":
            top = 1 if field.name in {"motion", "confidence"} else 45
            low = 25 if field.name == "body_celsius" else 0
            body[field.name] = draw(st.floats(low, top) | st.integers(low, top))
        else:
            body[field.name] = draw(st.integers(0, 1000))
    body["boot"] = draw(st.integers(0, 2**32 - 1))
    body["seq"] = draw(st.integers(0, 2**53 - 1))
    at = draw(st.none() | st.integers(0, TS))
    fields = {field.name: body[field.name] for field in fields_of(name) if field.name in body}
    fields |= {"boot": body["boot"], "seq": body["seq"]}
    if at is not None:
        fields["device_ts"] = body["ts"]
    reading: Reading = msgspec.json.decode(msgspec.json.encode(body), type=Reading)
    return name, fields, line(reading, at)


@given(any_line())
def test_every_reading_reads_back_with_its_values_and_the_types_of_its_schema(case):
    name, fields, held = case
    row = read_row(reading_row(held))
    assert row.measurement == name
    assert row.fields == fields
    kinds = {"int": int, "float": float, "bool": bool, "str": str}
    expected = {field.name: kinds[field.kind] for field in fields_of(name)}
    expected |= {"boot": int, "seq": int, "device_ts": int}
    assert {key: type(value) for key, value in row.fields.items()} == {
        key: expected[key] for key in row.fields
    }
    event_ms = held.reading.ts if held.at is None else held.at
    assert row.timestamp_ns == timestamp_ns(event_ms, held.reading.boot, held.reading.seq)


@given(st.floats(-90, 150) | st.integers(-90, 150))
def test_a_float_always_has_a_dot_or_an_exponent(celsius):
    body = msgspec.json.encode({"type": "temperature", **NAME, "celsius": celsius})
    row = reading_row(line(msgspec.json.decode(body, type=Reading)))
    (text,) = re.findall(r"celsius=(\S+)", row)
    assert "." in text or "e" in text
    assert float(text) == celsius


@given(st.text(st.characters(codec="utf-8"), min_size=1).filter(lambda text: text.strip("\\")))
def test_any_tag_is_one_tag_and_loses_only_what_line_protocol_cannot_say(text):
    row = read_row(f"m,t={escape_tag(text)} f=1.0 0")
    lost = text.replace("\n", " ").replace("\r", " ")
    if lost.endswith("\\"):
        lost = lost[:-1] + " "
    assert row.tags.keys() == {"t"}
    assert row.tags["t"].replace("\\", "") == lost.replace("\\", "")


@given(st.text(st.characters(codec="utf-8")))
def test_any_text_reads_back_from_a_string_field(text):
    assert read_row(f'm f="{escape_string(text)}" 0').fields == {"f": text}


@pytest.mark.parametrize(
    "row",
    ["", "m", "m f=1", "m f=1 x", "m f= 0", "m,t= f=1 0", "m f=nan 0", 'm f="a 0', "m f=1\n 0"],
)
def test_the_reader_of_these_tests_refuses_what_is_no_row(row):
    with pytest.raises(ValueError, match=r"."):
        read_row(row)
