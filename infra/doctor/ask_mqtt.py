"""Asking an MQTT broker what it says of itself, and which bridges have been there."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Sequence
from typing import Final

import mqtt5
from msgspec import Struct
from msgspec.structs import replace

from infra.doctor.finding import Away
from infra.doctor.mqtt_trial import CONNECT_S, TRIAL_S, TrialSeen, try_broker, until
from ingest import MqttLink, MqttOptions, connect_mqtt
from ingest.errors import MqttError, MqttRefusedError
from schemas.connections import MqttConnection
from schemas.errors import ConnectionSettingError

CLAIMS: Final = "qala/bridge/"
SYS: Final = "$SYS/broker/"

STORED: Final = "store/messages/count"
RETAINED: Final = "retained messages/count"
DROPPED: Final = "load/publish/dropped/15min"
_SYS_FIGURES: Final = ("version", STORED, RETAINED, DROPPED)
_NUDGES: Final = 7
"""So many that what comes and goes by itself does not make up for it."""
_SYS_S: Final = 11.0
"""Mosquitto looks at its figures every 10 s by default."""


class BrokerSeen(Struct, frozen=True, kw_only=True):
    """What a broker told and did. ``session_expiry_s`` is None where it grants what is asked.

    ``sys`` holds its figures under ``$SYS`` by name, where it shows them; Mosquitto 2 forgets
    one that has not changed for a minute.
    """

    user: str | None
    max_qos: int
    retain: bool
    shared: bool
    wildcard: bool
    session_expiry_s: int | None
    sys: dict[str, str]
    claims: tuple[str, ...]
    trial: TrialSeen = TrialSeen()


async def ask_mqtt(connection: MqttConnection, *, session_expiry_s: int) -> BrokerSeen | Away:
    """Connect as a bridge does, look, try, and leave nothing behind.

    ``session_expiry_s`` is how long a bridge wants its session kept.
    """
    name = f"qala-doctor-{secrets.token_hex(4)}"
    retained: dict[str, bytes] = {}

    def note(packets: Sequence[mqtt5.PublishPacket]) -> None:
        retained.update({packet.topic: packet.payload for packet in packets})

    options = MqttOptions(
        client_id=name, session_expiry_s=session_expiry_s, connect_timeout_s=CONNECT_S
    )
    try:
        link = await connect_mqtt(connection, options, on_publish=note)
        try:
            await _read_retained(link, [f"{SYS}{figure}" for figure in _SYS_FIGURES])
            await _read_retained(link, [f"{CLAIMS}+"])
            seen = _seen(connection, link, retained)
        finally:
            await link.disconnect(end_session=True)
        return replace(seen, trial=await try_broker(connection))
    except (MqttError, ConnectionSettingError) as exc:
        return Away.told(exc, "QALA_MQTT_URL")


async def ask_stored(connection: MqttConnection) -> dict[str, str]:
    """What the broker stores and retains, where it has not told: after a nudge, within 11 s.

    Retained messages, taken back at the end, change both figures, so that they are told again.
    """
    figures: dict[str, str] = {}
    topic = f"qala/doctor/{secrets.token_hex(8)}"
    nudges = [f"{topic}/{number}" for number in range(_NUDGES)]

    def note(packets: Sequence[mqtt5.PublishPacket]) -> None:
        for packet in packets:
            figures[packet.topic.removeprefix(SYS)] = packet.payload.decode(errors="replace")

    options = MqttOptions(
        client_id=f"qala-doctor-{secrets.token_hex(4)}-nudge", connect_timeout_s=CONNECT_S
    )
    with contextlib.suppress(MqttError, ConnectionSettingError, TimeoutError):
        link = await connect_mqtt(connection, options, on_publish=note)
        try:
            for topic in nudges:
                link.publish(topic, b".", qos=0, retain=True, expiry_s=TRIAL_S)
            await link.subscribe([f"{SYS}{STORED}", f"{SYS}{RETAINED}"], qos=0)
            async with asyncio.timeout(_SYS_S):
                await until(link, lambda: {STORED, RETAINED} <= figures.keys())
        finally:
            for topic in () if link.closed.done() else nudges:
                link.publish(topic, b"", qos=0, retain=True)
            await link.disconnect()
    return figures


async def _read_retained(link: MqttLink, patterns: list[str]) -> None:
    """Take what is retained there: it comes before the answer to the next packet."""
    try:
        await link.subscribe(patterns, qos=0)
        await link.unsubscribe(patterns)
    except MqttRefusedError:
        return  # it stays unseen, and is told as unknown


def _seen(connection: MqttConnection, link: MqttLink, retained: dict[str, bytes]) -> BrokerSeen:
    told = link.connack.result()
    return BrokerSeen(
        user=connection.username,
        max_qos=int(told.max_qos),
        retain=told.retain_available,
        shared=told.shared_subscription_available,
        wildcard=told.wildcard_subscription_available,
        session_expiry_s=told.session_expiry_interval,
        sys={
            topic.removeprefix(SYS): payload.decode(errors="replace")
            for topic, payload in retained.items()
            if topic.startswith(SYS)
        },
        claims=tuple(
            sorted(topic.removeprefix(CLAIMS) for topic in retained if topic.startswith(CLAIMS))
        ),
    )
