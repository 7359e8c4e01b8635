"""A bridge that is alone, and the broker that restarts; another that joins it and leaves."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from ingest import MqttOptions, connect_mqtt
from ingest import subscriptions as subscriptions_module
from ingest.subscriptions import ORDINARY_FILTER, SHARED_FILTER
from schemas.connections import MqttConnection
from tests.support.bridges import (
    Adoption,
    Bridge,
    Log,
    air,
    bridging,
    device,
    forget_session,
    reading_log,
)
from tests.support.choosy_mosquitto import Choosy
from tests.support.servers import RunningServer
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def broker(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Choosy]:
    """This module's Mosquitto, which can refuse a subscription."""
    running = Choosy(tmp_path_factory.mktemp("choosy"))
    await running.start()
    yield running
    await running.stop()


def seqs(log: Log, site: str) -> Counter[int]:
    return Counter(line.reading.seq for line in log.lines(site) if line.reading)


async def until_all(log: Log, site: str, number: int, *, first: int | None = 0) -> Counter[int]:
    """How often each reading from ``first`` to ``number`` came, once all are there.

    With None for ``first`` it is the least that came.
    """

    async def ask() -> Counter[int]:
        await log.read()
        return seqs(log, site)

    def whole(found: Counter[int]) -> bool:
        least = min(found, default=number) if first is None else first
        return bool(found) and found.keys() == set(range(least, number))

    return await eventually(ask, whole, timeout_s=40)


class Publisher:
    """A plain client that keeps the reason code of each PUBACK."""

    def __init__(self, mqtt: MqttConnection) -> None:
        self._mqtt = mqtt
        self.codes: list[int] = []

    async def publish(self, site: str, numbers: range) -> None:
        """On a connection of its own, with QoS 1; done when the broker has acknowledged all."""
        due = len(self.codes) + len(numbers)

        async def acknowledged() -> int:
            return len(self.codes)

        async with device(self._mqtt, "publisher") as sender:
            sender.link._on_puback = lambda _, code: self.codes.append(code)
            for seq in numbers:
                sender.send(site, "ionizer", "d-1", air(seq))
            await eventually(acknowledged, lambda number: number == due)


async def test_what_comes_between_the_return_of_the_broker_and_that_of_a_lone_bridge_is_kept(
    mqtt, log_servers, broker: RunningServer
) -> None:
    publisher = Publisher(mqtt)
    async with reading_log(log_servers) as log, bridging(mqtt, log_servers, id="lone") as first:
        await first.until_subscribed("ordinary")
        await publisher.publish("lone", range(50))
        await first.ended()
        await publisher.publish("lone", range(50, 100))
        await broker.restart()  # by SIGTERM
        await publisher.publish("lone", range(100, 150))
        async with bridging(mqtt, log_servers, id="lone") as second:
            found = await until_all(log, "lone", 150)
            await second.until_subscribed("ordinary")
            # the same process, which the broker leaves
            for number in (200, 250):
                await broker.stop()
                await second.until_subscribed()
                await broker.start()
                await publisher.publish("lone", range(number - 50, number))
                found = await until_all(log, "lone", number)
    assert publisher.codes == [0] * 250
    # what the broker stopped before it had read the PUBACK of comes again
    assert set(found.values()) <= {1, 2}


@asynccontextmanager
async def streaming(mqtt: MqttConnection, site: str) -> AsyncIterator[list[int]]:
    """Some hundred readings a second while this lasts; the list holds the next one's number."""
    number = [0]

    async def send() -> None:
        while True:
            for _ in range(4):
                sender.send(site, "ionizer", "d-1", air(number[0]))
                number[0] += 1
            await asyncio.sleep(0.01)

    async with device(mqtt, "streaming") as sender:
        task = asyncio.create_task(send())
        try:
            yield number
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await sender.all_acknowledged()


async def settled_messages(mqtt: MqttConnection, log: Log, site: str, *bridges: Bridge) -> None:
    """Each of 200 further messages comes to one bridge."""

    async def carried() -> float:
        await log.read()
        return sum(bridge.figure("messages_total") for bridge in bridges)

    async def at_rest() -> bool:
        seen = await carried()
        await asyncio.sleep(0.6)  # longer than a linger
        return await carried() == seen

    await eventually(at_rest)
    before = await carried()
    await Publisher(mqtt).publish(site, range(200))
    found = await until_all(log, site, 200)
    assert set(found.values()) == {1}
    assert await carried() == before + 200


