"""A short trial of an MQTT broker: what it keeps for one that is away, and how large a message.

Queue limits can't be asked for by MQTT. So a client subscribes to a topic that nobody else has
(``qala/doctor/{random}``), publishes there, and takes nothing: it lets one message be in flight
(receive maximum 1) and acknowledges none. Then it goes, comes back to its session, and counts
what the broker has queued for it. A broker with Mosquitto's default limit keeps 1000 messages.

There is one connection at a time, so a broker may give it any client id (Mosquitto's
``use_username_as_clientid``), as it should: else it could take a bridge's session.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
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
_IN_FLIGHT: Final = 1
"""Messages that a broker may send to us and not have acknowledged: the others wait."""
_AS_A_BRIDGE: Final = 65_535
_TURN_S: Final = 0.002
_NOT_ALLOWED: Final = 135
"""MQTT 5.0 §2.4: 0x87 not authorized."""
_REFUSED: Final = 128


class TrialSeen(Struct, frozen=True, kw_only=True):
    """What a broker did: ``kept`` of ``sent`` messages, queued for one that did not take them.

    ``window`` came at once when it was back, before one was acknowledged. ``denied`` is the topic
    that it said we may not use for that, and then nothing else is known. ``takes_largest`` is
    whether it took the largest payload of a device.
    """

    sent: int = 0
    kept: int = 0
    window: int = 0
    denied: str | None = None
    takes_largest: bool = True


async def try_broker(connection: MqttConnection) -> TrialSeen:
    """Make the trial, and leave nothing behind but for `TRIAL_S` if it is cut short.

    Raises:
        MqttError: the broker can't be reached (any more).
    """
    topic = f"qala/doctor/{secrets.token_hex(8)}"
    options = MqttOptions(
        client_id=_client_id(),
        session_expiry_s=TRIAL_S,
        receive_max=_IN_FLIGHT,
        connect_timeout_s=CONNECT_S,
    )
    codes: list[int] = []
    link = await connect_mqtt(connection, options, on_puback=_noted(codes))
    try:
        await link.subscribe([topic])
        await _send(link, topic, [b"."] * (TRIAL_MESSAGES + _IN_FLIGHT), codes)
    except MqttRefusedError:
        codes.append(_NOT_ALLOWED)
    finally:
        await link.disconnect(end_session=_NOT_ALLOWED in codes)
    if _NOT_ALLOWED in codes:
        return TrialSeen(denied=topic)
    came, window = await _come_back(connection, options, topic)
    return TrialSeen(
        sent=TRIAL_MESSAGES,
        kept=max(came - _IN_FLIGHT, 0),
        window=window,
        takes_largest=await _takes_largest(connection, f"{topic}/large"),
    )


async def _come_back(
    connection: MqttConnection, options: MqttOptions, topic: str
) -> tuple[int, int]:
    """Take what the session holds, and end it: how many messages, and how many came at once."""
    came: list[int] = []

    def take(packets: Sequence[mqtt5.PublishPacket]) -> None:
        came.extend(packet.packet_id or 0 for packet in packets)

    again = replace(options, clean_start=False, receive_max=_AS_A_BRIDGE)
    back = await connect_mqtt(connection, again, on_publish=take)
    try:
        window = await _take_all(back, came, topic)
    finally:
        await back.disconnect(end_session=True)
    return len(came), window


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
    codes: list[int] = []
    options = MqttOptions(client_id=_client_id(), connect_timeout_s=CONNECT_S)
    link = await connect_mqtt(connection, options, on_puback=_noted(codes))
    try:
        await _send(link, topic, [bytes(LARGEST_PAYLOAD)], codes)
    except MqttError:
        return False
    finally:
        await link.disconnect()
    return codes[0] < _REFUSED or codes[0] == _NOT_ALLOWED


def _noted(codes: list[int]) -> Callable[[int, int], None]:
    def answered(_: int, code: int) -> None:
        codes.append(code)

    return answered


async def _send(link: MqttLink, topic: str, payloads: list[bytes], codes: list[int]) -> None:
    """Publish with QoS 1, no more at once than the broker takes, until ``codes`` has all PUBACKs.

    Raises:
        MqttError: the broker takes no packet of that size, or has gone.
    """
    limit = link.connack.result().max_packet_size
    if limit is not None and limit < len(payloads[0]) + _HEAD_BYTES:
        raise MqttError("the MQTT broker takes no packet of that size")
    for payload in payloads:
        await until(link, lambda: link.free_ids > 0)
        link.publish(topic, payload, expiry_s=TRIAL_S)
    await until(link, lambda: len(codes) == len(payloads))


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


def _client_id() -> str:
    return f"qala-doctor-{secrets.token_hex(4)}-trial"
