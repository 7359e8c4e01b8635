import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
import pytest_asyncio

from streams.errors import WorkerError
from streams.outflow import Outflow
from streams.outputs import Output

WAITING_MAX = 10


def outputs(*numbers: int) -> list[Output]:
    return [Output("topic", None, b"%d" % number) for number in numbers]


class SlowKafka:
    """Takes outputs when it is let, in as many goes as it is let to."""

    def __init__(self) -> None:
        self.taken: list[int] = []
        self.batches: list[int] = []
        self.error: Exception | None = None
        self.partition: int | None = None
        self._let = asyncio.Semaphore(0)

    def let(self, batches: int = 1) -> None:
        for _ in range(batches):
            self._let.release()

    async def send(self, partition: int, sent: Sequence[Output]) -> None:
        await self._let.acquire()
        if self.error is not None:
            raise self.error
        self.partition = partition
        self.batches.append(len(sent))
        self.taken += [int(output.value) for output in sent]


@pytest_asyncio.fixture(loop_scope="session")
async def kafka() -> SlowKafka:
    return SlowKafka()


@pytest_asyncio.fixture(loop_scope="session")
async def outflow(kafka: SlowKafka) -> AsyncIterator[Outflow]:
    made = Outflow(3, kafka.send, linger_ms=0, waiting_max=WAITING_MAX)
    made.start()
    yield made
    await made.stop()


async def settled() -> None:
    """Let every task go as far as it can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_outputs_keep_their_order_over_batches(kafka, outflow):
    kafka.let(100)
    for number in range(100):
        await outflow.put(outputs(number))
        if number % 7 == 0:
            await settled()
    await outflow.reached(outflow.mark)
    assert kafka.taken == list(range(100))
    assert kafka.partition == 3


async def test_outputs_that_wait_go_out_together(kafka, outflow):
    await outflow.put(outputs(0))
    await settled()
    await outflow.put(outputs(1, 2))
    await outflow.put(outputs(3))
    kafka.let(2)
    await outflow.reached(outflow.mark)
    assert kafka.batches == [1, 3]


async def test_reached_waits_until_kafka_has_acknowledged_the_mark(kafka, outflow):
    await outflow.put(outputs(1, 2))
    waiting = asyncio.create_task(outflow.reached(outflow.mark))
    await settled()
    assert not waiting.done()
    kafka.let()
    await waiting
    assert kafka.taken == [1, 2]


async def test_reached_does_not_wait_for_what_came_after_the_mark(kafka, outflow):
    await outflow.put(outputs(1))
    mark = outflow.mark
    await settled()
    await outflow.put(outputs(2))
    kafka.let()
    await outflow.reached(mark)
    assert kafka.taken == [1]


async def test_a_flush_does_not_wait_for_the_linger(kafka):
    outflow = Outflow(0, kafka.send, linger_ms=3_600_000, waiting_max=WAITING_MAX)
    outflow.start()
    kafka.let(2)
    for number in (1, 2):
        await outflow.put(outputs(number))
        await asyncio.wait_for(outflow.reached(outflow.mark), 5)
    assert kafka.taken == [1, 2]
    await outflow.stop()


async def test_putting_waits_while_too_many_are_on_their_way(kafka, outflow):
    await outflow.put(outputs(*range(WAITING_MAX)))
    putting = asyncio.create_task(outflow.put(outputs(10)))
    await settled()
    assert not putting.done()
    kafka.let(2)
    await putting
    assert kafka.taken[:WAITING_MAX] == list(range(WAITING_MAX))


async def test_an_error_of_sending_is_raised_to_every_later_caller(kafka, outflow):
    kafka.error = ConnectionError("Kafka is gone")
    await outflow.put(outputs(1))
    kafka.let()
    for _ in range(2):
        with pytest.raises(ConnectionError, match="gone"):
            await outflow.reached(outflow.mark)
        with pytest.raises(ConnectionError, match="gone"):
            await outflow.put(outputs(2))
    assert kafka.taken == []


async def test_an_error_of_sending_wakes_those_who_wait_already(kafka, outflow):
    kafka.error = ConnectionError("Kafka is gone")
    tasks = [
        asyncio.create_task(outflow.put(outputs(*range(WAITING_MAX + 1)))),
        asyncio.create_task(outflow.reached(1)),
    ]
    await settled()
    kafka.let()
    found = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
    assert [type(exc) for exc in found] == [ConnectionError, ConnectionError]


async def test_stopping_frees_a_fold_that_waits_for_room(kafka, outflow):
    putting = asyncio.create_task(outflow.put(outputs(*range(WAITING_MAX + 1))))
    await settled()
    assert not putting.done()
    await outflow.stop()
    await asyncio.wait_for(putting, 5)
    await outflow.put(outputs(1))
    assert kafka.taken == []


async def test_what_was_given_up_is_never_said_to_have_been_reached(kafka, outflow):
    await outflow.put(outputs(1))
    waiting = asyncio.create_task(outflow.reached(outflow.mark))
    await settled()
    await outflow.stop()
    with pytest.raises(WorkerError, match="partition 3 were given up"):
        await asyncio.wait_for(waiting, 5)
