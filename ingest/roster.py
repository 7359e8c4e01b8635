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
from ingest.errors import MqttError, MqttRefusedError
from ingest.mqtt import connect_mqtt
from ingest.mqtt_options import MqttOptions
from ingest.settings import CLIENT_PREFIX
from schemas.connections import MqttConnection
from schemas.readiness import Readiness

BEAT_S: Final = 2.0
ABSENT_AFTER_S: Final = 10.0
_BEAT: Final = "/beat"
_LISTEN_S: Final = 3 * BEAT_S
_LOOK_S: Final = 2.0
"""The first look at the others' claims takes milliseconds, where the broker allows it."""
_UNHEARD_BEATS: Final = 5
"""So many own beats in a row that don't come back: nobody's would."""
_NOTE: Final = "bridges"
_MEND: Final = f"allow reading {CLAIMS}# in the broker's access list"
_AS_SEVERAL: Final = (
    "until then this bridge shares, as if there were others: a restart of the broker loses what "
    "comes before it is back"
)

_log = structlog.get_logger(__name__)


class Members:
    """The bridges that have claims, and when each was heard last. No I/O; times in s.

    A broker may grant a subscription and stay silent (Mosquitto's access list does), so that
    no others are seen says something only where the own claim and beats are.
    """

    def __init__(self, own: str) -> None:
        """Begin without any; ``own`` is the client id of the bridge that looks."""
        self._own = own
        self._heard: dict[str, float] = {}
        self._unheard_beats = 0

    def beat(self) -> None:
        """The own beat is sent, by a bridge that has written its claim."""
        self._unheard_beats += 1

    def take(self, topic: str, payload: bytes, now_s: float) -> None:
        """A message under `CLAIMS`: a claim, the end of one (no payload), or a beat."""
        name = topic.removeprefix(CLAIMS)
        client = name.removesuffix(_BEAT)
        if not payload:
            self._heard.pop(client, None)
        elif client in self._heard or client == name:
            # a claim is written when a bridge starts, and comes retained after a subscription
            self._heard[client] = now_s
            if client == self._own:
                self._unheard_beats = 0

    @property
    def silent(self) -> bool:
        """Whether the own beats don't come back, or the own claim: others can't be seen."""
        return self._unheard_beats >= _UNHEARD_BEATS

    @property
    def others(self) -> frozenset[str] | None:
        """Client ids of the other bridges that have claims, present or absent; None: unknown."""
        if self.silent or self._own not in self._heard:
            return None
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
        on_others: Callable[[AbstractSet[str] | None], None],
    ) -> None:
        """Take the client id that is beaten for, and what names this process (random).

        ``on_others`` hears the client ids of the other bridges that have claims, once they are
        known and after each change; None where the broker lets them be seen no more. While it
        is away, nothing is told.
        """
        self._connection = connection
        self._client_id = client_id
        self._token = token
        self._readiness = readiness
        self._on_others = on_others
        self._others: AbstractSet[str] | None = None
        self._claimed = False
        self._seen = asyncio.Event()
        self._told: set[str] = set()

    async def seen(self) -> None:
        """The own claim is written: wait until claims have been seen once, the first time 2 s."""
        self._claimed = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_S):
                await self._seen.wait()
        self._seen.set()

    async def run(self) -> None:
        """Beat and listen until cancelled; what goes wrong is noted, and tried again."""
        while True:
            try:
                await self._stay()
            except MqttRefusedError as exc:
                self._unseen(f"which other bridges there are can't be seen: {exc}; {_AS_SEVERAL}")
            except MqttError as exc:
                self._tell(set())
                self._readiness.note(_NOTE, f"which others are away can't be seen: {exc}")
            await asyncio.sleep(BEAT_S)

    async def _stay(self) -> None:
        """One connection, to its end in an error, or until nothing comes back on it."""
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
            while not link.closed.done():
                link.publish(f"{CLAIMS}{self._client_id}{_BEAT}", self._token.encode(), qos=0)
                if self._claimed:
                    members.beat()
                await asyncio.wait({link.closed}, timeout=BEAT_S)
                if members.silent:
                    # one that only hangs doesn't answer; what comes back comes before its answer
                    await link.subscribe([f"{CLAIMS}+{_BEAT}"], qos=0)
                if members.silent:
                    self._keeps_silent()
                    return  # claims come with a subscription: the next connection asks anew
                if members.others is not None or not self._claimed:
                    self._readiness.note(_NOTE, None)
                    self._tell(members.absent(loop.time()))
        finally:
            await link.disconnect()
        raise link.closed.result() or MqttError("the MQTT connection was closed")

    def _tell_others(self, others: AbstractSet[str] | None) -> None:
        """Tell a change; not known yet, on a new connection, is none."""
        if others is None:
            return
        if others != self._others:
            self._others = others
            self._on_others(others)
        self._seen.set()

    def _keeps_silent(self) -> None:
        """A refusal is said by whoever else is refused; this is said by nobody but us."""
        why = f"claims can't be read; {_MEND}; {_AS_SEVERAL}"
        if self._readiness.notes.get(_NOTE) != why:
            _log.warning("other bridges can't be seen", why=why)
        self._unseen(why)

    def _unseen(self, why: str) -> None:
        """Others can't be seen: what was known of them doesn't hold any more."""
        self._tell(set())
        self._readiness.note(_NOTE, why)
        if self._others is not None:
            self._others = None
            self._on_others(None)

    def _tell(self, absent: set[str]) -> None:
        for bridge in self._told - absent:
            self._readiness.note(f"bridge {bridge}", None)
        for bridge in absent - self._told:
            why = (
                "it is away, and the broker keeps messages for it: its share, or all where it was "
                "alone; while its claim stands, this bridge shares: a restart of the broker loses "
                "what comes before it is back; start it again, or where it shall not come back: "
                f"qala bridge --adopt {bridge}"
            )
            self._readiness.note(f"bridge {bridge}", why)
            _log.warning("another bridge is away", id=bridge)
        self._told = absent


async def lives(connection: MqttConnection, client_id: str, token: str) -> bool:
    """Whether a process beats for ``client_id`` at the broker; listens for 6 s.

    Raises:
        MqttRefusedError: the broker does not allow the topic.
        MqttError: the broker cannot be reached, or lets no beat through.
    """
    loop = asyncio.get_running_loop()
    heard: asyncio.Future[None] = loop.create_future()
    asker = f"{client_id}-roster-{token}"
    own = f"{CLAIMS}{asker}{_BEAT}"  # of nobody's claim: other bridges pass it over
    echoed = False

    def take(packets: Sequence[mqtt5.PublishPacket]) -> None:
        nonlocal echoed
        for packet in packets:
            if packet.topic == own:
                echoed = True
            elif not heard.done():
                heard.set_result(None)

    link = await connect_mqtt(connection, MqttOptions(client_id=asker), on_publish=take)
    try:
        await link.subscribe([f"{CLAIMS}{client_id}{_BEAT}", own], qos=0)
        link.publish(own, token.encode(), qos=0)
        ends: set[asyncio.Future[None] | asyncio.Future[Exception | None]] = {heard, link.closed}
        await asyncio.wait(ends, timeout=_LISTEN_S, return_when=asyncio.FIRST_COMPLETED)
        if link.closed.done():
            raise link.closed.result() or MqttError("the MQTT connection was closed")
        if not echoed:
            await link.unsubscribe([own])  # one that only hangs doesn't answer
        if not echoed and not heard.done():
            raise MqttError(f"whether '{client_id}' lives can't be seen at the broker; {_MEND}")
        return heard.done()
    finally:
        await link.disconnect()
