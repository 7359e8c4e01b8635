"""A client of Kafka that hangs while Kafka answers: another takes its place, nothing is lost."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import Any

import pytest
from aiokafka.consumer.group_coordinator import GroupCoordinator

from infra.native import free_port
from schemas import group_watch
from schemas.connections import KafkaConnection
from schemas.errors import StuckClientError
from schemas.group_watch import Wait, coordinator_trouble, watch_member
from schemas.kafka_watch import PART
from schemas.readiness import Readiness
from tests.support import chat_sinks, influx_sinks
from tests.support.chat_sinks import Webhook, end_of_alerts, firing, places, tell
from tests.support.influx_sinks import air, committed_of, end_of, is_, rows_of, send
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(autouse=True)
def _less_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_watch, "EVERY_S", 0.5)
    monkeypatch.setattr(group_watch, "TOLD_S", 1.0)
    monkeypatch.setattr(group_watch, "limit_s", lambda _session_s: 8.0)


def _hardly_any_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_watch, "EVERY_S", 0.1)
    monkeypatch.setattr(group_watch, "TOLD_S", 0.2)
    monkeypatch.setattr(group_watch, "limit_s", lambda _session_s: 0.5)


class HangingCommits:
    """The clients that have committed until `hang` commit no more; those made later do."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._seen: list[GroupCoordinator] = []
        self._hanging: list[GroupCoordinator] = []
        commit = GroupCoordinator._do_commit_offsets

        # inside the client's lock, and shielded from cancelling
        async def patched(coordinator: GroupCoordinator, *given: object) -> None:
            if any(coordinator is one for one in self._hanging):
                await asyncio.get_running_loop().create_future()
            self._seen.append(coordinator)
            await commit(coordinator, *given)

        monkeypatch.setattr(GroupCoordinator, "_do_commit_offsets", patched)

    def hang(self, *, count: int | None = None) -> None:
        """Let the first ``count`` clients hang that have committed so far; None for all."""
        clients = list({id(one): one for one in self._seen}.values())
        self._hanging = clients[:count]


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> HangingCommits:
    return HangingCommits(monkeypatch)


async def _seqs(stack: Any, site: str) -> list[int]:
    return sorted(row["seq"] for row in await rows_of(stack, "air", site))


async def test_a_sink_whose_commits_hang_writes_on_and_commits_by_a_new_client(
    stack, producer, commits
):
    async with influx_sinks.running(stack.kafka_connection, stack.influx_connection) as sink:
        await send(producer, air("hangs", 1))
        await eventually(lambda: _all_committed(stack))
        commits.hang()
        await send(producer, air("hangs", 2))
        await eventually(lambda: _seqs(stack, "hangs"), lambda seqs: seqs == [1, 2])
        why = await eventually(lambda: _reason(sink.readiness, "kafka client"), timeout_s=40)
        assert why.startswith("no offset was taken for ")
        await eventually(lambda: _all_committed(stack), timeout_s=60)
        await eventually(lambda: is_(sink.readiness.ready))
        await send(producer, air("hangs", 3))
        await eventually(lambda: _all_committed(stack))
        assert await _seqs(stack, "hangs") == [1, 2, 3]
        assert not sink.task.done()


async def test_a_sink_whose_client_never_joins_gets_a_new_one(stack, producer, monkeypatch):
    join = GroupCoordinator.ensure_active_group
    hanging: list[GroupCoordinator] = []

    async def first_hangs(coordinator: GroupCoordinator, *given: object) -> object:
        if not hanging:
            hanging.append(coordinator)
        if coordinator is hanging[0]:
            await asyncio.get_running_loop().create_future()
        return await join(coordinator, *given)

    monkeypatch.setattr(GroupCoordinator, "ensure_active_group", first_hangs)
    await send(producer, air("joins", 1))
    async with influx_sinks.running(stack.kafka_connection, stack.influx_connection) as sink:
        why = await eventually(lambda: _reason(sink.readiness, "kafka client"), timeout_s=40)
        assert why.startswith("the group gave no partitions for ")
        await eventually(lambda: _seqs(stack, "joins"), lambda seqs: seqs == [1], timeout_s=60)


