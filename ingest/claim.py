"""Which of two bridges with one id may go on: the one that started last.

MQTT 5 tells the older one by DISCONNECT 0x8E, but Mosquitto before 2.0.15 only closes the
connection, which looks like any loss; reconnecting would throw the newer one out. So a bridge
writes its own random token to a retained topic before it first connects under its id, and looks
there before each reconnection, from a connection of its own without the id.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import mqtt5

from ingest.errors import MqttError, MqttRefusedError, SessionTakenOverError
from ingest.mqtt import MqttLink, connect_mqtt
from ingest.mqtt_options import MqttOptions
from schemas.connections import MqttConnection

CLAIMS: Final = "qala/bridge/"
"""Behind it stand client ids; `ingest.roster` has a level more there."""
_ANSWER_TIMEOUT_S = 10.0
_REFUSED = 128


class Claim:
    """A bridge's claim to its client id, on ``qala/bridge/{client id}``."""

    def __init__(self, connection: MqttConnection, client_id: str, token: str) -> None:
        """Take the token (random, new at each start) without claiming anything yet."""
        self._connection = connection
        self._client_id = client_id
        self._token = token.encode()
        self._topic = f"{CLAIMS}{client_id}"
        self._made = False

    async def assert_ours(self) -> None:
        """Make the claim the first time, and afterwards see whether it still stands.

        Raises:
            SessionTakenOverError: a bridge that started later has claimed the id.
            MqttRefusedError: the broker does not allow the topic.
            MqttError: the broker cannot be reached.
        """
        holder = await self._holder() if self._made else None
        if holder == self._token:
            # it must not be written again: a newer bridge may be writing its own just now
            return
        if holder is not None:
            raise SessionTakenOverError(
                f"another bridge has started with the same id (MQTT client '{self._client_id}') "
                "and has taken this one's session over; give each bridge its own --id"
            )
        await self._write(self._token)
        self._made = True

    async def release(self) -> None:
        """Take the claim back where nobody else's is seen: this bridge will not come back.

        A claim that stays is how `qala doctor` knows that a bridge is away. Where none is seen,
        it may be there all the same: the broker may keep it from this client's eyes.

        Raises:
            MqttError: the broker cannot be reached, or refuses.
        """
        if self._made and await self._holder() in {self._token, None}:
            await self._write(b"")

    async def _write(self, token: bytes) -> None:
        code: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        link = await connect_mqtt(
            self._connection, self._options(), on_puback=lambda _, reason: code.set_result(reason)
        )
        try:
            link.publish(self._topic, token, retain=True)
            await _first_of(code, link)
        finally:
            await link.disconnect()
        if code.result() >= _REFUSED:
            raise MqttRefusedError(
                f"the MQTT broker refused to take '{self._topic}'; allow it in its access list",
                code=code.result(),
                retryable=True,
            )

    async def _holder(self) -> bytes | None:
        """The token on the broker, or None where it has none (any more)."""
        found: list[bytes] = []

        def take(packets: Sequence[mqtt5.PublishPacket]) -> None:
            found.extend(packet.payload for packet in packets)

        link = await connect_mqtt(self._connection, self._options(), on_publish=take)
        try:
            # the broker sends what is retained before it answers the next packet
            await link.subscribe([self._topic], qos=0)
            await link.unsubscribe([self._topic])
        finally:
            await link.disconnect()
        return found[-1] if found else None

    def _options(self) -> MqttOptions:
        return MqttOptions(client_id=f"{self._client_id}-claim-{self._token.decode()}")


async def _first_of(answer: asyncio.Future[int], link: MqttLink) -> None:
    ends: set[asyncio.Future[Any]] = {answer, link.closed}
    await asyncio.wait(ends, timeout=_ANSWER_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
    if not answer.done():
        raise MqttError("the MQTT broker did not acknowledge in time; is it overloaded?")
