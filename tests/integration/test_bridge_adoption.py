"""Bridges that share the work: one that is gone is noticed, and can be adopted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from infra.doctor.ask_mqtt import BrokerSeen, ask_mqtt
from ingest import AdoptionError, MqttOptions, connect_mqtt
from ingest.claim import Claim
from schemas.connections import KafkaConnection, MqttConnection
from tests.support.bridges import (
    Adoption,
    Bridge,
    Log,
    air,
    bridging,
    device,
    forget_session,
    now_ms,
    reading_log,
)
from tests.support.servers import RunningServer
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")


@asynccontextmanager
async def gone(mqtt: MqttConnection, kafka: KafkaConnection, bridge: str) -> AsyncIterator[None]:
    """A bridge that has subscribed and was cut off; at the end nothing of it is left."""
    lost = Bridge(mqtt, kafka, id=bridge)
    try:
        await lost.until_connected()
        lost.task.cancel()
        await asyncio.gather(lost.task, return_exceptions=True)
        yield
    finally:
        lost.task.cancel()
        await forget_session(mqtt, f"qala-bridge-{bridge}")


async def has_session(mqtt: MqttConnection, client_id: str) -> bool:
    """Whether the broker keeps a session; none is left of the question."""
    options = MqttOptions(client_id=client_id, clean_start=False, session_expiry_s=60)
    link = await connect_mqtt(mqtt, options)
    await link.disconnect(end_session=not link.session_present)
    return link.session_present


async def claims(mqtt: MqttConnection) -> tuple[str, ...]:
    seen = await ask_mqtt(mqtt, session_expiry_s=60)
    assert isinstance(seen, BrokerSeen)
    return seen.claims


def farewells(log: Log, bridge: str) -> list[int]:
    """The partitions whose newest tick of ``bridge`` says that it left for good."""
    newest = {tick.partition: dict(tick.headers) for tick in log.ticks(bridge)}
    return sorted(partition for partition, headers in newest.items() if "left" in headers)


async def test_what_waits_for_a_bridge_that_is_gone_is_adopted_and_its_share_ends(
    mqtt, log_servers
) -> None:
    async with (
        reading_log(log_servers) as log,
        device(mqtt) as sender,
        bridging(mqtt, log_servers, id="stays") as stays,
        gone(mqtt, log_servers, "gone"),
    ):
        await stays.until_subscribed("shared")
        status = {"state": "online", "ts": now_ms(), "boot": 1}
        for seq in range(3000):
            sender.send("adopt", "ionizer", "d-1", air(seq))
        sender.publish("qala/v1/adopt/ionizer/d-1/status", status, retain=True)
        await sender.all_acknowledged()
        # the newest one is written before the one that waits
        offline = {"state": "offline", "ts": now_ms(), "boot": 1}
        sender.publish("qala/v1/adopt/ionizer/d-1/status", offline, retain=True)
        drained = await Adoption(mqtt, log_servers, id="gone").drained()
        lines = await log.lines_of("adopt", 3000)
        assert {line.reading.seq for line in lines if line.reading} == set(range(3000))
        carried = stays.figure("messages_total")
        # each of the two statuses came to both bridges, and to one of them once more
        assert drained + carried == 3000 + 2 * 3
        assert drained >= 1000
        assert [line.status.state for line in lines if line.status][-1] == "offline"
        assert farewells(log, "gone") == list(range(8))
        assert not farewells(log, "stays")
        assert not await has_session(mqtt, "qala-bridge-gone")
        assert "qala-bridge-gone" not in await claims(mqtt)
        await stays.until_subscribed("ordinary")
        for seq in range(3000, 3100):
            sender.send("adopt", "ionizer", "d-1", air(seq))

        async def all_by_the_other() -> float:
            return stays.figure("messages_total")

        await eventually(all_by_the_other, lambda number: number == carried + 100)
        # ... and nothing is left to wait for a bridge of another test
        sender.publish("qala/v1/adopt/ionizer/d-1/status", b"", retain=True)
        await sender.all_acknowledged()


async def test_a_living_bridge_is_not_adopted(mqtt, log_servers, kafka) -> None:
    async with bridging(mqtt, log_servers, id="alive") as bridge:
        with pytest.raises(AdoptionError, match="bridge 'alive' lives"):
            await Adoption(mqtt, log_servers, id="alive").drained()
        # neither is one that Kafka holds back: it lives all the same
        kafka.pause()
        try:
            with pytest.raises(AdoptionError, match="bridge 'alive' lives"):
                await Adoption(mqtt, log_servers, id="alive").drained()
        finally:
            kafka.resume()
        assert bridge.figure("connections_total") == 1


async def test_where_no_session_is_nothing_is_adopted_and_nothing_left_behind(
    mqtt, log_servers
) -> None:
    with pytest.raises(AdoptionError, match="has no session of bridge 'never'"):
        await Adoption(mqtt, log_servers, id="never").drained()
    assert not await has_session(mqtt, "qala-bridge-never")
    assert "qala-bridge-never" not in await claims(mqtt)


@asynccontextmanager
async def held(
    mqtt: MqttConnection, log: KafkaConnection, kafka: RunningServer, bridge: str
) -> AsyncIterator[Adoption]:
    """An adoption that has taken messages and can't bring them into Kafka, which stands still."""
    # few enough for one open envelope, which is sealed half a second after the first message
    adoption = Adoption(mqtt, log, id=bridge, linger_ms=5000, drain_s=0.5)
    await eventually(adoption.messages)
    kafka.pause()
    try:
        yield adoption
    finally:
        kafka.resume()
        adoption.task.cancel()
        await asyncio.gather(adoption.task, return_exceptions=True)


