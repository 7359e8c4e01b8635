"""Fixtures that any test may ask for: real servers on free ports over temporary folders."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings

from infra.servers import ServerPorts, native_servers
from schemas.connections import InfluxConnection, KafkaConnection, MqttConnection
from tests.support.influxdb2 import start_influxdb2
from tests.support.kafka_folder import formatted_by_copy
from tests.support.servers import RunningServer
from tests.support.stack import Stack

# How Hypothesis runs here: without stopwatches, which a busy machine fails. The first text of a
# fresh clone takes seconds (it writes its tables of characters).
settings.register_profile("qala", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("deep", settings.get_profile("qala"), max_examples=1000)
settings.load_profile("qala")  # `make fuzz` chooses the other by --hypothesis-profile

INTEGRATION_FOLDERS = ("integration", "chaos")
# A server's first answer may take a while on a busy machine; the tests themselves are quick.
INTEGRATION_TIMEOUT_S = 180


def pytest_configure() -> None:
    """Let Java compile for the minute that a test's Kafka lives, not for a month."""
    os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what lies in the folders of real servers, give it longer, and begin with the longest.

    The files are handed to the processes in this order: a long one at the end would keep all
    the others waiting.
    """
    here = Path(__file__).parent
    longest: dict[Path, float] = {}
    for item in items:
        if item.path.relative_to(here).parts[0] in INTEGRATION_FOLDERS:
            item.add_marker(pytest.mark.integration)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(INTEGRATION_TIMEOUT_S))
        if _on_influxdb2(item):
            item.add_marker(pytest.mark.influxdb2)
        limit = item.get_closest_marker("timeout")
        seconds = float(limit.args[0]) if limit is not None else 0.0
        longest[item.path] = max(longest.get(item.path, 0.0), seconds)
    items.sort(key=lambda item: -longest[item.path])


def _on_influxdb2(item: pytest.Item) -> bool:
    if not isinstance(item, pytest.Function):
        return False
    params = item.callspec.params if hasattr(item, "callspec") else {}
    chosen = params.get("any_influxdb")
    return chosen == "2.x" or (chosen is None and "influx2_connection" in item.fixturenames)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def _servers(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[dict[str, RunningServer]]:
    """The three servers of the session, described; each is started by the fixture of its name."""
    data = tmp_path_factory.mktemp("servers")
    servers = {s.name: RunningServer(s) for s in native_servers(data, ServerPorts.free())}
    servers["kafka"].server = formatted_by_copy(servers["kafka"].server)
    yield servers
    await asyncio.gather(*(server.stop() for server in servers.values()))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def mosquitto(_servers: dict[str, RunningServer]) -> RunningServer:
    """Mosquitto, shared by the session: whoever stops it starts it again."""
    return await _started(_servers["mosquitto"])


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def kafka(_servers: dict[str, RunningServer]) -> RunningServer:
    """Kafka, shared by the session and not provisioned."""
    return await _started(_servers["kafka"])


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def influxdb(_servers: dict[str, RunningServer]) -> RunningServer:
    """InfluxDB 1.8, shared by the session, without a database."""
    return await _started(_servers["influxdb"])


@pytest.fixture(scope="session")
def mqtt_connection(mosquitto: RunningServer) -> MqttConnection:
    """How to reach the session's Mosquitto."""
    return ServerPorts(mqtt=mosquitto.port).mqtt_connection()


@pytest.fixture(scope="session")
def kafka_connection(kafka: RunningServer) -> KafkaConnection:
    """How to reach the session's Kafka."""
    return ServerPorts(kafka=kafka.port).kafka_connection()


@pytest.fixture(scope="session")
def influx_connection(influxdb: RunningServer) -> InfluxConnection:
    """How to reach the session's InfluxDB 1.8."""
    return ServerPorts(influx=influxdb.port).influx_connection()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def influx2_connection(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[InfluxConnection]:
    """How to reach an InfluxDB 2.x, set up with the organisation ``qala`` and a token."""
    data = tmp_path_factory.mktemp("influxdb2")
    async with start_influxdb2(Path(os.environ["QALA_TEST_INFLUXD2"]), data) as connection:
        yield connection


def _influx_generations() -> list[str]:
    """1.8 always; 2.x where ``QALA_TEST_INFLUXD2`` names its program."""
    return ["1.8", "2.x"] if os.environ.get("QALA_TEST_INFLUXD2") else ["1.8"]


@pytest.fixture(scope="session", params=_influx_generations())
def any_influxdb(request: pytest.FixtureRequest) -> InfluxConnection:
    """Each InfluxDB that can be tested here, in turn; none of them provisioned."""
    name = "influx_connection" if request.param == "1.8" else "influx2_connection"
    connection: InfluxConnection = request.getfixturevalue(name)
    return connection


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """All three servers for one module alone, provisioned."""
    async with Stack.started(tmp_path_factory.mktemp("stack")) as started:
        yield started


async def _started(server: RunningServer) -> RunningServer:
    if not server.running:
        await server.start()
    return server
