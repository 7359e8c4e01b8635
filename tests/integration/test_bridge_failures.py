"""The bridge while Kafka or Mosquitto is away, when it is stopped, and when it is killed."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Callable

import msgspec
import pytest

from ingest import BridgeSettings
from ingest.metrics import BridgeCounts
from ingest.producer import open_writer
from schemas.clock import RealClock
from schemas.topics import TELEMETRY, partition_of
from tests.support.bridges import KEY, Bridge, air, bridging, device, forget_session, reading_log
from tests.support.folds import NO_RULES, partition
from tests.support.servers import RunningServer
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

A_BRIDGE = """
import asyncio, sys
from prometheus_client import CollectorRegistry
from ingest import BridgeSettings, run_bridge
from schemas.clock import RealClock
from schemas.readiness import Readiness
from tests.support.bridges import KEY
from schemas.connections import KafkaConnection, MqttConnection

asyncio.run(run_bridge(
    BridgeSettings(id=sys.argv[1], linger_ms=200),
    mqtt=MqttConnection(url=sys.argv[2]), kafka=KafkaConnection(bootstrap=sys.argv[3]),
    clock=RealClock(), key=KEY, readiness=Readiness(), registry=CollectorRegistry(),
    stop=asyncio.Event(),
))
"""


async def test_kafka_away_means_no_puback_and_then_no_loss(
    mqtt, log_servers, kafka: RunningServer
) -> None:
    async with (
        bridging(mqtt, log_servers, id="away", receive_max=50) as bridge,
        device(mqtt) as sender,
    ):
        await kafka.stop()
        try:
            for seq in range(300):
                sender.send("away", "ionizer", "d-1", air(seq))
            await sender.all_acknowledged()

            async def held() -> tuple[bool, float, float]:
                waiting = "kafka" in bridge.readiness.reasons
                return waiting, bridge.figure("messages_total"), bridge.figure("outstanding")

            # the broker holds the others back: none of the first 50 was acknowledged
            await eventually(held, lambda found: found == (True, 50, 50))
        finally:
            await kafka.start()
        async with reading_log(log_servers) as log:
            await log._consumer.seek_to_beginning()
            lines = await log.lines_of("away", 300, timeout_s=60)

        async def working() -> bool:
            return bridge.readiness.ready

        await eventually(working)
    assert {line.reading.seq for line in lines} == set(range(300))


BACKLOG_BYTES = 1_000_000
LARGE = b" " * 100_000 + msgspec.json.encode({"type": "air", "boot": 1, "seq": 0, "ts": 1})
RUBBISH = msgspec.json.encode([0] * 1000)
"""Each element becomes a dead letter. Three of these are taken in together: 4 KiB, and the last."""


@pytest.mark.parametrize("payload,becomes_bytes", [(LARGE, 102_000), (RUBBISH, 3 * 1_500_000)])
async def test_memory_is_bounded_by_the_backlog_and_what_comes_together(
    mqtt, log_servers, kafka: RunningServer, payload, becomes_bytes
) -> None:
    number = 40
    async with (
        bridging(mqtt, log_servers, id="bound", backlog_bytes=BACKLOG_BYTES) as bridge,
        device(mqtt) as sender,
    ):
        seen: list[tuple[float, float]] = []

        async def held_back() -> bool:
            seen.append((bridge.figure("messages_total"), bridge.figure("backlog_bytes")))
            # the same over 3 s, and so over two beats: the socket is not read any more
            return len(seen) > 60 and seen[-1] == seen[-60] and seen[-1][0] > 0

        async def done() -> tuple[float, bool]:
            return bridge.figure("messages_total"), bridge.figure("outstanding") == 0

        kafka.pause()
        try:
            for _ in range(number):
                sender.send("bound", "ionizer", "d-1", payload)
            await sender.all_acknowledged()
            await eventually(held_back, timeout_s=40)
        finally:
            kafka.resume()
        most = max(size for _, size in seen)
        assert BACKLOG_BYTES < most <= BACKLOG_BYTES + becomes_bytes
        assert seen[-1][0] < number
        await eventually(done, lambda found: found == (number, True), timeout_s=90)
        assert bridge.figure("received_total") == number * (1000 if payload is RUBBISH else 1)
        assert bridge.figure("connections_total") == 1


async def test_a_broker_that_sends_more_than_it_may_of_what_waited_is_held_back(
    mqtt, log_servers
) -> None:
    settings = {"id": "more", "receive_max": 100, "connect_timeout_s": 0.5}
    number = 1000
    bridge = Bridge(mqtt, log_servers, **settings)
    await bridge.until_connected()
    await bridge.ended()
    async with device(mqtt) as sender:
        for seq in range(number):
            sender.send("more", "ionizer", "d-1", air(seq))
        await sender.all_acknowledged()
    async with reading_log(log_servers) as log:
        # Mosquitto 2.0.11 sends all of it after the first PUBACK; 4 KiB are taken in together
        bridge = Bridge(mqtt, log_servers, **settings, linger_ms=100)
        most = await _most_outstanding(bridge, lambda: bridge.figure("messages_total") > 300)
        assert 100 < most <= 100 + 4096 / 100
        bridge.task.cancel()
        await asyncio.gather(bridge.task, return_exceptions=True)
        # all that it had sent comes again, before the answer to the subscription: for 5 s or more
        async with bridging(mqtt, log_servers, **settings, linger_ms=1000) as bridge:

            async def seqs() -> set[int]:
                await log.read()
                return {line.reading.seq for line in log.lines("more")}

            await eventually(seqs, lambda found: found == set(range(number)), timeout_s=60)
            assert bridge.figure("connections_total") == 1
            assert bridge.figure("messages_total") < number


async def _most_outstanding(bridge: Bridge, done: Callable[[], bool]) -> float:
    most = 0.0
    async with asyncio.timeout(30):
        while not done():
            most = max(most, bridge.figure("outstanding"))
            await asyncio.sleep(0.001)
    return most


async def test_a_lasting_failure_of_kafka_makes_the_bridge_begin_anew_without_loss(
    mqtt, log_servers, kafka: RunningServer
) -> None:
    async with (
        bridging(mqtt, log_servers, id="anew", kafka_give_up_s=1.5) as bridge,
        device(mqtt) as sender,
        reading_log(log_servers) as log,
    ):
        kafka.pause()
        try:
            for seq in range(100):
                sender.send("anew", "ionizer", "d-1", air(seq))

            async def failed() -> float:
                return bridge.figure("kafka_failures_total")

            await eventually(failed)
        finally:
            kafka.resume()
        await bridge.until_connected(2)

        async def seqs() -> set[int]:
            await log.read()
            return {line.reading.seq for line in log.lines("anew")}

        await eventually(seqs, lambda found: found == set(range(100)), timeout_s=40)


async def test_a_writer_closed_while_kafka_answers_nothing_leaves_nothing_behind(
    log_servers, kafka: RunningServer
) -> None:
    before = asyncio.all_tasks()
    heard: list[bool] = []
    writer = await open_writer(
        log_servers,
        settings=BridgeSettings(backlog_bytes=1_000_000),
        clock=RealClock(),
        turned=lambda: heard.append(writer.backlog.full),
        counts=BridgeCounts(),
        key=KEY,
    )
    kafka.pause()
    try:
        for number in range(200):
            writer.put_letter(number % 8, bytes(100_000), [], None)
        assert heard == [True]

        async def queued() -> bool:
            return bool(writer._producer._sender._in_flight)

        await eventually(queued)
        async with asyncio.timeout(10):
            await writer.close()
        assert asyncio.all_tasks() <= before
    finally:
        kafka.resume()
    assert heard == [True]


async def test_mosquitto_restarted_loses_nothing_and_nothing_counts_twice(
    mqtt, log_servers, broker
) -> None:
    async with (
        reading_log(log_servers) as log,
        bridging(mqtt, log_servers, id="back", reconnect_max_s=0.5, linger_ms=2000) as bridge,
    ):

        async def seqs() -> int:
            await log.read()
            return len({line.reading.seq for line in log.lines("back")})

        async def left() -> tuple[float, float, float]:
            await log.read()
            unwritten = bridge.figure("messages_total") - len(log.lines("back"))
            return bridge.figure("last_tick_seconds"), bridge.figure("outstanding"), unwritten

        number = 0
        for restarts in range(1, 4):
            async with device(mqtt) as sender:
                for _ in range(500):
                    sender.send("back", "ionizer", "d-1", air(number))
                    number += 1
                await sender.all_acknowledged()
            # in flight: they wait unacknowledged in an open envelope
            await broker.restart()
            await bridge.until_connected(1 + restarts)
            await eventually(seqs, lambda found, number=number: found == number, timeout_s=60)
            # what was delivered again is acknowledged, some beats later than it can have come
            later_s = bridge.figure("last_tick_seconds") + 3
            await eventually(left, lambda found, s=later_s: found[0] > s and found[1:] == (0, 0))
        async with device(mqtt) as sender:  # it is still subscribed
            sender.send("back", "ionizer", "d-1", air(number))
            number += 1
            await log.lines_of("back", len(log.lines("back")) + 1)
        lines = log.lines("back")
        # each message that came is one line; a reading that was delivered again is there twice
        assert len(lines) == bridge.figure("messages_total") == bridge.figure("received_total")
        assert bridge.figure("accepted_total", what="reading") == len(lines)
    times = Counter(line.reading.seq for line in lines)
    assert times.keys() == set(range(number))
    assert set(times.values()) == {1, 2}
    # ... and counts once
    worker = partition(NO_RULES)
    for record in log.records[TELEMETRY]:
        if record.partition == partition_of("back", 8):
            worker.fold(worker.last + 1, record.timestamp, record.value, record.headers)
    counts = worker.counts
    assert (counts.accepted, counts.duplicates) == (number, len(lines) - number)
    assert counts.lines == len(lines)


async def test_a_stopped_bridge_drains_and_loses_nothing(mqtt, log_servers) -> None:
    async with (
        reading_log(log_servers) as log,
        device(mqtt) as sender,
        bridging(mqtt, log_servers, id="drain", linger_ms=5000) as bridge,
    ):
        for seq in range(100):
            sender.send("drain", "ionizer", "d-1", air(seq))

        async def received() -> bool:
            return bridge.figure("messages_total") == 100

        await eventually(received)
        bridge.stop.set()
        await bridge.task
        lines = await log.lines_of("drain", 100)
        assert [line.reading.seq for line in lines] == list(range(100))
        # all was acknowledged: the session kept for this id has nothing to send again
        async with bridging(mqtt, log_servers, id="drain") as again:
            sender.send("drain", "ionizer", "d-1", air(100))
            await log.lines_of("drain", 101)
            assert again.figure("messages_total") == 1


async def test_a_session_kept_over_a_stop_brings_what_came_meanwhile(mqtt, log_servers) -> None:
    async with (
        reading_log(log_servers) as log,
        device(mqtt) as sender,
        bridging(mqtt, log_servers, id="kept") as first,
    ):
        await first.ended()
        for seq in range(50):
            sender.send("kept", "ionizer", "d-1", air(seq))
        await sender.all_acknowledged()
        async with bridging(mqtt, log_servers, id="kept"):
            lines = await log.lines_of("kept", 50)
    assert [line.reading.seq for line in lines] == list(range(50))


async def test_a_bridge_that_leaves_for_good_takes_no_share_any_more(mqtt, log_servers) -> None:
    async with (
        reading_log(log_servers) as log,
        device(mqtt) as sender,
        bridging(mqtt, log_servers, id="stays"),
        bridging(mqtt, log_servers, id="leaves", leave_on_stop=True) as leaving,
    ):
        leaving.stop.set()
        seq = 0
        while not leaving.task.done():
            sender.send("leave", "ionizer", "d-1", air(seq))
            seq += 1
            await asyncio.sleep(0.01)
        for _ in range(20):
            sender.send("leave", "ionizer", "d-1", air(seq))
            seq += 1
        lines = await log.lines_of("leave", seq)
    assert {line.reading.seq for line in lines} == set(range(seq))


@pytest.mark.timeout(180)
async def test_a_bridge_killed_with_thousands_in_flight_loses_nothing(mqtt, log_servers) -> None:
    async def start() -> asyncio.subprocess.Process:
        url = mqtt.url.get_secret_value()
        return await asyncio.create_subprocess_exec(
            sys.executable, "-c", A_BRIDGE, "killed", url, log_servers.bootstrap
        )

    async with reading_log(log_servers) as log, device(mqtt) as sender:

        async def seqs() -> set[int]:
            await log.read()
            return {line.reading.seq for line in log.lines("killed") if line.reading}

        process = await start()
        try:
            seq = 0

            async def carries() -> set[int]:
                nonlocal seq
                sender.send("killed", "ionizer", "d-1", air(seq))
                seq += 1
                return await seqs()

            await eventually(carries)
            for _ in range(3):
                for _ in range(4000):
                    sender.send("killed", "ionizer", "d-1", air(seq))
                    seq += 1
                # some are in flight: received, and still lingering in an open envelope
                process.kill()
                await process.wait()
                process = await start()
            # what came before the first subscription went nowhere; all since must be there
            first = min(await seqs())
            await eventually(seqs, lambda found: found >= set(range(first, seq)), timeout_s=40)
        finally:
            process.kill()
            await process.wait()
            await forget_session(mqtt, "qala-bridge-killed")