async def test_a_bridge_that_comes_back_while_it_is_adopted_has_the_rest(
    mqtt, log_servers, kafka
) -> None:
    async with (
        reading_log(log_servers) as log,
        device(mqtt) as sender,
        gone(mqtt, log_servers, "back"),
    ):
        for seq in range(300):
            sender.send("back", "ionizer", "d-1", air(seq))
        await sender.all_acknowledged()
        async with held(mqtt, log_servers, kafka, "back") as adoption:
            # what a bridge does at the broker when it starts
            await Claim(mqtt, "qala-bridge-back", "newer").assert_ours()
            options = MqttOptions(
                client_id="qala-bridge-back", clean_start=False, session_expiry_s=3600
            )
            link = await connect_mqtt(mqtt, options)
            assert link.session_present
            kafka.resume()
            with pytest.raises(AdoptionError, match="bridge 'back' has come back"):
                await adoption.drained()
            assert not link.closed.done()
            await link.disconnect()
        async with bridging(mqtt, log_servers, id="back") as bridge:

            async def seqs() -> set[int]:
                await log.read()
                return {line.reading.seq for line in log.lines("back")}

            await eventually(seqs, lambda found: found == set(range(300)))
            sender.send("back", "ionizer", "d-1", air(300))
            await eventually(seqs, lambda found: 300 in found)
            assert bridge.figure("accepted_total", what="reading") == 301


async def test_an_adoption_that_is_stopped_leaves_the_rest_to_the_next(
    mqtt, log_servers, kafka
) -> None:
    async with (
        reading_log(log_servers) as log,
        device(mqtt) as sender,
        gone(mqtt, log_servers, "twice"),
    ):
        for seq in range(300):
            sender.send("twice", "ionizer", "d-1", air(seq))
        await sender.all_acknowledged()
        async with held(mqtt, log_servers, kafka, "twice") as adoption:
            adoption.stop.set()
            with pytest.raises(AdoptionError, match="stopped; messages drained") as told:
                await adoption.drained()
        # on a busy machine some are in Kafka before it stands still
        before = int(str(told.value).split("messages drained: ")[1].split(".")[0])
        assert before < 300
        assert await Adoption(mqtt, log_servers, id="twice").drained() == 300 - before
        lines = await log.lines_of("twice", 300)
    assert {line.reading.seq for line in lines} == set(range(300))


async def test_a_bridge_notes_an_absent_one_and_is_ready_all_the_same(mqtt, log_servers) -> None:
    async with bridging(mqtt, log_servers, id="watches") as bridge:

        async def noted() -> str | None:
            assert bridge.readiness.ready
            return bridge.readiness.notes.get("bridge missed")

        async with gone(mqtt, log_servers, "missed"):
            note = await eventually(noted, timeout_s=40)
            assert note is not None
            assert "qala bridge --adopt missed" in note
            assert "while its claim stands, this bridge shares" in note
            await bridge.until_subscribed("shared")
            async with bridging(mqtt, log_servers, id="missed", leave_on_stop=True):
                await eventually(noted, lambda note: note is None, timeout_s=40)
        assert await noted() is None