async def test_a_second_bridge_joins_and_leaves_under_load_and_nothing_is_missed(
    mqtt, log_servers
) -> None:
    async with reading_log(log_servers) as log, bridging(mqtt, log_servers, id="stays") as stays:
        await stays.until_subscribed("ordinary")
        async with streaming(mqtt, "joins") as number:
            await asyncio.sleep(0.3)
            for _ in range(3):
                async with bridging(mqtt, log_servers, id="comes", leave_on_stop=True) as comes:
                    for bridge in (stays, comes):
                        await bridge.until_subscribed("shared")
                    had = comes.figure("messages_total")

                    async def has_a_share(comes=comes, had=had) -> bool:
                        return comes.figure("messages_total") > had + 50

                    await eventually(has_a_share)
                    await comes.ended()
                await stays.until_subscribed("ordinary")
        found = await until_all(log, "joins", number[0])
        assert max(found.values()) <= 1 + 6  # the moments of going over
        assert sum(found.values()) < 2 * number[0]
        await settled_messages(mqtt, log, "lone-again", stays)
        async with bridging(mqtt, log_servers, id="comes", leave_on_stop=True) as comes:
            for bridge in (stays, comes):
                await bridge.until_subscribed("shared")
            await settled_messages(mqtt, log, "both", stays, comes)


async def test_two_bridges_that_start_at_once_both_share_soon(mqtt, log_servers) -> None:
    async with reading_log(log_servers) as log:
        pair = [Bridge(mqtt, log_servers, id=name, leave_on_stop=True) for name in ("a", "b")]
        try:
            async with streaming(mqtt, "at-once") as number:
                for bridge in pair:
                    await bridge.until_connected()
                    await bridge.until_subscribed("shared")
                await log.lines_of("at-once", 1)
            # what came before the first subscription went nowhere; all since must be there
            await until_all(log, "at-once", number[0], first=None)
            await settled_messages(mqtt, log, "at-rest", *pair)
        finally:
            for bridge in pair:
                if not bridge.task.done():
                    await bridge.ended()
            for name in ("a", "b"):
                await forget_session(mqtt, f"qala-bridge-{name}")


async def test_an_absent_bridge_still_counts_and_an_adopted_one_does_not(
    mqtt, log_servers, broker: RunningServer
) -> None:
    async with reading_log(log_servers) as log, bridging(mqtt, log_servers, id="gone") as gone:
        await gone.until_subscribed("ordinary")
        gone.task.cancel()
        await asyncio.gather(gone.task, return_exceptions=True)
        # nobody is there, and the broker restarts: the session of a lone bridge has it all
        await broker.restart()
        publisher = Publisher(mqtt)
        await publisher.publish("adopted", range(300))
        assert publisher.codes == [0] * 300
        async with bridging(mqtt, log_servers, id="heir") as heir:
            await heir.until_subscribed("shared")
            async with streaming(mqtt, "meanwhile") as number, asyncio.timeout(40):
                drained = await Adoption(mqtt, log_servers, id="gone").task
            # both had what came until the adopted one was unsubscribed
            assert 300 < drained < 300 + number[0]
            await until_all(log, "adopted", 300)
            await until_all(log, "meanwhile", number[0])
            await heir.until_subscribed("ordinary")
            link = await connect_mqtt(
                mqtt, MqttOptions(client_id="qala-bridge-gone", clean_start=False)
            )
            assert not link.session_present
            await link.disconnect(end_session=True)
            await settled_messages(mqtt, log, "inherited", heir)


async def test_a_bridge_that_was_alone_and_leaves_for_good_ends_what_it_holds(
    mqtt, log_servers
) -> None:
    async with reading_log(log_servers) as log, bridging(mqtt, log_servers, id="leaves") as other:
        await other.until_subscribed("ordinary")
        await other.ended()
        async with bridging(mqtt, log_servers, id="leaves", leave_on_stop=True) as bridge:
            await bridge.until_subscribed("ordinary")
            async with streaming(mqtt, "leaves") as number:
                await log.lines_of("leaves", 1)
                await bridge.ended()

        async def read_to_the_end() -> bool:
            before = len(log.lines("leaves"))
            await log.read()
            return len(log.lines("leaves")) == before

        await eventually(read_to_the_end)
        # all up to the moment of leaving, and nothing since
        found = seqs(log, "leaves")
        assert found.keys() == set(range(len(found)))
        assert len(found) < number[0]
        publisher = Publisher(mqtt)
        await publisher.publish("left", range(1))
        assert publisher.codes == [16]
        async with bridging(mqtt, log_servers, id="leaves") as again:
            await again.until_subscribed("ordinary")
            assert again.figure("messages_total") == 0


