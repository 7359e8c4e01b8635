"""The backlog, what is on its way to Kafka; and lanes, when Kafka does not take something."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka.errors import (
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumber,
    ProducerFenced,
    UnknownProducerId,
)

from ingest.acks import AckQueue
from ingest.clocks import WrongClocks
from ingest.deadletters import dead_letter
from ingest.decode import PayloadDecoder, origin_of
from ingest.lanes import Backlog, Lane, Record
from ingest.persons import PersonKey
from schemas.topics import DEAD_LETTERS, TELEMETRY, DeviceTopic
from tests.support.waiting import eventually

KEY = PersonKey("a-key-for-tests-0123456789-abcdefgh")


def test_the_many_letters_of_one_small_message_count_for_what_they_take() -> None:
    payload = b"[" + b",".join([b"1"] * 1000) + b"]"
    decoder = PayloadDecoder(str, WrongClocks())
    origin = origin_of(DeviceTopic("site-1", "ionizer", "d-1", "telemetry"))
    heard: list[bool] = []
    backlog = Backlog(1_000_000, lambda: heard.append(backlog.full))
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
    backlog = Backlog(100, lambda: heard.append(backlog.full))
    backlog.add(101)
    backlog.mute()
    backlog.remove(101)
    assert heard == [True]
    assert not backlog.full


class Laid:
    """A lane whose sends are futures in the test's hands; each record has a message of its own."""

    def __init__(self) -> None:
        self.sent: dict[bytes, asyncio.Future[object]] = {}
        self.failures: list[Exception] = []
        self.acknowledged: list[int] = []
        self.acks = AckQueue()
        self.acks.open(self.acknowledged.extend)
        self.lane = Lane(self._send, self.failures.append, Backlog(10_000_000, lambda: None))

    async def _send(self, record: Record) -> asyncio.Future[object]:
        future = self.sent[record.value] = asyncio.get_running_loop().create_future()
        return future

    def put(self, *values: bytes) -> None:
        for value in values:
            self.acks.received(int(value))
            self.lane.put(Record(TELEMETRY, 0, value, [], [self.acks.pending()]))

    async def until_sent(self, *values: bytes) -> None:
        async def sent() -> set[bytes]:
            return set(self.sent)

        await eventually(sent, lambda found: found == set(values))

    async def settled(self, value: bytes, error: Exception | None = None) -> None:
        future = self.sent[value]
        future.set_exception(error) if error else future.set_result(None)
        await asyncio.sleep(0)


@asynccontextmanager
async def laid() -> AsyncIterator[Laid]:
    made = Laid()
    try:
        yield made
    finally:
        await made.lane.close()


@pytest.mark.parametrize("error", [ProducerFenced, OutOfOrderSequenceNumber, UnknownProducerId])
async def test_a_fatal_error_acknowledges_nothing_from_there_on(error) -> None:
    async with laid() as it:
        it.put(b"1", b"2", b"3")
        await it.until_sent(b"1", b"2", b"3")
        await it.settled(b"1")
        await it.settled(b"2", error())
        await it.settled(b"3")
        it.put(b"4")
        await asyncio.sleep(0)
        assert [type(failure) for failure in it.failures] == [error]
        assert it.acknowledged == [1]
        assert b"4" not in it.sent
        assert not it.lane.held


async def test_behind_a_refused_record_everything_goes_again_in_order() -> None:
    async with laid() as it:
        it.put(b"1", b"2", b"3", b"4")
        await it.until_sent(b"1", b"2", b"3", b"4")
        await it.settled(b"1")
        await it.settled(b"2", MessageSizeTooLargeError())
        pausing = asyncio.create_task(it.lane.pause())
        it.put(b"5")
        # one was written out of turn, one met the hole in the sequence: neither counts
        await it.settled(b"3")
        assert not pausing.done()
        await it.settled(b"4", OutOfOrderSequenceNumber())
        await pausing
        assert [type(failure) for failure in it.failures] == [MessageSizeTooLargeError]
        assert (it.lane.held, it.acknowledged) == (True, [1])

        placed: list[bytes] = []

        async def place(record: Record) -> None:
            assert it.acknowledged == [1, *map(int, placed)]
            placed.append(record.value)

        await it.lane.again(place)
        assert placed == [b"2", b"3", b"4"]
        assert it.acknowledged == [1, 2, 3, 4]
        it.lane.resume()
        await it.until_sent(b"1", b"2", b"3", b"4", b"5")
        await it.settled(b"5")
        assert it.acknowledged == [1, 2, 3, 4, 5]


async def test_what_could_not_be_placed_stays_unacknowledged() -> None:
    async with laid() as it:
        it.put(b"1", b"2")
        await it.until_sent(b"1", b"2")
        await it.settled(b"1", MessageSizeTooLargeError())
        await it.settled(b"2", OutOfOrderSequenceNumber())
        await it.lane.pause()

        async def place(_: Record) -> None:
            raise ProducerFenced

        with pytest.raises(ProducerFenced):
            await it.lane.again(place)
        assert it.acknowledged == []
