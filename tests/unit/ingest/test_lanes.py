"""The backlog: what is on its way to Kafka, and when it is too much."""

from __future__ import annotations

from ingest.clocks import WrongClocks
from ingest.deadletters import dead_letter
from ingest.decode import PayloadDecoder, origin_of
from ingest.lanes import Backlog, Record
from ingest.persons import PersonKey
from schemas.topics import DEAD_LETTERS, DeviceTopic

KEY = PersonKey("a-key-for-tests-0123456789-abcdefgh")


def test_the_many_letters_of_one_small_message_count_for_what_they_take() -> None:
    payload = b"[" + b",".join([b"1"] * 1000) + b"]"
    decoder = PayloadDecoder(str, WrongClocks())
    origin = origin_of(DeviceTopic("site-1", "ionizer", "d-1", "telemetry"))
    heard: list[bool] = []
    backlog = Backlog(1_000_000, heard.append)
    records = []
    for rejection in decoder.decode(origin, payload, 1_700_000_000_000_000).rejections:
        value, headers = dead_letter(rejection, topic="t", rx_us=1, bridge="1", key=KEY)
        records.append(Record(DEAD_LETTERS, 0, value, headers, []))
        backlog.add(records[-1].size)
    assert len(records) == 1000
    assert heard == [True]
    for record in records:
        backlog.remove(record.size)
    assert (heard, backlog.bytes, backlog.idle.is_set()) == ([True, False], 0, True)


def test_a_records_headers_count_as_its_value_does() -> None:
    bare = Record(DEAD_LETTERS, 0, b"", [], []).size
    assert Record(DEAD_LETTERS, 0, b"12345", [("name", b"content")], []).size == bare + 5 + 4 + 7


def test_a_muted_backlog_tells_nobody_any_more() -> None:
    heard: list[bool] = []
    backlog = Backlog(100, heard.append)
    backlog.add(101)
    backlog.mute()
    backlog.remove(101)
    assert heard == [True]
    assert not backlog.full
