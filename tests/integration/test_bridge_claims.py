"""Bridges that may write their claims and not read them: Mosquitto grants that, and is silent."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from infra.servers import ServerPorts, native_servers
from ingest import MqttOptions, connect_mqtt
from ingest.claim import CLAIMS
from ingest.errors import MqttError
from schemas.connections import MqttConnection
from tests.support.bridges import Adoption, Bridge, Log, air, bridging, device, reading_log
from tests.support.servers import RunningServer
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

SILENT = "topic readwrite qala/v1/#\ntopic write qala/bridge/#\n"
OPEN = "topic readwrite qala/v1/#\ntopic readwrite qala/bridge/#\n"


class Guarded(RunningServer):
    """A Mosquitto with an access list that may change while it runs."""

    def __init__(self, data: Path) -> None:
        server = native_servers(data, ServerPorts.free())[0]
        self._list = server.folder / "bridges.acl"

        async def prepare() -> None:
            await server.prepare()
            with (server.folder / "mosquitto.conf").open("a", encoding="utf-8") as config:
                config.write(f"acl_file {self._list}\n")

        super().__init__(replace(server, prepare=prepare))
        server.folder.mkdir(parents=True, exist_ok=True)

    def allow(self, rights: str) -> None:
        self._list.write_text(rights, encoding="utf-8")
        if self.running:
            self.process.send_signal(signal.SIGHUP)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def broker(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Guarded]:
    running = Guarded(tmp_path_factory.mktemp("guarded"))
    running.allow(SILENT)
    await running.start()
    yield running
    await running.stop()


async def until_noted(bridge: Bridge, *, noted: bool = True) -> None:
    async def note() -> bool:
        assert bridge.readiness.ready
        return "allow reading qala/bridge/#" in bridge.readiness.notes.get("bridges", "")

    await eventually(note, lambda found: found is noted, timeout_s=40)


async def each_comes_once(mqtt: MqttConnection, log: Log, site: str) -> None:
    async with device(mqtt) as sender:
        for seq in range(200):
            sender.send(site, "ionizer", "d-1", air(seq))
        await sender.all_acknowledged()
    await log.lines_of(site, 200)
    await asyncio.sleep(0.6)  # longer than a linger: what comes twice would be there
    await log.read()
    seqs = Counter(line.reading.seq for line in log.lines(site) if line.reading)
    assert seqs == dict.fromkeys(range(200), 1)


async def claimed(mqtt: MqttConnection, broker: Guarded) -> set[str]:
    """The claims that the broker keeps, seen by who may."""
    broker.allow(OPEN)
    found: set[str] = set()
    link = await connect_mqtt(
        mqtt,
        MqttOptions(client_id="looks"),
        on_publish=lambda packets: found.update(packet.topic for packet in packets),
    )
    await link.subscribe([f"{CLAIMS}+"], qos=0)
    await link.unsubscribe([f"{CLAIMS}+"])
    await link.disconnect()
    return {topic.removeprefix(f"{CLAIMS}qala-bridge-") for topic in found}


async def test_bridges_that_cannot_read_claims_share_and_say_what_to_allow(
    mqtt, log_servers, broker: Guarded
) -> None:
    broker.allow(SILENT)
    async with reading_log(log_servers) as log, bridging(mqtt, log_servers, id="one") as one:
        await one.until_subscribed("shared")
        async with bridging(mqtt, log_servers, id="two", leave_on_stop=True) as two:
            for bridge in (one, two):
                await until_noted(bridge)
                await bridge.until_subscribed("shared")
            assert "a restart of the broker loses" in one.readiness.notes["bridges"]
            await each_comes_once(mqtt, log, "silent")
            assert min(b.figure("messages_total") for b in (one, two)) > 0
        # it has left for good, and its claim with it, though it could not see that either
        await each_comes_once(mqtt, log, "left")
        assert await claimed(mqtt, broker) == {"one"}
        # the mend is seen while the bridge runs, and so is its opposite
        await one.until_subscribed("ordinary")
        await until_noted(one, noted=False)
        broker.allow(SILENT)
        await until_noted(one)
        await one.until_subscribed("shared")


async def test_who_cannot_hear_whether_a_bridge_lives_does_not_adopt_it(
    mqtt, log_servers, broker: Guarded
) -> None:
    broker.allow(SILENT)

    async with bridging(mqtt, log_servers, id="alive") as bridge:
        with pytest.raises(MqttError, match="allow reading qala/bridge/#"):
            await Adoption(mqtt, log_servers, id="alive").task
        assert bridge.figure("connections_total") == 1
        assert not bridge.task.done()


async def test_a_broker_that_hangs_is_not_taken_for_one_that_keeps_claims_to_itself(
    mqtt, log_servers, broker: Guarded
) -> None:
    broker.allow(OPEN)
    async with bridging(mqtt, log_servers, id="waits") as bridge:
        await bridge.until_subscribed("ordinary")

        async def note() -> str:
            return bridge.readiness.notes.get("bridges", "")

        broker.pause()
        try:
            assert "allow reading" not in await eventually(note, timeout_s=60)
        finally:
            broker.resume()
        await bridge.until_connected()
        await bridge.until_subscribed("ordinary")
        await eventually(note, lambda found: not found)
