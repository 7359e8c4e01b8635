"""The target ``readers``: whatever else reads bytes; none raises but what it documents.

An input is one byte, which chooses the reader, and what it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from infra.dlq.errors import ExportError, JsonTextError
from infra.dlq.excerpt import excerpt, hexdump, is_binary
from infra.dlq.exported import _entry, json_line, with_bytes
from infra.dlq.jsontext import JsonText
from infra.dlq.letters import Ref, letter_of, mark_of
from infra.dlq.place import place_in, place_in_topic, text_of
from infra.ledger.lines import decode as decode_ledger
from infra.ledger.lines import encode as encode_ledger
from ingest.errors import SealError
from schemas import records
from schemas.clock import parse_clock
from schemas.deadletters import EXPLAINED
from schemas.envelope import Line, decode_envelope, decode_line, speed_in
from schemas.errors import ClockError, TopicError
from schemas.topics import DEAD_LETTERS, TELEMETRY, mqtt_topic, parse_mqtt_topic
from sinks.rows import SOURCE_TOPICS, RowMaker
from streams import state
from streams.errors import StateError
from streams.partition import Partition
from streams.rules import RuleSet
from tests.fuzz.limits import check_cost
from tests.fuzz.memory import KEY, RX_US, publish
from tests.fuzz.parsed import NotJsonError, parsed

_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_NOW_MS: Final = RX_US // 1000


class Reader(NamedTuple):
    """What reads, and the errors that its documentation names."""

    read: Callable[[bytes], object]
    errors: tuple[type[Exception], ...] = ()


def _record(decode: Callable[[bytes], Any]) -> Callable[[bytes], object]:
    def read(data: bytes) -> None:
        value = decode(data)
        assert decode(records.encode(value)) == value

    return read


def _envelope(data: bytes) -> None:
    lines = decode_envelope(data)
    encoded = b"\n".join(msgspec.json.encode(line) for line in lines)
    assert decode_envelope(encoded) == lines


def _line(data: bytes) -> None:
    line: Line = decode_line(data)
    assert decode_line(msgspec.json.encode(line)) == line


def _topic(data: bytes) -> None:
    text = data.decode(errors="surrogateescape")
    assert mqtt_topic(*parse_mqtt_topic(text)) == text


def _clock(data: bytes) -> None:
    clock = parse_clock(text_of(data), wall_ns=lambda: RX_US * 1000, monotonic_ns=lambda: 10**9)
    assert isinstance(clock.now_us(), int)


def _rows(data: bytes) -> None:
    for topic in SOURCE_TOPICS:
        made = RowMaker(4).rows(topic, data, _NOW_MS)
        rows = [row for rows in made.by_policy.values() for row in rows]
        assert len(rows) + made.expired + len(made.letters) == made.received
        if topic != TELEMETRY:
            assert [letter.value for letter in made.letters] in ([], [data])


def _fold(data: bytes) -> None:
    """The worker takes every line in, or makes a dead letter of it; a second time changes none."""
    part = Partition(0, 1, RuleSet.of([]))
    part.begin(0)
    letters = sum(one.topic == DEAD_LETTERS for one in part.fold(0, _NOW_MS, data))
    counts = part.counts
    taken = counts.accepted + counts.duplicates
    others = counts.statuses + counts.replies + counts.controls
    assert letters == counts.rejected
    assert taken + others + letters <= counts.lines  # a line may hold nothing but its origin
    again = part.fold(1, _NOW_MS, data)
    assert sum(one.topic == DEAD_LETTERS for one in again) == letters
    assert counts.accepted + counts.duplicates == 2 * taken


def _state(data: bytes) -> None:
    header_value, _, rest = data.partition(b"\xc1")
    found = state.load({state.HEADER_KEY: header_value, b"site-1/0": rest, b"\xff/0": rest})
    assert found is not None
    again = dict(record for site in found.sites for record in state.site_records(site))
    key, value = state.header_record(found)
    assert state.load(again | {key: value}) == found


def _ledger(data: bytes) -> None:
    line = decode_ledger(data)
    assert decode_ledger(encode_ledger(line)) == line


def _exported(data: bytes) -> None:
    entry = _entry(data, "file:1")
    publish(entry.topic, b"", None, 0)
    if entry.sealed:
        return
    letter = letter_of(entry.ref, 0, len(entry.payload), [("topic", entry.topic.encode())])
    again = _entry(json_line(with_bytes(letter, entry.payload, sealed=False)).encode(), "file:2")
    assert (again.ref, again.payload) == (entry.ref, entry.payload)
    assert again.topic == entry.topic


def _json_text(data: bytes) -> None:
    """Two parsers that share nothing agree on what is JSON."""
    text = data.decode()
    try:
        parsed(data)
    except RecursionError:
        return
    except NotJsonError:
        try:
            JsonText(text)
        except JsonTextError:
            return
        raise AssertionError("JsonText takes what is not JSON") from None
    assert JsonText(text).found == [_stripped(text)]


def _stripped(text: str) -> tuple[int, int]:
    begin = len(text) - len(text.lstrip(" \t\r\n"))
    return begin, len(text.rstrip(" \t\r\n"))


def _place(data: bytes) -> None:
    text = text_of(data)
    details = ("", "a number is too large", "the field 'people' is missing")
    for reason in EXPLAINED:
        for detail in details:
            for index in (None, 1):
                place = place_in(data, reason, detail, index)
                if place is not None:
                    assert 0 <= place.begin <= place.end <= len(text)
        place_in_topic(text, reason)
    shown = excerpt(text, place_in(data, "not_json", ""), 80)
    assert all(row.text.isprintable() for row in shown.rows)
    assert shown.before + shown.after <= len(text)
    is_binary(data)
    hexdump(data, len(data) // 2)


def _letter(data: bytes) -> None:
    names = ("topic", "rx", "reason", "index", "sealed", "size", "replay-of", "replayed", "refused")
    headers = [*zip(names, data.split(b"\0"), strict=False)]
    letter = letter_of(Ref(0, 1), 0, 0, headers)
    mark_of(0, headers)
    speed_in(headers)
    assert json_line(with_bytes(letter, data, sealed=False)).isprintable()


READERS: Final[Mapping[str, Reader]] = {
    "envelope": Reader(_envelope, _UNREADABLE),
    "line": Reader(_line, _UNREADABLE),
    "rollup": Reader(_record(records.decode_rollup), (msgspec.DecodeError,)),
    "alert": Reader(_record(records.decode_alert), (msgspec.DecodeError,)),
    "device": Reader(_record(records.decode_device), (msgspec.DecodeError,)),
    "receipt": Reader(_record(records.decode_receipt), (msgspec.DecodeError,)),
    "topic": Reader(_topic, (TopicError,)),
    "clock": Reader(_clock, (ClockError,)),
    "rows": Reader(_rows),
    "fold": Reader(_fold),
    "state": Reader(_state, (StateError,)),
    "ledger": Reader(_ledger, _UNREADABLE),
    "exported": Reader(_exported, (ExportError,)),
    "jsontext": Reader(_json_text, (UnicodeDecodeError,)),
    "place": Reader(_place),
    "letter": Reader(_letter),
    "sealed": Reader(lambda data: KEY.open(data, KEY.sealed), (SealError,)),
}
NAMES: Final = tuple(READERS)


def written(name: str, data: bytes) -> bytes:
    """An input of this target for one reader."""
    return bytes([NAMES.index(name)]) + data


def check(data: bytes, *, memory: bool = False) -> None:
    """Give an input to its reader."""
    reader = READERS[NAMES[(data[0] if data else 0) % len(NAMES)]]

    def work() -> None:
        try:
            reader.read(data[1:])
        except AssertionError:
            raise
        except reader.errors:
            pass

    work()
    if memory:
        check_cost(len(data), work, memory=True)
