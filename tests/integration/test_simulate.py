"""The simulator on a real broker: what it sends, and what its ledger says of that."""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from operator import itemgetter

import mqtt5
import pytest
from prometheus_client import CollectorRegistry

from infra.ledger import Ledger
from ingest.mqtt import connect_mqtt
from ingest.mqtt_options import MqttOptions
from schemas.clock import RealClock, SimulatedClock
from schemas.connections import MqttConnection
from schemas.readiness import Readiness
from tests.support.servers import RunningServer
from tests.support.simulated import ALL_FAULTS, run_simulator
from tests.support.waiting import eventually

# the loop of the session's servers, one of which is restarted here
pytestmark = pytest.mark.asyncio(loop_scope="session")


@asynccontextmanager
async def listening(mqtt: MqttConnection) -> AsyncIterator[list[mqtt5.PublishPacket]]:
    """Everything that comes under ``qala/v1`` while the block runs."""
    heard: list[mqtt5.PublishPacket] = []

    def take(packets: Sequence[mqtt5.PublishPacket]) -> None:
        heard.extend(packets)
        link.ack([packet.packet_id for packet in packets if packet.packet_id])

    link = await connect_mqtt(mqtt, MqttOptions(client_id="test-listener"), on_publish=take)
    await link.subscribe(["qala/v1/#"])
    yield heard
    assert not link.closed.done(), link.closed.result()
    await link.disconnect()


def waiting_for(ask: Callable[[], object]) -> asyncio.Task[object]:
    """A task that ends when ``ask`` is true."""

    async def answer() -> object:
        return ask()

    return asyncio.create_task(eventually(answer))


async def test_the_ledger_holds_exactly_what_a_subscriber_received(mqtt_connection, tmp_path):
    path, start_ms = tmp_path / "ledger.ndjson.gz", RealClock().now_us() // 1000

    def is_live(packet: mqtt5.PublishPacket) -> bool:
        # statuses that the broker keeps of former runs come first
        return not packet.retain or json.loads(packet.payload)["ts"] >= start_ms

    async with listening(mqtt_connection) as heard:
        summary = await run_simulator(
            mqtt_connection, path, count=3000, rate=0, faults=ALL_FAULTS, devices=40, sites=8
        )
        await waiting_for(lambda: sum(is_live(one) for one in heard) >= summary.messages)
    entries = list(Ledger(path).entries())
    live = [one for one in heard if is_live(one)]
    assert Counter((entry.topic, entry.payload) for entry in entries) == Counter(
        (one.topic, one.payload) for one in live
    )
    by_topic = defaultdict(list)
    for one in live:
        by_topic[one.topic].append(one.payload)
    for topic, payloads in by_topic.items():
        assert payloads == [entry.payload for entry in entries if entry.topic == topic]
    assert summary.ok
    assert summary.readings == 3000
    assert summary.acknowledged == len(entries)
    assert Ledger(path).header.settings["devices"] == 40


async def test_devices_say_that_they_are_online_and_at_the_end_offline_where_asked(mqtt_connection):
    await run_simulator(mqtt_connection, count=1, devices=8, offline_at_stop=True, seed=5)
    async with listening(mqtt_connection) as heard:
        await waiting_for(lambda: len(heard) >= 8)
    states = {one.topic: json.loads(one.payload) for one in heard}
    mine = states["qala/v1/school-59/camera/cam-01/status"]
    assert (mine["state"], mine["firmware"]) == ("offline", "simulated")
    await run_simulator(mqtt_connection, count=1, devices=8, seed=5)
    async with listening(mqtt_connection) as heard:
        await waiting_for(lambda: len(heard) >= 8)
    assert {json.loads(one.payload)["state"] for one in heard if "/cam-01/" in one.topic} == {
        "online"
    }


async def test_the_rate_and_the_length_of_a_run_give_its_number_of_readings(
    mqtt_connection, tmp_path
):
    summary = await run_simulator(mqtt_connection, tmp_path / "l", rate=500, seconds=1.5, batch=7)
    assert summary.readings == 750
    assert summary.seconds == pytest.approx(1.5, abs=1.0)
    times = [r["ts"] for e in Ledger(tmp_path / "l").entries() for r in e.accepted()]
    assert max(times) - min(times) == 1498


