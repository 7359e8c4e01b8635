"""The envelope codec: lines, ticks, headers."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.envelope import (
    Line,
    decode_envelope,
    decode_line,
    envelope_headers,
    header,
    line_bytes,
    line_head,
    line_overhead,
)
from schemas.examples import EXAMPLES
from schemas.readings import READING_STRUCTS, Reading

HEAD = line_head("stop-1", "ionizer", "ion-1")
RX = 1_767_225_600_123_456
BODY = b'{"type":"air","ts":1767225600000,"boot":7,"seq":0,"efficiency_pct":93.5}'

numbers = st.floats(0, 100)
readings = st.sampled_from(sorted(READING_STRUCTS)).map(
    lambda name: msgspec.convert(EXAMPLES[f"{name}.json"][0], Reading)
)


@given(
    st.lists(
        st.tuples(readings, st.integers(10**15, 10**16 - 1), st.none() | st.integers(0, 10**13)),
        max_size=20,
    )
)
def test_an_envelope_gives_back_its_lines_in_order(parts):
    value = b"".join(
        line_bytes(HEAD, rx, b"reading", msgspec.json.encode(reading), at)
        for reading, rx, at in parts
    )
    assert decode_envelope(value) == [
        Line(site="stop-1", kind="ionizer", device="ion-1", rx=rx, at=at, reading=reading)
        for reading, rx, at in parts
    ]


def test_a_line_is_what_the_contract_writes_down():
    assert line_bytes(HEAD, RX, b"reading", b'{"type":"air"}') == (
        b'{"site":"stop-1","kind":"ionizer","device":"ion-1","rx":1767225600123456,'
        b'"reading":{"type":"air"}}\n'
    )
    assert line_bytes(HEAD, RX, b"reading", b'{"type":"air"}', 5) == (
        b'{"site":"stop-1","kind":"ionizer","device":"ion-1","rx":1767225600123456,"at":5,'
        b'"reading":{"type":"air"}}\n'
    )


@pytest.mark.parametrize("what", ["status", "reply", "control"])
def test_a_line_can_hold_a_status_a_reply_or_a_control(what):
    body = EXAMPLES[f"{what}.json"][0]
    (line,) = decode_envelope(line_bytes(HEAD, RX, what.encode(), msgspec.json.encode(body)))
    assert msgspec.to_builtins(getattr(line, what)).items() >= body.items()
    held = [name for name in ("reading", "status", "reply", "control") if getattr(line, name)]
    assert held == [what]


def test_a_tick_is_an_envelope_without_lines():
    assert decode_envelope(b"") == []


def test_a_struct_that_is_encoded_has_the_same_meaning_as_its_spliced_bytes():
    spliced = line_bytes(HEAD, RX, b"reading", BODY, 5)
    line = decode_line(spliced)
    assert decode_line(msgspec.json.encode(line)) == line
    assert b"null" not in msgspec.json.encode(Line("s", "desk", "d", RX))


@pytest.mark.parametrize("at", [None, 0, 5, 1_767_225_600_000])
@given(rx=st.integers(10**15, 10**16 - 1))
def test_the_overhead_is_what_the_line_has_beside_its_reading(at, rx):
    line = line_bytes(HEAD, rx, b"reading", BODY, at).rstrip(b"\n")
    assert len(line) == line_overhead(HEAD, at) + len(BODY)


@pytest.mark.parametrize(
    "value",
    [
        b"{",
        b"[]",
        b'{"site":"s"}',
        b'{"site":"s","kind":"desk","device":"d","rx":"now"}',
        b'{"site":"s","kind":"desk","device":"d","rx":1,"reading":{"type":"aroma"}}',
    ],
)
def test_what_is_no_line_is_refused(value):
    with pytest.raises(msgspec.DecodeError):
        decode_envelope(value)
    with pytest.raises(msgspec.DecodeError):
        decode_line(value)


def test_a_line_that_is_not_utf_8_is_refused():
    with pytest.raises((UnicodeDecodeError, msgspec.DecodeError)):
        decode_envelope(b'{"site":"\xff","kind":"desk","device":"d","rx":1}')


def test_headers_name_the_bridge_and_count_the_lines():
    assert envelope_headers("bridge-1", 115) == [("bridge", b"bridge-1"), ("n", b"115")]


def test_only_a_bridge_that_has_left_for_good_says_so():
    assert dict(envelope_headers("b", 0, left=True))["left"] == b"1"
    assert "left" not in dict(envelope_headers("b", 0))


@pytest.mark.parametrize(
    "speed, text", [(60.0, b"60"), (0.5, b"0.5"), (0.1, b"0.1"), (1234567.8, b"1234567.8")]
)
def test_a_simulated_bridge_writes_its_speed_without_loss(speed, text):
    assert dict(envelope_headers("b", 0, speed))["speed"] == text


def test_a_header_that_is_absent_or_no_text_is_none():
    headers = [("n", b"3"), ("bridge", b"\xff"), ("n", b"4")]
    assert header(headers, "n") == "3"
    assert header(headers, "bridge") is None
    assert header(headers, "speed") is None