async def test_a_chat_channel_whose_client_hangs_gets_a_new_one_and_holds_up_no_other(
    stack, producer, webhooks, commits
):
    urls = [one.url for one in webhooks]
    async with chat_sinks.running(stack.kafka_connection, *urls) as (readiness, _):
        await tell(producer, firing("before"))
        await eventually(lambda: _told_in(webhooks, "before"))
        await eventually(lambda: _all_told(stack, *webhooks))
        commits.hang(count=1)
        await tell(producer, firing("meanwhile"))
        await eventually(lambda: _told_in(webhooks, "meanwhile"))
        await eventually(lambda: is_("kafka client" in str(readiness.reasons)), timeout_s=40)
        assert str(readiness.reasons).count("kafka client") == 1
        await eventually(lambda: _all_told(stack, *webhooks), timeout_s=60)
        await eventually(lambda: is_(readiness.ready))
        await tell(producer, firing("after"))
        await eventually(lambda: _told_in(webhooks, "after"))
    for one in webhooks:
        assert [told["title"] for told in one.told] == [
            f"[critical] FIRING {rule}" for rule in ("before", "meanwhile", "after")
        ]


async def test_a_coordinator_that_answers_nobody_is_waited_for(
    log_servers: KafkaConnection, monkeypatch: pytest.MonkeyPatch
):
    _hardly_any_patience(monkeypatch)
    nowhere = KafkaConnection(bootstrap=f"127.0.0.1:{free_port()}")
    readiness = Readiness()
    waiting = Wait("no offset was taken", 7)

    def watch(kafka: KafkaConnection) -> asyncio.Task[None]:
        watching = watch_member(
            kafka, "a-group", readiness, lambda: waiting, part="kafka client", session_s=6.0
        )
        return asyncio.create_task(watching)

    watching = watch(nowhere)
    said = "s, as the group's coordinator does not serve ("
    await eventually(lambda: _reason(readiness, "kafka client"), lambda why: said in why)
    for _ in range(30):
        await asyncio.wait({watching}, timeout=0.1)
        assert said in await _reason(readiness, "kafka client")
    assert not watching.done()
    watching.cancel()
    with pytest.raises(StuckClientError, match="this one hangs, and a new one helps"):
        async with asyncio.timeout(20):
            await watch(log_servers)


async def test_a_reason_that_reads_otherwise_meanwhile_is_no_end_of_the_waiting(
    log_servers: KafkaConnection, monkeypatch: pytest.MonkeyPatch
):
    _hardly_any_patience(monkeypatch)
    words = count()
    with pytest.raises(StuckClientError):
        async with asyncio.timeout(20):
            await watch_member(
                log_servers,
                "a-group",
                Readiness(),
                lambda: Wait(f"reason {next(words)}", 7),
                part="kafka client",
                session_s=6.0,
            )


async def test_time_without_kafka_is_no_hanging(
    log_servers: KafkaConnection, monkeypatch: pytest.MonkeyPatch
):
    _hardly_any_patience(monkeypatch)
    readiness = Readiness()
    readiness.waiting(PART, "Kafka cannot be reached")
    watching = asyncio.create_task(
        watch_member(
            log_servers, "a-group", readiness, lambda: Wait("x", 1), part="c", session_s=6.0
        )
    )
    await asyncio.wait({watching}, timeout=3)
    assert not watching.done()
    readiness.working(PART)
    with pytest.raises(StuckClientError):
        async with asyncio.timeout(20):
            await watching


async def test_the_coordinator_of_a_group_that_nobody_is_in_serves(log_servers: KafkaConnection):
    assert await coordinator_trouble(log_servers, "nobody-yet") is None


async def _reason(readiness: Readiness, part: str) -> str:
    return readiness.reasons.get(part, "")


async def _all_committed(stack: Any) -> bool:
    return await committed_of(stack) == await end_of(stack)


async def _all_told(stack: Any, *webhooks: Webhook) -> bool:
    end = await end_of_alerts(stack)
    return await places(stack, *webhooks) == [end] * len(webhooks)


async def _told_in(webhooks: tuple[Webhook, Webhook], rule: str) -> bool:
    return all(one.titles(rule) for one in webhooks)
