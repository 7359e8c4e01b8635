"""What InfluxDB has of wrong clocks is recalled before the first readings of an assignment."""

from __future__ import annotations

from random import Random
from types import SimpleNamespace

from aiokafka import TopicPartition

from schemas.readiness import Readiness
from schemas.readings import READING_STRUCTS
from schemas.topics import ALERTS, TELEMETRY
from sinks.backoff import Backoff
from sinks.contract import Trouble
from sinks.progress import Progress
from sinks.recall import RECALL_MS, Recall
from sinks.rows import FirstTime, RowMaker

NOW_MS = 1_800_000_000_000
ION = FirstTime(("stop-1", "ion-1", 1, 7, 5), NOW_MS - 90)
TYPES = len(READING_STRUCTS)


class Answers:
    """Stands for InfluxDB: gives the answers one by one, then none; remembers the questions."""

    def __init__(self, *answers: list[FirstTime] | Trouble) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int, int]] = []

    async def since(self, measurement: str, from_ms: int, most: int) -> list[FirstTime] | Trouble:
        self.asked.append((measurement, from_ms, most))
        return self.answers.pop(0) if self.answers else []


class Group:
    """Stands for the consumer: how long was waited in it; ``then`` happens meanwhile."""

    def __init__(self) -> None:
        self.waited_ms = 0
        self.then = lambda: None

    async def getmany(self, *partitions: TopicPartition, timeout_ms: int) -> dict:
        assert partitions, "records of ours would be taken, and lost"
        self.waited_ms += timeout_ms
        if timeout_ms:
            self.then()
        return {}


class Case:
    def __init__(self, *answers: list[FirstTime] | Trouble) -> None:
        self.written, self.group, self.progress = Answers(*answers), Group(), Progress()
        self.readiness, self.maker = Readiness(), RowMaker(10)
        self.troubles: list[Trouble | None] = []
        self.recall = Recall(
            self.group,
            self.written,
            self.maker,
            self.progress,
            most=10,
            backoff=Backoff(1.0, 1.0, Random(1)),
            readiness=self.readiness,
            troubled=self.troubles.append,
        )

    async def before(self, at_ms: int, partition: int = 0, topic: str = TELEMETRY) -> None:
        records = [SimpleNamespace(timestamp=at_ms), SimpleNamespace(timestamp=at_ms - 7)]
        await self.recall.before({TopicPartition(topic, partition): records})


async def test_each_type_is_asked_for_once_for_the_hour_before_the_first_record():
    case = Case([ION])
    await case.before(NOW_MS)
    await case.before(NOW_MS + 5)
    await case.before(NOW_MS - 5, partition=1)
    assert [measurement for measurement, *_ in case.written.asked] == list(READING_STRUCTS)
    assert all(from_ms <= NOW_MS - RECALL_MS for _, from_ms, _ in case.written.asked)
    assert {most for *_, most in case.written.asked} == {10}
    assert case.group.waited_ms == 0


async def test_nothing_is_asked_before_there_are_readings():
    case = Case()
    await case.before(NOW_MS, topic=ALERTS)
    assert case.written.asked == []


async def test_what_was_asked_for_by_the_clock_is_not_asked_for_again_by_records_of_now():
    case = Case()
    await case.recall.hour_before(NOW_MS)
    await case.before(NOW_MS + 5)
    assert len(case.written.asked) == TYPES
    await case.before(NOW_MS - RECALL_MS)
    assert len(case.written.asked) == 2 * TYPES


async def test_a_partition_that_lags_far_behind_has_its_own_hour_recalled():
    case = Case()
    await case.before(NOW_MS)
    await case.before(NOW_MS - 3 * RECALL_MS, partition=1)
    assert len(case.written.asked) == 2 * TYPES
    assert case.written.asked[-1][1] <= NOW_MS - 4 * RECALL_MS


async def test_each_assignment_asks_anew_as_others_may_have_written_meanwhile():
    case = Case()
    await case.before(NOW_MS)
    case.progress.drop([])
    await case.before(NOW_MS)
    assert len(case.written.asked) == 2 * TYPES


async def test_influxdb_that_does_not_answer_is_waited_for_within_the_group():
    away = Trouble("it is away", retry_after_s=3.0)
    case = Case(away, [], away, [ION])
    await case.before(NOW_MS)
    assert case.troubles == [away, away, None]
    assert case.group.waited_ms >= 6000
    assert len(case.written.asked) == 1 + 2 + TYPES


async def test_partitions_that_are_lost_meanwhile_are_waited_for_no_longer():
    case = Case(*[Trouble("it is away")] * 5)
    case.group.then = lambda: case.progress.drop([])
    await case.before(NOW_MS)
    assert len(case.written.asked) == 1
    assert case.troubles[-1] is None


async def test_a_token_that_may_not_read_is_noted_and_done_without_until_it_may():
    case = Case(Trouble("this token may not read", final=True))
    await case.before(NOW_MS)
    assert case.readiness.ready
    assert case.readiness.notes == {"wrong clocks": "this token may not read"}
    assert len(case.written.asked) == 1
    case.progress.drop([])
    await case.before(NOW_MS)
    assert case.readiness.notes == {}
