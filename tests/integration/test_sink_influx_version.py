"""Which InfluxDB the sink takes: what a server says of its version."""

from __future__ import annotations

import asyncio

import pytest

from schemas.connections import InfluxConnection
from sinks import InfluxSink, UnsupportedInfluxError

pytestmark = pytest.mark.timeout(120)


@pytest.mark.parametrize("said", ["1.7.11", "v0.13.0"])
async def test_an_influxdb_older_than_1_8_is_refused_with_a_clear_sentence(said):
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 204 No Content\r\nX-Influxdb-Version: {said}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode())
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    sink = InfluxSink(InfluxConnection(url=f"http://127.0.0.1:{port}"), timeout_s=5)
    with pytest.raises(UnsupportedInfluxError, match=r"needs InfluxDB 1\.8 or 2\.x"):
        await sink.version()
    await sink.close()
    server.close()


async def test_any_supported_influxdb_says_its_version(any_influxdb):
    sink = InfluxSink(any_influxdb, timeout_s=5)
    assert isinstance(await sink.version(), str)
    await sink.close()
