"""What a payload becomes: lines that the log's readers can read, and rejections."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.clocks import WrongClocks
from ingest.decode import Decoded, PayloadDecoder, origin_of
from schemas.deadletters import Reason
from schemas.envelope import Line, decode_envelope
from schemas.readings import Reading
from schemas.topics import DeviceTopic

RX_US = 1_700_000_000_000_000
TS = 1_700_000_000_000
MARK = "marked-person-4711"


def pseudonym(person: str) -> str:
    return f"p{len(person)}"


def decode(
    payload: bytes | dict[str, Any] | list[Any],
    kind: str = "ionizer",
    channel: str = "telemetry",
    decoder: PayloadDecoder | None = None,
    rx_us: int = RX_US,
) -> Decoded:
    """As the bridge does: the short way first, and the long one where it gives nothing."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    decoder = decoder or PayloadDecoder(pseudonym, WrongClocks())
    origin = origin_of(DeviceTopic("site-1", kind, "d-1", channel))
    line = decoder.decode_one(origin, body, rx_us)
    full = decoder.decode(origin, body, rx_us)
    if line is not None:
        assert full == Decoded([line])
    return full


def lines(decoded: Decoded) -> list[Line]:
    assert all(line.count(b"\n") == 1 and line.endswith(b"\n") for line in decoded.lines)
    return decode_envelope(b"".join(decoded.lines))


def air(**more: Any) -> dict[str, Any]:
    return {"type": "air", "ts": TS, "boot": 1, "seq": 2, "efficiency_pct": 50.5} | more


def raw_air(field: bytes) -> bytes:
    return b'{"type":"air","ts":%d,"boot":1,"seq":2,"efficiency_pct":50.5,%b}' % (TS, field)


def test_the_readings_own_bytes_are_spliced_in() -> None:
    body = b'{"efficiency_pct" : 50.50, "seq":2,"boot":1,"ts":1700000000000,"type":"air"}'
    assert decode(body).lines == [
        b'{"site":"site-1","kind":"ionizer","device":"d-1","rx":1700000000000000,'
        b'"reading":' + body + b"}\n"
    ]