async def noted(bridge: Bridge, text: str) -> None:
    """Until the note of its subscriptions has ``text``, or where that is empty is gone."""

    async def note() -> str:
        assert bridge.readiness.ready
        return bridge.readiness.notes.get("subscription", "")

    await eventually(note, lambda found: text in found if text else not found)


async def test_where_the_ordinary_one_is_refused_it_shares_says_what_that_costs_and_asks_again(
    mqtt, log_servers, broker: Choosy, monkeypatch
) -> None:
    monkeypatch.setattr(subscriptions_module, "RETRY_S", 1.0)
    async with (
        broker.refusing(ORDINARY_FILTER) as allow,
        reading_log(log_servers) as log,
        bridging(mqtt, log_servers, id="refused") as bridge,
    ):
        await noted(bridge, "a restart of the broker loses")
        await bridge.until_subscribed("shared")
        await settled_messages(mqtt, log, "refused", bridge)
        await allow()
        await bridge.until_subscribed("ordinary")
        await noted(bridge, "")
        assert bridge.figure("connections_total") == 1
        await settled_messages(mqtt, log, "allowed", bridge)


async def test_where_the_share_is_refused_both_take_everything_and_say_so_until_one_has_left(
    mqtt, log_servers, broker: Choosy
) -> None:
    async with (
        broker.refusing(SHARED_FILTER),
        reading_log(log_servers) as log,
        bridging(mqtt, log_servers, id="one") as one,
    ):
        async with bridging(mqtt, log_servers, id="two", leave_on_stop=True) as two:
            for bridge in (one, two):
                await noted(bridge, "each message is taken twice, and each rejected one makes two")
                await bridge.until_subscribed("ordinary")
            await Publisher(mqtt).publish("twice", range(50))
            async with device(mqtt) as sender:
                sender.send("twice", "ionizer", "d-1", b"no JSON")
            await log.lines_of("twice", 100)
            assert set(seqs(log, "twice").values()) == {2}
            for bridge in ("one", "two"):
                assert len(await log.letters_of(bridge, 1)) == 1
        # still refused, and of no matter
        await noted(one, "")
        await one.until_subscribed("ordinary")


async def test_where_both_are_refused_the_bridge_waits_and_says_why(
    mqtt, log_servers, broker: Choosy
) -> None:
    async with broker.refusing(SHARED_FILTER, ORDINARY_FILTER) as allow:
        bridge = Bridge(mqtt, log_servers, id="neither")
        try:

            async def why() -> str:
                return bridge.readiness.reasons.get("mqtt", "")

            await eventually(why, lambda found: "refused the subscription to" in found)
            # nothing comes: that is no matter of what comes twice
            assert "subscription" not in bridge.readiness.notes
            await bridge.until_subscribed()
            await allow()
            await bridge.until_connected()
            await bridge.until_subscribed("ordinary")
        finally:
            bridge.stop.set()
            await asyncio.wait_for(bridge.task, 20)
            await forget_session(mqtt, "qala-bridge-neither")


async def test_going_over_waits_while_kafka_holds_the_bridge_back(
    mqtt, log_servers, broker: Choosy, kafka: RunningServer
) -> None:
    settings = {"backlog_bytes": 1_000_000, "connect_timeout_s": 0.5}
    async with (
        reading_log(log_servers) as log,
        bridging(mqtt, log_servers, id="held", **settings) as bridge,
        device(mqtt) as sender,
    ):
        await bridge.until_subscribed("ordinary")
        kafka.pause()
        try:
            for _ in range(40):
                sender.send("held", "ionizer", "d-1", b"1" * 100_000)

            async def full() -> bool:
                return bridge.figure("backlog_bytes") > 1_000_000

            await eventually(full)
            await claim(mqtt, "qala-bridge-other", b"token")

            async def asked() -> int:
                return broker.asked_for("qala-bridge-held", SHARED_FILTER)

            await eventually(asked, lambda times: times == 1)
            await asyncio.sleep(2)  # four times as long as an answer may take where it is read
            assert await asked() == 1
            assert bridge.figure("subscribed", how="ordinary") == 1
        finally:
            kafka.resume()
        await bridge.until_subscribed("shared")
        assert bridge.figure("connections_total") == 1
        await claim(mqtt, "qala-bridge-other", b"")
        await bridge.until_subscribed("ordinary")
        await log.letters_of("held", 40)


async def claim(mqtt: MqttConnection, client_id: str, token: bytes) -> None:
    """What a bridge of that id writes when it starts, or leaves for good."""
    async with device(mqtt, "claims") as sender:
        sender.publish(f"qala/bridge/{client_id}", token, retain=True)
        await sender.all_acknowledged()
