"""Cutting a byte stream into MQTT packets, and what a server's refusals mean. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import mqtt5

from ingest.errors import MqttError, MqttRefusedError, SessionTakenOverError

TOGETHER_BYTES: Final = 4 * 1024
READ_BYTES: Final = 256 * 1024
_REFUSED: Final = 128
_CONTINUED: Final = 0x80
"""Bit of a length byte that says another follows (MQTT 5.0 §1.5.5)."""
_TRANSIENT: Final = frozenset({128, 131, 136, 137, 151, 159})
"""Refusals of a CONNECT that can pass: unspecified, implementation, unavailable, busy, quota."""
_OF_USER: Final = frozenset({134, 135})
"""Bad user name or password, and Mosquitto's way of saying it, not authorised."""


class PacketBuffer:
    """The receive buffer of one connection: bytes in, whole packets out.

    The socket writes into `free`; `take` hands out what is whole and keeps the rest. While it is
    ``held``, which a callback may set, it hands out nothing; ``kept`` says that some is left.
    ``handed_out`` grows as PUBLISH packets are.
    """

    def __init__(self) -> None:
        """Begin empty, with room for one read."""
        self._view = memoryview(bytearray(READ_BYTES))
        self._end = 0
        self.held = self.kept = False
        self.handed_out = 0

    @property
    def free(self) -> memoryview:
        """Where the next bytes go; never empty."""
        return self._view[self._end :]

    def take(
        self,
        nbytes: int,
        on_publish: Callable[[Sequence[mqtt5.PublishPacket]], None],
        on_other: Callable[[mqtt5.Packet], None],
    ) -> None:
        """Hand out every packet that is whole now that ``nbytes`` more are in `free`, in order.

        PUBLISH packets without another between them are handed out together, up to 4 KiB at a
        time: a callback may set ``held`` after each time.

        Raises:
            MqttError: the bytes are not MQTT 5.
        """
        end = self._end + nbytes
        view = self._view
        start = 0
        read = mqtt5.read
        publish_packet = mqtt5.PublishPacket
        published: list[mqtt5.PublishPacket] = []
        full = TOGETHER_BYTES
        while start < end and not self.held:
            try:
                packet, size = read(view[start:end])
            except IndexError:  # not whole yet
                break
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException as exc:  # it panics, a BaseException, where text is not UTF-8
                self._hand_out(published, on_publish)
                raise MqttError("the MQTT broker sent a malformed packet") from exc
            start += size
            if type(packet) is not publish_packet:
                self._hand_out(published, on_publish)
                on_other(packet)
                continue
            published.append(packet)
            if start >= full:
                self._hand_out(published, on_publish)
                full = start + TOGETHER_BYTES
        self._hand_out(published, on_publish)
        self._keep(start, end)

    def _hand_out(
        self,
        published: list[mqtt5.PublishPacket],
        on_publish: Callable[[Sequence[mqtt5.PublishPacket]], None],
    ) -> None:
        if published:
            self.handed_out += 1
            on_publish(published[:])
            published.clear()

    def _keep(self, start: int, end: int) -> None:
        """Move the unread rest to the front, of a larger buffer where its packet needs one."""
        rest = bytes(self._view[start:end])
        self._end = len(rest)
        self.kept = self.held and self._end > 0
        if not rest:
            return
        size = packet_size(rest)
        room = len(self._view)
        if self.held:
            needed = len(rest) + READ_BYTES
        elif size is not None and size <= len(rest):
            raise MqttError("the MQTT broker sent a malformed packet")
        else:
            # no more than doubled: a packet's size is a promise until its bytes come
            needed = min(max(size or 0, READ_BYTES), room if len(rest) < room else 2 * room)
        if needed != room:
            self._view = memoryview(bytearray(needed))
        self._view[: len(rest)] = rest


def packet_size(data: bytes) -> int | None:
    """Whole size in bytes of the packet that ``data`` begins with; None while that is unknown."""
    length = 0
    for index, byte in enumerate(data[1:5]):
        length |= (byte & 0x7F) << (7 * index)
        if not byte & _CONTINUED:
            return 2 + index + length
    return None


def check_connack(packet: mqtt5.ConnAckPacket, client_id: str) -> None:
    """Raise `MqttRefusedError` where the server did not let ``client_id`` in."""
    code = int(packet.reason_code)
    if code >= _REFUSED:
        mend = (
            "check the user and the password in QALA_MQTT_URL"
            if code in _OF_USER
            else "check QALA_MQTT_URL and the broker's access list"
        )
        raise MqttRefusedError(
            f"the MQTT broker refused client '{client_id}' ({packet.reason_code.name}); {mend}",
            code=code,
            retryable=code in _TRANSIENT,
        )


def check_codes(what: str, patterns: Sequence[str], codes: Sequence[int]) -> None:
    """Raise `MqttRefusedError` where a SUBACK or an UNSUBACK holds a refusal."""
    for pattern, code in zip(patterns, codes, strict=False):
        if code >= _REFUSED:
            raise MqttRefusedError(
                f"the MQTT broker refused the {what} '{pattern}' (reason code 0x{code:02X}); "
                "allow it in the broker's access list",
                code=code,
                retryable=True,
            )


def disconnect_error(packet: mqtt5.DisconnectPacket, client_id: str) -> MqttError:
    """What the server's DISCONNECT means for ``client_id``."""
    if packet.reason_code == mqtt5.DisconnectReasonCode.SESSION_TAKEN_OVER:
        return SessionTakenOverError(
            f"another client has connected to MQTT as '{client_id}' and has taken this one's "
            "session over; give each its own id"
        )
    return MqttError(f"the MQTT broker ended the connection ({packet.reason_code.name})")
