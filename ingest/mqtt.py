"""One MQTT 5 connection: an `asyncio.BufferedProtocol` around the sans-I/O package ``mqtt5``.

It knows no schema. The bridge receives with it, a simulator sends with it::

    link = await connect_mqtt(
        connection,                       # schemas.connections.MqttConnection
        MqttOptions(client_id="sim-1"),
        on_publish=receive,               # called with the mqtt5.PublishPackets that came together
        on_puback=acknowledged,           # called with (packet id, reason code)
    )
    await link.subscribe(["some/filter"], subscription_id=1)
    while link.free_ids:                  # the server's receive maximum, less what is in flight
        packet_id = link.publish(topic, payload)      # QoS 1
    await link.drain()                    # until the socket takes more
    link.ack([packet.packet_id])          # PUBACK of a received packet
    await link.disconnect()
    link.closed                           # a future: the error that ended the link, or None

Callbacks run in the event loop, straight from the socket: they must not block. An exception in
one ends the link with that exception. Writes of one turn of the loop leave in one system call.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from struct import pack
from typing import Final, cast

import mqtt5

from ingest.errors import MqttError, MqttRefusedError, MqttUntrustedError
from ingest.mqtt_options import MqttOptions
from ingest.outbox import Outbox
from ingest.packets import PacketBuffer, check_connack, disconnect_error
from ingest.questions import FIRST_CONTROL_ID, Questions
from schemas.access import MQTT, access_error, closed_early
from schemas.connections import MqttConnection

OnPublish = Callable[[Sequence[mqtt5.PublishPacket]], None]
OnPuback = Callable[[int, int], None]

_PINGREQ: Final = b"\xc0\x00"
_PUBACK: Final = 0x40_02_00_00
"""A PUBACK of success as one big-endian number, but for the packet id (MQTT 5.0 §3.4)."""
_PLENTY: Final = 16 * 1024
"""Bytes of one look into the socket after which more are likely to wait there already."""


class MqttLink(asyncio.BufferedProtocol):
    """One connection, from CONNECT to its end; make it by `connect_mqtt`."""

    def __init__(
        self, options: MqttOptions, on_publish: OnPublish | None, on_puback: OnPuback | None
    ) -> None:
        """Take the callbacks; nothing is sent before the socket is open."""
        self._loop = asyncio.get_running_loop()
        self._options = options
        self._on_publish = on_publish
        self._on_puback = on_puback
        self._transport: asyncio.Transport | None = None
        self._received = PacketBuffer()
        self._outbox = Outbox()
        self._error: Exception | None = None
        self._leaving = False
        self._heard = True
        self._paused = False
        self._gathering: asyncio.TimerHandle | None = None
        self._keep_alive: asyncio.TimerHandle | None = None
        self._questions = Questions(
            self._outbox.send, options.connect_timeout_s, before=self._before_an_answer
        )
        self._free: deque[int] = deque()
        self.connack: asyncio.Future[mqtt5.ConnAckPacket] = self._loop.create_future()
        self.closed: asyncio.Future[Exception | None] = self._loop.create_future()

    # what the server said

    @property
    def session_present(self) -> bool:
        """Whether the server had kept a session for this client id."""
        return self.connack.result().session_present

    @property
    def receive_max(self) -> int:
        """How many QoS 1 messages the server takes before it has acknowledged the first."""
        return self.connack.result().receive_max

    # sending

    @property
    def free_ids(self) -> int:
        """How many more QoS 1 messages may be published now."""
        return len(self._free)

    @property
    def writable(self) -> bool:
        """False while the socket is full; then await `drain` before publishing more."""
        return self._outbox.writable.is_set()

    async def drain(self) -> None:
        """Wait until the socket takes more. Returns at once where it does, or is closed."""
        await self._outbox.writable.wait()

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int = 1,
        retain: bool = False,
        duplicate: bool = False,
        expiry_s: int | None = None,
    ) -> int | None:
        """Send a message; gives its packet id with QoS 1, None with QoS 0.

        Raises:
            MqttError: the link is closed, or no packet id is free (see `free_ids`).
        """
        if self.closed.done():
            raise MqttError("the MQTT connection is closed; connect again before publishing")
        packet_id = None
        if qos:
            if not self._free:
                raise MqttError("no packet id is free; wait for a PUBACK before publishing more")
            packet_id = self._free.popleft()
        packet = mqtt5.PublishPacket(
            topic,
            payload,
            qos=mqtt5.QoS.AT_LEAST_ONCE if qos else mqtt5.QoS.AT_MOST_ONCE,
            retain=retain,
            packet_id=packet_id,
            duplicate=duplicate,
            message_expiry_interval=expiry_s,
        )
        self._outbox.send(packet.write())
        return packet_id

    def ack(self, packet_ids: Sequence[int]) -> None:
        """Send the PUBACKs of received QoS 1 messages; without effect on a closed link."""
        numbers = [_PUBACK | packet_id for packet_id in packet_ids]
        self._outbox.send(pack(f">{len(numbers)}I", *numbers))

    async def subscribe(
        self,
        patterns: Sequence[str],
        *,
        subscription_id: int | None = None,
        qos: int = 1,
        retained: mqtt5.RetainHandling = mqtt5.RetainHandling.SEND_ALWAYS,
    ) -> None:
        """Subscribe; ``subscription_id`` comes back in each message that matched.

        ``retained`` says when the server sends the retained messages that match.

        Raises:
            MqttRefusedError: the server refused one of the filters.
            MqttError: the link has ended, or did before the answer; or none came within
                ``connect_timeout_s`` after the last message: it stands behind those sent before.
        """
        granted = mqtt5.QoS.AT_LEAST_ONCE if qos else mqtt5.QoS.AT_MOST_ONCE
        filters = [
            mqtt5.TopicFilter(pattern, max_qos=granted, retain_handling=retained)
            for pattern in patterns
        ]
        await self._questions.subscribe(filters, subscription_id)

    async def unsubscribe(self, patterns: Sequence[str]) -> None:
        """Unsubscribe; messages already queued for this session may still come.

        Raises as `subscribe` does.
        """
        await self._questions.unsubscribe(patterns)

    def pause_receiving(self) -> None:
        """Leave what comes in the socket, so that the server holds it back (QoS 0, too).

        What was read from it already waits here: a callback may stop the packets behind its own.
        """
        self._paused = self._received.held = True
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_receiving(self) -> None:
        """Take messages in again, first those that were held."""
        self._paused = self._received.held = False
        self._heard = True  # what the broker has answered meanwhile is not read yet
        self._received.handed_out += 1
        if self._received.kept:
            self._loop.call_soon(self._go_on)
        else:
            self._read_again()

    def _before_an_answer(self) -> object:
        return object() if self._paused else self._received.handed_out

    def stop_receiving(self) -> None:
        """Drop every further PUBLISH unacknowledged; the server sends it again next time."""
        self._on_publish = None

    async def disconnect(self, *, end_session: bool = False, timeout_s: float = 5.0) -> None:
        """Send what is buffered and DISCONNECT, and close; never raises for a link that is gone.

        ``end_session`` asks the server to forget the session and its subscriptions at once.
        """
        if self.closed.done() or self._transport is None:
            return
        self._leaving = True
        self._outbox.send(
            mqtt5.DisconnectPacket(session_expiry_interval=0 if end_session else None).write()
        )
        self._outbox.flush()
        self._transport.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await asyncio.shield(self.closed)
                return
        self._transport.abort()

    def fail(self, error: Exception) -> None:
        """End the link at once with ``error``: nothing more is sent or received."""
        if self._error is None and not self.closed.done():
            self._error = error
        self._on_publish = None
        if self._transport is not None:
            self._transport.abort()

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is open."""
        self._transport = self._outbox.transport = cast("asyncio.Transport", transport)

    def start(self, username: str | None, password: bytes | None) -> None:
        """Send CONNECT."""
        packet = self._options.connect_packet(username, password)
        self._outbox.send(packet.write())

    def pause_writing(self) -> None:
        """The socket is full."""
        self._outbox.writable.clear()

    def resume_writing(self) -> None:
        """The socket takes more."""
        self._outbox.writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Settle everything that waits for this link."""
        if self._error is None and not self._leaving:
            reason = f": {exc}" if exc else " by the broker"
            self._error = MqttError(f"the MQTT connection was closed{reason}")
        for timer in (self._keep_alive, self._gathering):
            if timer is not None:
                timer.cancel()
        self._outbox.writable.set()
        ended = self._error or MqttError("the MQTT connection was closed")
        if not self.connack.done():
            self.connack.set_exception(ended)
        self._questions.end(ended)
        self.closed.set_result(self._error)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        """The free end of the receive buffer."""
        return self._received.free

    def buffer_updated(self, nbytes: int) -> None:
        """Take in every whole packet that has come."""
        self._heard = True
        self._take_in(nbytes)
        if nbytes < _PLENTY and self._options.gather_s and self.connack.done():
            self._gather()

    def _take_in(self, nbytes: int) -> None:
        try:
            self._received.take(nbytes, self._on_publish or _drop, self._take)
        except Exception as exc:  # noqa: BLE001 - whatever it is, it ends this link
            self.fail(exc)

    def _gather(self) -> None:
        """Leave what comes next in the socket for a moment, to take it together."""
        transport = self._transport
        if self._gathering is None and transport is not None and not transport.is_closing():
            transport.pause_reading()
            self._gathering = self._loop.call_later(self._options.gather_s, self._look_again)

    def _go_on(self) -> None:
        if not self._paused and not self.closed.done():
            self._take_in(0)
        self._read_again()

    def _look_again(self) -> None:
        self._gathering = None
        self._read_again()

    def _read_again(self) -> None:
        transport = self._transport
        waits = self._paused or self._gathering is not None
        if not waits and transport is not None and not transport.is_closing():
            transport.resume_reading()

    def _take(self, packet: mqtt5.Packet) -> None:
        if isinstance(packet, mqtt5.PubAckPacket):
            self._free.append(packet.packet_id)
            if self._on_puback is not None:
                self._on_puback(packet.packet_id, int(packet.reason_code))
        elif isinstance(packet, mqtt5.SubAckPacket | mqtt5.UnsubAckPacket):
            self._questions.answered(packet)
        elif isinstance(packet, mqtt5.ConnAckPacket):
            self._take_connack(packet)
        elif isinstance(packet, mqtt5.DisconnectPacket):
            raise disconnect_error(packet, self._options.client_id)

    def _take_connack(self, packet: mqtt5.ConnAckPacket) -> None:
        check_connack(packet, self._options.client_id)
        self._free.extend(range(1, min(packet.receive_max, FIRST_CONTROL_ID - 1) + 1))
        keep_alive_s = packet.server_keep_alive or self._options.keep_alive_s
        if keep_alive_s:
            self._watch(keep_alive_s / 2)
        if not self.connack.done():
            self.connack.set_result(packet)

    def _watch(self, interval_s: float) -> None:
        """Ping, twice in each keep-alive; nothing heard since the last ping: the link is dead."""
        if not self._heard and not self._paused:
            self.fail(MqttError("the MQTT broker has stopped answering (keep-alive)"))
            return
        self._heard = False
        self._outbox.send(_PINGREQ)
        self._keep_alive = self._loop.call_later(interval_s, self._watch, interval_s)


def _drop(_: Sequence[mqtt5.PublishPacket]) -> None:
    """Take nothing in."""


async def connect_mqtt(
    connection: MqttConnection,
    options: MqttOptions,
    *,
    on_publish: OnPublish | None = None,
    on_puback: OnPuback | None = None,
) -> MqttLink:
    """Open a connection and wait for the server's CONNACK.

    Raises:
        MqttRefusedError: the server refused; ``retryable`` says whether waiting can help.
        MqttUntrustedError: its certificate is not one to trust, or it does not speak TLS.
        MqttError: the server cannot be reached, or did not answer in time.
        ConnectionSettingError: the certificate authority can't be read.
    """
    loop = asyncio.get_running_loop()
    link: MqttLink | None = None
    tls = connection.ssl_context()
    try:
        async with asyncio.timeout(options.connect_timeout_s):
            _, link = await loop.create_connection(
                lambda: MqttLink(options, on_publish, on_puback),
                connection.host,
                connection.port,
                ssl=tls,
                server_hostname=connection.host if tls else None,
            )
            link.start(connection.username, connection.password)
            await link.connack
    except OSError as exc:  # a timeout and an ssl.SSLError are OSErrors, too
        why = access_error(MQTT, connection, exc, tls=connection.tls)
        raise (MqttError if why.retryable else MqttUntrustedError)(str(why)) from exc
    except MqttError as exc:
        if isinstance(exc, MqttRefusedError):
            raise
        raise MqttError(str(closed_early(MQTT, connection, tls=connection.tls))) from exc
    finally:
        if link is not None and (link.connack.cancelled() or link.connack.exception()):
            link.fail(MqttError("the MQTT broker did not let the client in"))
    return link
