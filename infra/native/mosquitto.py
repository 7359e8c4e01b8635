"""Mosquitto: the MQTT broker between the devices and the bridges."""

from __future__ import annotations

import asyncio
import os
import pwd
from pathlib import Path

import mqtt5

from infra.native.folder import NativeFolder
from infra.native.server import LOOPBACK, NativeServer, log_path, write_config

AUTOSAVE_S = 5
SAVED_EVERY_S = AUTOSAVE_S + 1
"""It counts whole seconds and saves when more than the interval has passed (measured)."""
_PROBE_TIMEOUT_S = 2.0


def mosquitto_server(data: Path, port: int, native: NativeFolder) -> NativeServer:
    """Mosquitto on ``port`` of loopback, its sessions and queues in ``data/mosquitto``."""
    folder = data / "mosquitto"
    config = folder / "mosquitto.conf"

    async def prepare() -> None:
        write_config(
            "mosquitto.conf",
            config,
            port=port,
            user=pwd.getpwuid(os.geteuid()).pw_name,
            autosave_s=AUTOSAVE_S,
            saved_every_s=SAVED_EVERY_S,
        )

    return NativeServer(
        name="mosquitto",
        port=port,
        folder=folder,
        argv=(str(native.mosquitto), "-c", str(config)),
        env={},
        log=log_path(data, "mosquitto"),
        prepare=prepare,
        ready=lambda: answers_connect(LOOPBACK, port),
    )


async def answers_connect(host: str, port: int) -> bool:
    """Whether a broker answers an MQTT 5 CONNECT with a CONNACK that says success."""
    try:
        async with asyncio.timeout(_PROBE_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                return await _connack(reader, writer)
            finally:
                writer.close()
    except (OSError, TimeoutError, ValueError):
        return False


async def _connack(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    # an empty id with clean start: the broker makes one up and keeps no session
    writer.write(mqtt5.ConnectPacket(client_id="", clean_start=True, keep_alive=10).write())
    await writer.drain()
    received = b""
    while chunk := await reader.read(4096):
        received += chunk
        try:
            packet, _ = mqtt5.read(memoryview(received))
        except IndexError:  # not whole yet
            continue
        writer.write(mqtt5.DisconnectPacket().write())
        await writer.drain()
        return (
            isinstance(packet, mqtt5.ConnAckPacket)
            and packet.reason_code == mqtt5.ConnAckReasonCode.SUCCESS
        )
    return False