async def test_event_times_run_with_a_simulated_clock(mqtt_connection, tmp_path):
    now_us = RealClock().now_us()
    clock = SimulatedClock(now_us, 60.0, now_us)
    summary = await run_simulator(mqtt_connection, tmp_path / "l", clock=clock, rate=200, seconds=1)
    times = [r["ts"] for e in Ledger(tmp_path / "l").entries() for r in e.accepted()]
    assert len(times) == summary.readings == 200
    assert max(times) - min(times) == 199 * 300
    assert Ledger(tmp_path / "l").header.clock == str(clock)


async def test_a_city_at_its_own_pace_sends_what_has_happened_by_its_clock(
    mqtt_connection, tmp_path
):
    now_us = RealClock().now_us()
    clock = SimulatedClock(now_us, 600.0, now_us)
    summary = await run_simulator(mqtt_connection, tmp_path / "l", clock=clock, seconds=2)
    assert summary.ok
    entries = list(Ledger(tmp_path / "l").entries())
    assert sum(entry.readings for entry in entries) == summary.readings > 500
    for entry in entries:
        for reading in entry.accepted():
            assert entry.meant == "wrong_clock" or now_us // 1000 < reading["ts"] <= entry.at


async def test_a_city_at_its_own_pace_ends_after_as_many_readings_as_asked_for(mqtt_connection):
    now_us = RealClock().now_us()
    clock = SimulatedClock(now_us, 600.0, now_us)
    summary = await run_simulator(mqtt_connection, clock=clock, count=321)
    assert summary.readings == summary.acknowledged_readings == 321


async def test_a_stop_ends_an_endless_run_with_everything_acknowledged(mqtt_connection, tmp_path):
    stop = asyncio.Event()
    run = asyncio.create_task(
        run_simulator(mqtt_connection, tmp_path / "l", rate=2000, faults="late=20%", stop=stop)
    )
    await waiting_for(
        lambda: (tmp_path / "l").exists() and (tmp_path / "l").stat().st_size > 50_000
    )
    stop.set()
    summary = await run
    ledger = Ledger(tmp_path / "l")
    assert sum(entry.readings for entry in ledger.entries()) == summary.readings
    assert ledger.footer is not None


async def test_what_nobody_had_subscribed_to_is_sent_again_until_somebody_has(
    mqtt_connection, tmp_path
):
    path = tmp_path / "ledger.ndjson"
    run = asyncio.create_task(
        run_simulator(mqtt_connection, path, count=500, rate=0, seed=7, until_heard=True)
    )
    await waiting_for(path.exists)
    async with listening(mqtt_connection) as heard:
        summary = await run
        await waiting_for(lambda: len([one for one in heard if not one.retain]) >= 500)
    told = [(one.topic, one.payload) for one in heard if b'"seq"' in one.payload]
    entries = [entry for entry in Ledger(path).entries() if entry.meant == "valid"]
    # the simulator's connections take turns: the order is that of each device
    by_topic = itemgetter(0)
    sent = [(entry.topic, entry.payload) for entry in entries]
    assert sorted(sent, key=by_topic) == sorted(told, key=by_topic)
    assert (summary.acknowledged_readings, summary.unacknowledged) == (500, 0)
    assert 0 < summary.unheard <= summary.messages
    assert all(entry.times == 1 for entry in entries)


async def test_a_broker_that_is_killed_in_the_middle_costs_no_reading(
    mosquitto: RunningServer, mqtt_connection, tmp_path
):
    path, readiness, reasons = tmp_path / "l", Readiness(), set()
    registry = CollectorRegistry()
    run = asyncio.create_task(
        run_simulator(
            mqtt_connection, path, readiness=readiness, registry=registry, rate=1000, seconds=4
        )
    )
    await waiting_for(lambda: path.exists() and path.stat().st_size > 50_000)
    mosquitto.pause()
    await waiting_for(lambda: (registry.get_sample_value("qala_simulator_pending") or 0) > 50)
    await mosquitto.kill()
    await waiting_for(lambda: reasons.update(readiness.reasons) or len(reasons) == 2)
    await mosquitto.start()
    summary = await run
    assert summary.ok
    assert summary.broken_connections == 2
    assert readiness.ready
    seqs = Counter((e.topic, r["seq"]) for e in Ledger(path).entries() for r in e.accepted())
    assert len(seqs) == summary.readings == 4000
    assert any(entry.times > 1 for entry in Ledger(path).entries())