@pytest.mark.parametrize(
    "payload, reason",
    [
        (b"", Reason.NOT_JSON),
        (b"hello", Reason.NOT_JSON),
        (b"\xef\xbb\xbf" + raw_air(b'"people":1'), Reason.NOT_JSON),
        (raw_air(b'"people":1') + b" x", Reason.NOT_JSON),
        (raw_air(b'"people":1')[:-1], Reason.NOT_JSON),
        (raw_air(b'"people":NaN'), Reason.NOT_JSON),
        (raw_air(b'"people":-Infinity'), Reason.NOT_JSON),
        (raw_air(b'"people":01'), Reason.NOT_JSON),
        (raw_air(b'"x":"\xe2\x82"'), Reason.NOT_JSON),
        (raw_air(b'"x":"\\ud800"'), Reason.NOT_JSON),
        (raw_air(b'"x":"a\x01b"'), Reason.NOT_JSON),
        (raw_air(b'"x":"a\nb"'), Reason.NOT_JSON),
        (b"[" + raw_air(b'"people":1') + b"," + raw_air(b'"x":"\xff"') + b"]", Reason.NOT_JSON),
        (b"[" * 10_000 + b"]" * 10_000, Reason.NESTED_TOO_DEEP),
        (raw_air(b'"x":' + b"[" * 10_000 + b"]" * 10_000), Reason.NESTED_TOO_DEEP),
        (b'"' + b"x" * 300 * 1024 + b'"', Reason.TOO_LARGE),
        (b"[]", Reason.ARRAY_LENGTH),
        (b"[" + b",".join([raw_air(b'"people":1')] * 1001) + b"]", Reason.ARRAY_LENGTH),
        (b"null", Reason.NOT_AN_OBJECT),
        (b"20", Reason.NOT_AN_OBJECT),
        (raw_air(b'"people":1e400'), Reason.OUT_OF_RANGE),
        (raw_air(b'"people":%b' % (b"9" * 5000)), Reason.OUT_OF_RANGE),
        (raw_air(b'"people":18446744073709551616'), Reason.OUT_OF_RANGE),
        (raw_air(b'"ts":99999999999999999999'), Reason.OUT_OF_RANGE),
        (raw_air(b'"seq":9007199254740992'), Reason.OUT_OF_RANGE),
        (raw_air(b'"people":-1'), Reason.OUT_OF_RANGE),
        (raw_air(b'"people":1.5'), Reason.WRONG_TYPE),
        (raw_air(b'"people":"20"'), Reason.WRONG_TYPE),
        (raw_air(b'"people":true'), Reason.WRONG_TYPE),
        (raw_air(b'"co2_ppm":true'), Reason.WRONG_TYPE),
        (raw_air(b'"co2_ppm":"20"'), Reason.WRONG_TYPE),
        (raw_air(b'"co2_ppm":50001'), Reason.OUT_OF_RANGE),
        (raw_air(b'"efficiency_pct":null'), Reason.MISSING_FIELD),
        (raw_air(b'"type":"gravity"'), Reason.UNKNOWN_TYPE),
        (raw_air(b'"type":null'), Reason.MISSING_FIELD),
        (raw_air(b'"type":7'), Reason.WRONG_TYPE),
        (raw_air(b'"type":"temperature"'), Reason.WRONG_KIND),
        (b"{}", Reason.MISSING_FIELD),
        (b"1e999", Reason.NOT_AN_OBJECT),
        (raw_air(b'"people":1e999') + b" x", Reason.NOT_JSON),
        (raw_air(b'"people":1e999') + b"]", Reason.NOT_JSON),
        (raw_air(b'"people":1e999,"x":"a\x01b"'), Reason.NOT_JSON),
        (raw_air(b'"people":1e999,"x":"\\ud800"'), Reason.NOT_JSON),
        (raw_air(b'"people":1e999,"x":01'), Reason.NOT_JSON),
    ],
    ids=lambda value: repr(value[-24:]) if isinstance(value, bytes) else str(value),
)
def test_bad_input_is_one_rejection_with_its_reason(payload: bytes, reason: Reason) -> None:
    decoded = decode(payload)
    assert not decoded.lines
    (rejection,) = decoded.rejections
    assert (rejection.reason, rejection.index) == (reason, None)
    assert rejection.body == payload


@pytest.mark.parametrize(
    "field, wanted",
    [
        (b'"people":12.0', {"people": 12}),
        (b'"people":1e2', {"people": 100}),
        (b'"people":-0', {"people": 0}),
        (b'"co2_ppm":20', {"co2_ppm": 20.0}),
        (b'"co2_ppm":null', {"co2_ppm": None}),
        (b'"seq":3.0,"boot":4294967295', {"seq": 3, "boot": 2**32 - 1}),
        (b'"people":1,"people":2', {"people": 2}),
    ],
)
def test_what_real_devices_send_is_taken(field: bytes, wanted: dict[str, object]) -> None:
    decoded = decode(raw_air(field))
    assert not decoded.rejections
    (line,) = lines(decoded)
    assert {name: getattr(line.reading, name) for name in wanted} == wanted
    assert all(type(getattr(line.reading, name)) is type(value) for name, value in wanted.items())


def test_null_for_a_field_with_a_default_means_the_default() -> None:
    reading = {"type": "temperature", "ts": TS, "boot": 1, "seq": 1, "celsius": 1, "subject": None}
    (line,) = lines(decode(reading, kind="thermometer"))
    assert msgspec.to_builtins(line.reading)["subject"] == "ambient"


def test_unknown_fields_are_counted_and_go_nowhere() -> None:
    decoded = decode([air(seq=1, colour="red", size={"x": 1}), air(seq=2)])
    assert decoded.unknown_fields == 2
    assert b"red" not in b"".join(decoded.lines)
    assert [line.reading.seq for line in lines(decoded) if line.reading] == [1, 2]


