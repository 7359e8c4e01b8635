"""A short trial of an MQTT broker: what it keeps for one that is away, and how large a message.

Queue limits can't be asked for by MQTT. So a client with a session of its own subscribes to a
topic that nobody else has (``qala/doctor/{random}``), goes away, and counts what the broker has
kept for it when it comes back. A broker with Mosquitto's default limit keeps 1000 messages.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from typing import Final

import mqtt5
from msgspec import Struct

from ingest import MqttLink, MqttOptions, connect_mqtt
from ingest.errors import MqttError, MqttRefusedError
from schemas.connections import MqttConnection

TRIAL_MESSAGES: Final = 1100
"""More than Mosquitto's default limit of 1000."""
LARGEST_PAYLOAD: Final = 256 * 1024
"""What a device may send (contract §1)."""
TRIAL_S: Final = 60
"""After so long the broker forgets what a trial left there, should it be cut short."""
CONNECT_S: Final = 4.0

_HEAD_BYTES: Final = 512
"""Room for a topic and properties beside a payload."""
_TURN_S: Final = 0.002
_NOT_ALLOWED: Final = 135
"""MQTT 5.0 §2.4: 0x87 not authorized."""
_REFUSED: Final = 128


class TrialSeen(Struct, frozen=True, kw_only=True):
    """What a broker did: ``kept`` of ``sent`` messages came back to one that had been away.

    ``window`` of them came before the first was acknowledged. ``denied`` is the topic that it
    would not let us use for that, and then nothing else is known. ``takes_largest`` is whether
    it took the largest payload of a device.
    """

    sent: int = 0
    kept: int = 0
    window: int = 0
    denied: str | None = None
    takes_largest: bool = True


async def try_broker(connection: MqttConnection) -> TrialSeen:
    """Make the trial, and leave nothing behind.

    Raises:
        MqttError: the broker can't be reached (any more).
    """
    topic = f"qala/doctor/{secrets.token_hex(8)}"
    session = MqttOptions(
        client_id=_client_id("away"),
        clean_start=False,
        session_expiry_s=TRIAL_S,
        connect_timeout_s=CONNECT_S,
    )
    came: list[int] = []

    def take(packet: mqtt5.PublishPacket) -> None:
        came.append(packet.packet_id or 0)

    away = await connect_mqtt(connection, session)
    try:
        await away.subscribe([topic])
    except MqttRefusedError:
        await away.disconnect(end_session=True)
        return TrialSeen(denied=topic)
    await away.disconnect()
    try:
        codes = await _send(connection, topic, [b"."] * TRIAL_MESSAGES)
    finally:
        back = await connect_mqtt(connection, session, on_publish=take)
        window = await _take_all(back, came, topic)
        await back.disconnect(end_session=True)
    return TrialSeen(
        sent=TRIAL_MESSAGES,
        kept=len(came),
        window=window,
        denied=topic if _NOT_ALLOWED in codes or not came else None,
        takes_largest=await _takes_largest(connection, f"{topic}/large"),
    )


async def until(link: MqttLink, done: Callable[[], bool]) -> None:
    """Wait until ``done`` says so.

    Raises:
        MqttError: the link ended before.
    """
    while not done():
        if link.closed.done():
            raise link.closed.result() or MqttError("the MQTT broker closed the connection")
        await asyncio.sleep(_TURN_S)


async def _takes_largest(connection: MqttConnection, topic: str) -> bool:
    # one that refuses may say so in a PUBACK that MQTT 5 doesn't know (Mosquitto: 0x95), or by
    # hanging up
    try:
        (code,) = await _send(connection, topic, [bytes(LARGEST_PAYLOAD)])
    except MqttError:
        return False
    return code < _REFUSED or code == _NOT_ALLOWED


async def _send(connection: MqttConnection, topic: str, payloads: list[bytes]) -> list[int]:
    """Publish with QoS 1, no more at once than the broker takes; gives the PUBACKs' codes."""
    codes: list[int] = []

    def answered(_: int, code: int) -> None:
        codes.append(code)

    options = MqttOptions(client_id=_client_id("sends"), connect_timeout_s=CONNECT_S)
    link = await connect_mqtt(connection, options, on_puback=answered)
    try:
        limit = link.connack.result().max_packet_size
        if limit is not None and limit < len(payloads[0]) + _HEAD_BYTES:
            raise MqttError("the MQTT broker takes no packet of that size")
        for payload in payloads:
            await until(link, lambda: link.free_ids > 0)
            link.publish(topic, payload, expiry_s=TRIAL_S)
        await until(link, lambda: len(codes) == len(payloads))
    finally:
        await link.disconnect()
    return codes


async def _take_all(link: MqttLink, came: list[int], topic: str) -> int:
    """Acknowledge what was kept until nothing more comes; gives how many came at once first."""
    # a broker sends what it may send now before it answers this
    await link.unsubscribe([f"{topic}/none"])
    window, acknowledged = len(came), 0
    while len(came) > acknowledged:
        fresh = came[acknowledged:]
        acknowledged = len(came)
        link.ack(fresh)
        await link.unsubscribe([f"{topic}/none"])
    return window


def _client_id(role: str) -> str:
    return f"qala-doctor-{secrets.token_hex(4)}-{role}"
