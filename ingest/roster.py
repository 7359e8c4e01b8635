"""Which bridges the broker knows, and which of them live: each says so every 2 s.

A bridge's claim (`ingest.claim`) stays at the broker while the bridge is away, and the broker
goes on keeping messages for it: its share, or all of them where it was alone before. A claim
without the beats of a living process is an absent bridge. Beats go over a connection of their
own, so that a bridge that is held back by Kafka still is known to live.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

import mqtt5
import structlog

from ingest.claim import CLAIMS
from ingest.errors import MqttError
from ingest.mqtt import MqttOptions, connect_mqtt
from ingest.settings import CLIENT_PREFIX
from schemas.connections import MqttConnection
from schemas.readiness import Readiness

BEAT_S: Final = 2.0
ABSENT_AFTER_S: Final = 10.0
_BEAT: Final = "/beat"
_LISTEN_S: Final = 3 * BEAT_S
_LOOK_S: Final = 2.0
"""The first look at the others' claims takes milliseconds, where the broker allows it."""
_NOTE: Final = "bridges"

_log = structlog.get_logger(__name__)


class Members:
    """The bridges that have claims, and when each was heard last. No I/O; times in s."""

    def __init__(self, own: str) -> None:
        """Begin without any; ``own`` is the client id that isn't looked for."""
        self._own = own
        self._heard: dict[str, float] = {}

    def take(self, topic: str, payload: bytes, now_s: float) -> None:
        """A message under `CLAIMS`: a claim, the end of one (no payload), or a beat."""
        name = topic.removeprefix(CLAIMS)
        client = name.removesuffix(_BEAT)
        if not payload:
            self._heard.pop(client, None)
        elif client in self._heard or client == name:
            # a claim is written when a bridge starts, and comes retained after a subscription
            self._heard[client] = now_s

    @property
    def others(self) -> frozenset[str]:
        """Client ids of the other bridges that have claims, present or absent."""
        return frozenset(self._heard) - {self._own}

    def absent(self, now_s: float) -> set[str]:
        """Ids of the bridges that have claims and have not been heard for `ABSENT_AFTER_S`."""
        return {
            client.removeprefix(CLIENT_PREFIX)
            for client, heard_s in self._heard.items()
            if client != self._own and now_s - heard_s > ABSENT_AFTER_S
        }


class Roster:
    """Beats for one bridge, notes the absent ones in its readiness, and tells who there are."""

    def __init__(
        self,
        connection: MqttConnection,
        client_id: str,
        token: str,
        readiness: Readiness,
        *,
        on_others: Callable[[AbstractSet[str]], None],
    ) -> None:
        """Take the client id that is beaten for, and what names this process (random).

        ``on_others`` hears the client ids of the other bridges that have claims, once they are
        known and after each change. While they can't be seen, nothing is told.
        """
        self._connection = connection
        self._client_id = client_id
        self._token = token
        self._readiness = readiness
        self._on_others = on_others
        self._others: AbstractSet[str] | None = None
        self._seen = asyncio.Event()
        self._told: set[str] = set()

    async def seen(self) -> None:
        """Wait until the others' claims have been seen once, or for 2 s."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_S):
                await self._seen.wait()

    async def run(self) -> None:
        """Beat and listen until cancelled; what goes wrong is noted, and tried again."""
        while True:
            try:
                await self._stay()
            except MqttError as exc:
                self._tell(set())
                self._readiness.note(_NOTE, f"which others are away can't be seen: {exc}")
            await asyncio.sleep(BEAT_S)

    async def _stay(self) -> None:
        """One connection, to its end in an error."""
        loop = asyncio.get_running_loop()
        members = Members(self._client_id)
        complete = False

        def take(packets: Sequence[mqtt5.PublishPacket]) -> None:
            for packet in packets:
                members.take(packet.topic, packet.payload, loop.time())
            if complete:
                self._tell_others(members.others)

        options = MqttOptions(client_id=f"{self._client_id}-roster-{self._token}")
        link = await connect_mqtt(self._connection, options, on_publish=take)
        try:
            await link.subscribe([f"{CLAIMS}+"], qos=0)
            # the broker sends what is retained before it answers the next packet
            await link.subscribe([f"{CLAIMS}+{_BEAT}"], qos=0)
            complete = True
            self._tell_others(members.others)
            self._readiness.note(_NOTE, None)
            while not link.closed.done():
                link.publish(f"{CLAIMS}{self._client_id}{_BEAT}", self._token.encode(), qos=0)
                await asyncio.wait({link.closed}, timeout=BEAT_S)
                self._tell(members.absent(loop.time()))
        finally:
            await link.disconnect()
        raise link.closed.result() or MqttError("the MQTT connection was closed")

    def _tell_others(self, others: AbstractSet[str]) -> None:
        if others != self._others:
            self._others = others
            self._on_others(others)
        self._seen.set()

    def _tell(self, absent: set[str]) -> None:
        for bridge in self._told - absent:
            self._readiness.note(f"bridge {bridge}", None)
        for bridge in absent - self._told:
            why = (
                "it is away, and the broker keeps messages for it: its share, or all where it was "
                f"alone; start it again, or: qala bridge --adopt {bridge}"
            )
            self._readiness.note(f"bridge {bridge}", why)
            _log.warning("another bridge is away", id=bridge)
        self._told = absent


async def lives(connection: MqttConnection, client_id: str, token: str) -> bool:
    """Whether a process beats for ``client_id`` at the broker; listens for 6 s.

    Raises:
        MqttRefusedError: the broker does not allow the topic.
        MqttError: the broker cannot be reached.
    """
    heard: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def take(_: Sequence[mqtt5.PublishPacket]) -> None:
        if not heard.done():
            heard.set_result(None)

    options = MqttOptions(client_id=f"{client_id}-roster-{token}")
    link = await connect_mqtt(connection, options, on_publish=take)
    try:
        await link.subscribe([f"{CLAIMS}{client_id}{_BEAT}"], qos=0)
        ends: set[asyncio.Future[None] | asyncio.Future[Exception | None]] = {heard, link.closed}
        await asyncio.wait(ends, timeout=_LISTEN_S, return_when=asyncio.FIRST_COMPLETED)
        if link.closed.done():
            raise link.closed.result() or MqttError("the MQTT connection was closed")
        return heard.done()
    finally:
        await link.disconnect()