def test_a_bad_reading_costs_its_neighbours_nothing() -> None:
    parts: list[Any] = [air(seq=0), 7, air(seq=2), air(people=-1), [air()], air(seq=5), "x", None]
    decoded = decode(parts)
    assert [line.reading.seq for line in lines(decoded) if line.reading] == [0, 2, 5]
    assert [(r.index, r.reason) for r in decoded.rejections] == [
        (1, Reason.NOT_AN_OBJECT),
        (3, Reason.OUT_OF_RANGE),
        (4, Reason.NOT_AN_OBJECT),
        (6, Reason.NOT_AN_OBJECT),
        (7, Reason.NOT_AN_OBJECT),
    ]
    assert json.loads(decoded.rejections[1].body) == air(people=-1)


def test_a_number_too_large_for_any_type_costs_its_neighbours_nothing() -> None:
    good = raw_air(b'"people":1')
    decoded = decode(b"[" + b",".join([good, raw_air(b'"people":1e999'), good]) + b"]")
    assert len(decoded.lines) == 2
    assert [r.index for r in decoded.rejections] == [1]


def test_pretty_printed_json_becomes_one_line() -> None:
    for body in (json.dumps(air(), indent=2), json.dumps([air()], indent=2), "\r\n" + "{}"):
        decoded = decode(body.replace("{}", json.dumps(air())).encode())
        assert len(lines(decoded)) == 1
        assert b"\r" not in decoded.lines[0]


@pytest.mark.parametrize("array", [False, True])
def test_a_passage_carries_the_pseudonym(array: bool) -> None:
    passage = {"type": "passage", "ts": TS, "boot": 1, "seq": 1, "person": MARK, "direction": "in"}
    decoded = decode([passage] if array else passage, kind="camera")
    assert MARK.encode() not in decoded.lines[0]
    assert lines(decoded)[0].reading.person == pseudonym(MARK)


@pytest.mark.parametrize(
    "payload, kind",
    [
        (b'{"type":"scene","people":"x"}', "camera"),
        (b'{"celsius":' + MARK.encode(), "thermometer"),
        (b'"' + MARK.encode() + b'"', "desk"),
        (b'{"type":"passage","x":1}', "desk"),
        (b'{"type":"ticket","a":[{"person":"x"}]}', "desk"),
        (b'{"type":"ticket","Person":"x"}', "desk"),
        (b'{"type":"ticket","p\\u0065rson":"x"}', "desk"),
        (b'{"type":"ticket","a":{"person":"x"},"a":1}', "desk"),
        (b'[{"person":"x"}' + b",1" * 1001 + b"]", "desk"),
        (b'{"type":"ticket","ts":1e999} ' + MARK.encode(), "desk"),
        (b"1e999", "desk"),
    ],
)
def test_what_may_hold_a_person_is_marked_for_sealing(payload: bytes, kind: str) -> None:
    assert all(rejection.personal for rejection in decode(payload, kind=kind).rejections)


def test_what_holds_no_person_is_left_readable() -> None:
    (rejection,) = decode(air(people=-1)).rejections
    assert not rejection.personal


@given(st.sampled_from(["type", "people", "co2_ppm", "x", "person"]), st.text(min_size=4))
def test_a_rejections_detail_never_quotes_the_input(name: str, text: str) -> None:
    marked = f"MARK{text}MARK"
    for payload in (air() | {name: marked}, air() | {marked: 1, "people": -1}, [marked]):
        for rejection in decode(payload).rejections:
            assert marked not in rejection.detail
            assert "MARK" not in rejection.detail


@pytest.mark.parametrize(
    "ts, at",
    [
        (TS + 5000, None),
        (TS + 5001, TS),
        (1_577_836_800_000, None),
        (1_577_836_799_999, TS),
        (-1, TS),
        (2**63 - 1, TS),
    ],
)
def test_a_clock_is_believed_from_2020_to_five_seconds_ahead(ts: int, at: int | None) -> None:
    for payload in (air(ts=ts), [air(ts=ts)]):
        decoded = decode(payload)
        (line,) = lines(decoded)
        assert line.at == at
        assert decoded.wrong_clocks == (at is not None)


