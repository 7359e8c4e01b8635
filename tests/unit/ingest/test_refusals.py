"""What is made of a record that Kafka refuses: parts, a dead letter, or nothing of the kind."""

from __future__ import annotations

import pytest
from aiokafka.errors import (
    MessageSizeTooLargeError,
    NotLeaderForPartitionError,
    OutOfOrderSequenceNumber,
    ProducerFenced,
    RecordListTooLargeError,
    UnknownError,
    for_code,
)

from ingest import KafkaFailedError, PersonKey
from ingest.careful import Careful
from ingest.deadletters import Headers, dead_letter, shortened
from ingest.decode import Rejection
from ingest.lanes import Record
from ingest.refusals import halves, is_refusal, refused_line
from schemas.deadletters import Reason
from schemas.envelope import envelope_headers, line_bytes, line_head
from schemas.topics import DEAD_LETTERS, TELEMETRY

KEY = PersonKey("a-key-for-tests-0123456789-abcdefgh")
INVALID_RECORD = 87


def line(body: bytes, *, kind: str = "ionizer", what: bytes = b"reading") -> bytes:
    return line_bytes(line_head("s-1", kind, "d-1"), 1_700_000_000_000_000, what, body)


def envelope(*lines: bytes) -> Record:
    return Record(TELEMETRY, 3, b"".join(lines), envelope_headers("b", len(lines), 2.0), [])


class Topics:
    """Takes records up to ``limits`` (bytes by topic), and refuses larger ones."""

    def __init__(self, **limits: int) -> None:
        self.limits = {TELEMETRY: limits["telemetry"], DEAD_LETTERS: limits["letters"]}
        self.taken: list[Record] = []

    async def deliver(self, record: Record) -> None:
        if len(record.value) > self.limits[record.topic]:
            raise MessageSizeTooLargeError
        self.taken.append(record)


@pytest.mark.parametrize("code", [10, 18, INVALID_RECORD])
def test_what_a_record_holds_is_refused(code) -> None:
    assert is_refusal(for_code(code)())


@pytest.mark.parametrize(
    "error", [NotLeaderForPartitionError, OutOfOrderSequenceNumber, ProducerFenced, OSError]
)
def test_what_is_the_producers_or_the_brokers_trouble_is_no_refusal(error) -> None:
    assert not is_refusal(error())


def test_both_halves_say_how_many_lines_they_have() -> None:
    whole = envelope(line(b"{}"), line(b"{ }"), line(b"{  }"))
    first, second = halves(whole.value, whole.headers)
    assert first == (line(b"{}"), envelope_headers("b", 1, 2.0))
    assert second == (line(b"{ }") + line(b"{  }"), envelope_headers("b", 2, 2.0))
    assert not halves(*first)


async def test_only_the_line_that_is_too_large_becomes_a_letter_and_the_order_stays() -> None:
    lines = [line(b'{"seq":%d}' % seq) for seq in range(9)]
    large = b'{"seq":4,' + b" " * 1000 + b'"x":1}'
    lines[4] = line(large)
    topics = Topics(telemetry=300, letters=5000)
    careful = Careful(topics.deliver, bridge="b", key=KEY)
    await careful.place(envelope(*lines))
    stored = b"".join(record.value for record in topics.taken if record.topic == TELEMETRY)
    assert stored == b"".join(lines[:4] + lines[5:])
    (letter,) = (record for record in topics.taken if record.topic == DEAD_LETTERS)
    assert (letter.value, letter.partition, careful.letters) == (large, 3, 1)
    headers = dict(letter.headers)
    assert headers["reason"] == b"refused_by_kafka"
    assert headers["topic"] == b"qala/v1/s-1/ionizer/d-1/telemetry"
    assert headers["rx"] == b"1700000000000000"


@pytest.mark.parametrize("what,channel", [(b"status", "status"), (b"reply", "reply")])
def test_a_letter_of_an_answer_names_its_channel(what, channel) -> None:
    told = refused_line(line(b'{"ts":1}', what=what))
    assert told.topic == f"qala/v1/s-1/ionizer/d-1/{channel}"
    assert (told.rejection.body, told.rejection.personal) == (b'{"ts":1}', False)


def test_a_passage_is_sealed_and_not_taken_for_what_the_camera_sent() -> None:
    passage = line(b'{"type":"passage","person":"0123abcd"}', kind="camera")
    told = refused_line(passage)
    assert (told.topic, told.rejection.body) == (TELEMETRY, passage)
    assert told.rejection.personal
    scene = refused_line(line(b'{"type":"scene"}', kind="camera"))
    assert scene.topic == "qala/v1/s-1/camera/d-1/telemetry"
    assert scene.rejection.personal


async def test_a_topic_that_takes_nothing_makes_no_letters() -> None:
    topics = Topics(telemetry=-1, letters=5000)
    careful = Careful(topics.deliver, bridge="b", key=KEY)
    for record in (envelope(line(b"{}"), line(b"{}")), envelope()):
        with pytest.raises(KafkaFailedError, match=r"takes nothing into qala\.telemetry\.v1"):
            await careful.place(record)
    assert not topics.taken


async def test_another_error_is_not_the_records_fault() -> None:
    async def away(_: Record) -> None:
        raise NotLeaderForPartitionError

    with pytest.raises(NotLeaderForPartitionError):
        await Careful(away, bridge="b", key=KEY).place(envelope(line(b"{}"), line(b"{}")))


def letter(body: bytes, *, personal: bool) -> tuple[bytes, Headers]:
    rejection = Rejection(Reason.NOT_JSON, "not JSON", body, None, personal)
    return dead_letter(rejection, topic="t", rx_us=1, bridge="b", key=KEY)


@pytest.mark.parametrize("personal", [False, True])
async def test_a_letter_is_cut_until_its_topic_takes_it(personal) -> None:
    body = bytes(range(200)) * 20
    topics = Topics(telemetry=100, letters=600)
    value, headers = letter(body, personal=personal)
    await Careful(topics.deliver, bridge="b", key=KEY).place(
        Record(DEAD_LETTERS, 0, value, headers, [])
    )
    (placed,) = topics.taken
    told = dict(placed.headers)
    assert len(told) == len(placed.headers)
    assert told["size"] == b"4000"
    kept = KEY.open(placed.value, told["sealed"].decode()) if personal else placed.value
    assert kept == body[:500]


def test_a_letter_without_bytes_cannot_be_cut() -> None:
    assert shortened(*letter(b"", personal=False), KEY) is None
    assert shortened(*letter(b"", personal=True), KEY) is None


async def test_a_letters_topic_that_takes_nothing_is_told() -> None:
    topics = Topics(telemetry=100, letters=-1)
    value, headers = letter(b"x" * 50, personal=False)
    with pytest.raises(KafkaFailedError, match=r"takes nothing into qala\.dead-letters\.v1"):
        await Careful(topics.deliver, bridge="b", key=KEY).place(
            Record(DEAD_LETTERS, 0, value, headers, [])
        )


def test_errors_that_are_refusals_are_not_tried_again_by_aiokafka() -> None:
    for error in (MessageSizeTooLargeError, RecordListTooLargeError, UnknownError):
        assert not error.retriable