def test_a_reading_with_a_wrong_clock_keeps_its_time_when_it_comes_again() -> None:
    decoder = PayloadDecoder(pseudonym, WrongClocks())
    (first,) = lines(decode(air(ts=0), decoder=decoder))
    (again,) = lines(decode(air(ts=0), decoder=decoder, rx_us=RX_US + 9_000_000))
    (other,) = lines(decode(air(ts=0, seq=3), decoder=decoder, rx_us=RX_US + 9_000_000))
    assert (again.at, other.at) == (first.at, TS + 9000)


@pytest.mark.parametrize("array", [False, True])
def test_a_clock_once_not_believed_is_not_believed_when_its_reading_comes_again(
    array: bool,
) -> None:
    decoder = PayloadDecoder(pseudonym, WrongClocks())
    ahead = air(ts=TS + 6000)
    payload = [ahead] if array else ahead
    (first,) = lines(decode(payload, decoder=decoder))
    (again,) = lines(decode(payload, decoder=decoder, rx_us=RX_US + 3_000_000))
    (next_one,) = lines(decode(ahead | {"seq": 3}, decoder=decoder, rx_us=RX_US + 3_000_000))
    assert (first.at, again.at, next_one.at) == (TS, TS, None)


def test_the_memory_of_wrong_clocks_is_bounded() -> None:
    clocks = WrongClocks(size=2)
    for seq in range(3):
        clocks.at_ms(("s", "d", 1, seq, 0), RX_US + seq * 1000)
    assert clocks.at_ms(("s", "d", 1, 2, 0), RX_US + 9000) == TS + 2
    assert clocks.at_ms(("s", "d", 1, 0, 0), RX_US + 9000) == TS + 9


def test_statuses_and_replies_are_lines_of_their_own() -> None:
    status = {"state": "online", "ts": TS, "boot": 3.0, "person": MARK, "firmware": None}
    decoded = decode(status, kind="camera", channel="status")
    assert (lines(decoded)[0].status.boot, decoded.unknown_fields) == (3, 1)
    assert MARK.encode() not in decoded.lines[0]
    reply = {"command": "c-1", "status": "played", "ts": TS, "reason": "ä\n"}
    assert lines(decode(reply, kind="speaker", channel="reply"))[0].reply.reason == "ä\n"
    for bad in ([status], status | {"state": "away"}, b"", 7):
        assert len(decode(bad, channel="status").rejections) == 1


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
NUMBERS = st.integers(-10, 2**54) | st.floats(-1000, 60_000) | st.booleans() | st.none()
AIRS = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["air", "scene", 5]) | st.just("air"),
        "ts": st.integers(0, 2 * TS) | st.just(TS * 1.0),
        "boot": NUMBERS | st.just(1),
        "seq": NUMBERS | st.just(1),
        "efficiency_pct": NUMBERS | st.floats(0, 100),
    },
    optional={"people": NUMBERS, "co2_ppm": NUMBERS, "other": JSON},
)


@given(AIRS | JSON, st.none() | st.integers(0, 3))
def test_every_accepted_line_is_read_again_as_what_the_device_sent(
    value: object, indent: int | None
) -> None:
    decoded = decode(json.dumps(value, indent=indent).encode())
    for line in lines(decoded):
        assert isinstance(line.reading, Reading)
        assert isinstance(value, dict)
        fields = msgspec.to_builtins(line.reading)
        assert all(fields[name] == value[name] for name in fields if value.get(name) is not None)
        assert (line.site, line.kind, line.device, line.rx) == ("site-1", "ionizer", "d-1", RX_US)


@given(st.lists(AIRS, min_size=1, max_size=5))
def test_accepted_and_rejected_make_up_the_whole_array(values: list[object]) -> None:
    decoded = decode(json.dumps(values).encode())
    assert len(lines(decoded)) + len(decoded.rejections) == len(values)
    alone = [len(decode(json.dumps(value).encode()).lines) for value in values]
    assert len(decoded.lines) == sum(alone)


@given(st.binary(max_size=200), st.integers(0, 200))
def test_no_bytes_make_it_raise(junk: bytes, cut: int) -> None:
    for payload in (junk, raw_air(b'"people":1')[:cut] + junk, b"[" + junk + b"]"):
        decoded = decode(payload)
        lines(decoded)
        assert decoded.lines or decoded.rejections
